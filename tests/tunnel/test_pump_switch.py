"""The compiled pumps in switch mode: MAC addresses, and authors to be announced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tunnel.pumping import PLAIN, Lab, packet
from tests.tunnel.world import World
from tincd_compat.routing.options import Mode, RouteOptions
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel._fast import core
from tincd_compat.tunnel.delivery import Policy

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


@pytest.fixture
def lab(make: Callable[..., Lab]) -> Lab:
    route = RouteOptions(mode=Mode.SWITCH)
    lab = make(World(Policy(options=0xC, route=route), route), tap=True)
    lab.world.subnet("a", "2:0:0:0:0:1")
    lab.world.subnet("b", "2:0:0:0:0:2")
    return lab


def framed(number: int, target: int, source: int) -> bytes:
    address = bytes([2, 0, 0, 0, 0])
    head = address + bytes([target]) + address + bytes([source])
    return head + packet(number)[12:]


def test_authors_are_announced_now_and_then(lab: Lab) -> None:
    frames = [framed(number, 2, 1) for number in range(4)]
    lab.give(frames[0])
    lab.out()
    assert len(lab.world.ports.learned) == 1
    lab.give(frames[1])
    lab.out()
    assert lab.arrived("b") == [frames[1]]
    assert len(lab.world.ports.learned) == 1
    lab.world.now += pumps.STATION_MEMORY + 1
    lab.give(frames[2])
    lab.out()
    assert len(lab.world.ports.learned) == 2
    lab.give(frames[3])
    lab.out()
    assert lab.arrived("b") == [frames[3]]


def test_inward(lab: Lab) -> None:
    frames = [framed(number, 1, 2) for number in range(3)]
    for each in frames:
        lab.send("b", each)
        lab.receive()
    assert lab.world.ports.delivered == frames[:2]
    assert lab.written() == [(PLAIN, frames[2])]
