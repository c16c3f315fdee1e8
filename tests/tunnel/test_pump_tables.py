"""What the compiled pumps remember, and that strangers cannot fill it for good."""

from __future__ import annotations

import pytest

from tests.tunnel.pumping import Lab, packet
from tests.tunnel.samples import DEFAULT, KEY
from tincd_compat.tunnel._fast import core
from tincd_compat.tunnel.codec import _suite_for_core

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

#: Destinations in a table.
MOST = 4096


def sweep(first: int, count: int) -> list[str]:
    return [f"10.32.{i // 256}.{i % 256}" for i in range(first, first + count)]


def test_a_sweep_over_a_subnet_does_not_fill_the_destinations(lab: Lab) -> None:
    lab.world.subnet("b", "10.32.0.0/16")
    trains = lab.world.ports.trains
    for start in range(0, MOST, 64):
        lab.give(*(packet(0, target) for target in sweep(start, 64)))
        lab.out()
    assert sum(len(train) for _, train in trains) == MOST
    trains.clear()
    lab.give(*(packet(0, target) for target in sweep(0, 100)))
    lab.out()
    # All are remembered, and with one more all but that one are forgotten.
    assert (len(lab.arrived("b")), trains) == (100, [])
    for way in ("python", "compiled"):
        lab.give(packet(1), packet(2))
        lab.out()
        assert (lab.arrived("b") == []) == (way == "python")
    assert len(trains) == 1


def test_a_sweep_over_our_subnet_does_not_fill_what_is_our_own(lab: Lab) -> None:
    lab.world.subnet("a", "10.32.0.0/16")
    # One call takes as many; from the second on the source is known.
    for start in (0, *range(0, MOST, 16)):
        lab.send("b", *(packet(0, target, "10.0.2.1") for target in sweep(start, 16)))
        lab.receive()
    assert len(lab.world.ports.delivered) == 16 + MOST
    lab.world.ports.delivered.clear()
    for way in ("python", "compiled"):
        lab.send("b", packet(1, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        assert (lab.written() == []) == (way == "python")
    assert len(lab.world.ports.delivered) == 1


def test_a_flood_of_forged_datagrams_does_not_fill_the_sources(lab: Lab) -> None:
    frame = packet(9, "10.0.2.1", "10.0.3.1")
    for _ in range(3):
        lab.send("c", frame)
        lab.receive()
    lab.arrived("b")
    for _ in range(1100):
        lab.send_raw("b", bytes(64))
        lab.receive()
    lab.send("c", frame)
    lab.receive()
    assert lab.arrived("b") == [frame]


@pytest.mark.parametrize("number", [-1, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1])
def test_numbers_that_the_tables_cannot_hold(number: int) -> None:
    pump = core.Pump(-1, False, False, False, False, False)
    suite = _suite_for_core(DEFAULT)
    sealer, opener = core.Sealer(*suite, KEY), core.Opener(*suite, KEY)
    place = ("192.0.2.1", 655)
    assert pump.add_peer(None, sealer, 3, *place, 0, 1518, False) == 0
    with pytest.raises(OverflowError):
        pump.add_peer(None, sealer, 3, *place, number, 1518, False)
    with pytest.raises(OverflowError):
        pump.add_relay(number, bytes(4), 0)
    for numbers in ((number, 0, 0), (0, number, 0), (0, 0, number)):
        node, socket, scope = numbers
        with pytest.raises(OverflowError):
            pump.add_source(None, node, opener, socket, *place, scope)
    with pytest.raises(OverflowError):
        pump.receive(-1, number, 1)
    assert pump.add_source(None, 0, opener, 0, *place, 0)
