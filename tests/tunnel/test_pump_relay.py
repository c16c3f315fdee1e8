"""From UDP to UDP: what the compiled pump passes on to other nodes."""

from __future__ import annotations

import errno

import pytest

from tests.tunnel.pumping import Lab, packet, received
from tests.tunnel.world import ipv4
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.tunnel.ports import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


def relayed(number: int) -> bytes:
    return packet(number, "10.0.3.1", "10.0.2.1")


def learned(lab: Lab) -> None:
    for _ in range(3):
        lab.send("b", relayed(0), packet(0, "10.0.1.1", "10.0.2.1"))
        lab.send("c", packet(0, "10.0.2.1", "10.0.3.1"))
        lab.send("c", packet(0, "10.0.1.1", "10.0.3.1"))
        lab.receive()
    lab.written()
    lab.arrived("b")
    lab.arrived("c")


def test_what_is_passed_on(lab: Lab) -> None:
    for number, way in enumerate(("python", "python", "compiled", "compiled")):
        lab.world.ports.trains.clear()
        lab.send("b", relayed(number))
        assert (lab.pumps.from_udp(0, lab.world.now) is Progress.QUIET) == (
            way == "compiled"
        )
        python = [relayed(number)] if way == "python" else []
        trains = [train for _, train in lab.world.ports.trains]
        opened = [lab.world.peers["c"].open(train) for train in trains]
        assert opened == ([python] if python else [])
        if way == "compiled":
            assert lab.arrived("c") == [relayed(number)]
    assert lab.device.bytes_in == lab.device.bytes_out == 0


def test_trains_of_several_nodes_and_our_device(lab: Lab) -> None:
    ours, ours_too = (packet(i, "10.0.1.1", "10.0.2.1") for i in range(2))
    learned(lab)
    lab.send("b", *map(relayed, range(150)), ours)
    lab.send("c", packet(7, "10.0.2.1", "10.0.3.1"), ours_too)
    for _ in range(10):
        lab.receive()
    assert lab.arrived("c") == [relayed(i) for i in range(150)]
    assert lab.arrived("b") == [packet(7, "10.0.2.1", "10.0.3.1")]
    assert [frame for _, frame in lab.written()] == [ours, ours_too]


def test_nothing_goes_back_where_it_came_from(lab: Lab) -> None:
    for number in range(4):
        lab.send("b", packet(number, "10.0.2.1", "10.0.2.2"))
        lab.receive()
    assert lab.arrived("b") == []
    assert lab.world.pipeline.drops.total() == 4


def test_what_the_path_may_not_carry_goes_back(lab: Lab) -> None:
    learned(lab)
    lab.world.ports.packets.clear()
    long = ipv4("10.0.2.1", "10.0.3.1", bytes(1452 - 34))
    lab.send("b", long)
    lab.receive()
    assert lab.arrived("c") == []


def test_a_change_of_the_mesh(lab: Lab) -> None:
    learned(lab)
    lab.world.subnet("c", "10.0.3.1/32")
    lab.world.subnet("a", "10.0.3.1/32")
    lab.send("b", relayed(3))
    lab.receive()
    assert lab.arrived("c") == []


def test_a_refusal_is_told(lab: Lab) -> None:
    address = SocketAddress("127.0.0.1", 0)
    lab.world.mesh.set_address(lab.world.node("c"), address)
    for number in range(4):
        lab.send("b", relayed(number))
        lab.receive()
    assert lab.sockets.refusals == [("c", errno.EINVAL)] * 2


def test_a_key_that_is_used_up(lab: Lab) -> None:
    learned(lab)
    sealer = lab.world.tunnel(lab.world.node("c")).sealer
    assert sealer is not None
    sealer.sequence = 0xFFFFFFFF - 1
    lab.send("b", relayed(1), relayed(2))
    lab.receive()
    assert lab.world.pipeline.drops["no valid key"] == 1
    assert len(received(lab.far["c"])) == 1
