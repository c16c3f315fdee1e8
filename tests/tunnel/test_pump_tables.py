"""What the compiled pumps remember, and that strangers cannot fill it for good."""

from __future__ import annotations

import pytest

from tests.tunnel.pumping import Lab, packet, received
from tests.tunnel.samples import DEFAULT, KEY
from tincd_compat._fast import core
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.codec import _suite_for_core

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

#: Destinations in a table, and as many peers and sources.
MOST = 16384


def address(number: int) -> bytes:
    return (0x0A200000 + number).to_bytes(4, "big")


def spare_nodes(lab: Lab, count: int) -> None:
    """Let the pump know so many nodes that nobody ever hears of."""
    sealer = core.Sealer(*_suite_for_core(DEFAULT), KEY)
    for number in range(count):
        node = Node(f"spare{number}")
        assert lab.pumps._numbers_of(node) == [number]
        place = -1, f"192.0.{number >> 8}.{number & 255}", 655, 0
        lab.pumps._pump.set_peer(number, node, sealer, *place, False)


def spare_sources(pump: core.Pump, count: int) -> None:
    """Let the pump know so many sources that nobody ever hears of."""
    opener = core.Opener(*_suite_for_core(DEFAULT), KEY)
    for number in range(count):
        host = f"192.0.{number >> 8}.{number & 255}"
        pump.add_source(None, MOST, opener, 0, host, 655, 0)


def test_a_sweep_over_a_subnet_does_not_fill_the_destinations(lab: Lab) -> None:
    lab.world.subnet("b", "10.32.0.0/16")
    trains = lab.world.ports.trains
    lab.give(packet(0, "10.32.0.0"))
    lab.out()
    for number in range(1, MOST):
        lab.pumps._pump.add_destination(address(number), 0)
    trains.clear()
    lab.give(*(packet(0, f"10.32.0.{i}") for i in range(100)))
    lab.out()
    # All are remembered, and with one more all but that one are forgotten.
    assert (len(lab.arrived("b")), trains) == (100, [])
    for way in ("python", "compiled"):
        lab.give(packet(1), packet(2))
        lab.out()
        assert (lab.arrived("b") == []) == (way == "python")
    lab.give(packet(0, "10.32.0.0"))
    lab.out()
    assert (len(trains), lab.arrived("b")) == (2, [])


def test_a_sweep_over_our_subnet_does_not_fill_what_is_our_own(lab: Lab) -> None:
    for number in range(MOST):
        lab.pumps._pump.add_own(address(number))
    # The first time the source is unknown, the second time the destination.
    for way in ("source", "destination", "compiled"):
        lab.send("b", packet(1, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        assert (lab.written() == []) == (way != "compiled")
    assert len(lab.world.ports.delivered) == 2


def test_more_nodes_than_there_is_room_for(lab: Lab) -> None:
    spare_nodes(lab, MOST - 1)
    for target in ("10.0.2.1", "10.0.3.1", "10.0.2.1"):
        for way in ("python", "compiled"):
            lab.give(packet(1, target), packet(2, target))
            lab.out()
            arrived = lab.arrived("b" if target == "10.0.2.1" else "c")
            assert (arrived == []) == (way == "python")
    # The first was forgotten for the second; for the third there was room again.
    assert len(lab.world.ports.trains) == 3


def test_more_sources_than_there_is_room_for(lab: Lab) -> None:
    spare_sources(lab.pumps._pump, MOST - 1)
    for name in ("b", "c"):
        target = "10.0.3.1" if name == "b" else "10.0.2.1"
        frame = packet(1, target, "10.0.2.1" if name == "b" else "10.0.3.1")
        for way in ("source", "relay", "compiled"):
            lab.send(name, frame)
            lab.receive()
            arrived = lab.arrived("c" if name == "b" else "b")
            assert (arrived == []) == (way != "compiled")


def test_many_peers_have_a_train_each(lab: Lab) -> None:
    """More than eight, so that trains leave for others before the end."""
    pump = lab.pumps._pump
    suite = _suite_for_core(DEFAULT)
    host, port = lab.far["b"].getsockname()
    for number in range(1500):
        sealer = core.Sealer(*suite, KEY)
        place = lab.udp.fileno(), host, port, 0, True
        pump.set_peer(number, number, sealer, *place)
        pump.set_way(number, number, number, 1518)
        pump.add_destination(address(number), number)
    opener = core.Opener(*suite, KEY)
    numbers = [1499, 3, 1024, 700, 9, 1023, 1025, 80, 1200, 2, 1499, 1024]
    lab.give(*(packet(i, f"10.32.{i >> 8}.{i & 255}") for i in numbers))
    lab.out()
    wire = received(lab.far["b"])
    assert len(wire) == len(numbers)
    assert lab.world.ports.trains == []
    for datagram in wire:
        assert opener.matches(datagram)


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
    pump.set_peer(0, None, sealer, 3, *place, 0, False)
    with pytest.raises(OverflowError):
        pump.set_peer(0, None, sealer, 3, *place, number, False)
    for each in (number, MOST):
        wrong = ValueError if each == MOST else OverflowError
        with pytest.raises(wrong):
            pump.set_peer(each, None, sealer, 3, *place, 0, False)
        with pytest.raises(wrong):
            pump.forget_peer(each)
        for way in ((each, 0, 0), (0, each, 0), (0, 0, each)):
            with pytest.raises(wrong):
                pump.set_way(*way, 1518)
        with pytest.raises(wrong):
            pump.forget_way(each)
        with pytest.raises(wrong):
            pump.add_destination(bytes(4), each)
    with pytest.raises(OverflowError):
        pump.forget_source(number, *place, 0)
    with pytest.raises(OverflowError):
        pump.forget_source(0, *place, number)
    for numbers in ((number, 0, 0), (0, number, 0), (0, 0, number)):
        node, socket, scope = numbers
        with pytest.raises(OverflowError):
            pump.add_source(None, node, opener, socket, *place, scope)
    with pytest.raises(OverflowError):
        pump.receive(-1, number, 1)
    assert pump.add_source(None, 0, opener, 0, *place, 0)
