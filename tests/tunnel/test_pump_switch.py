"""The compiled pumps in switch mode: MAC addresses, and authors to be announced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tunnel.pumping import PLAIN, Lab, packet
from tests.tunnel.world import World
from tincd_compat._fast import core
from tincd_compat.modes import Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.flows import STATION_MEMORY

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


@pytest.fixture
def lab(make: Callable[..., Lab]) -> Lab:
    route = RouteOptions(mode=Mode.SWITCH)
    lab = make(World(DeliveryPolicy(options=0xC, route=route), route), tap=True)
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
    lab.world.now += STATION_MEMORY + 1
    lab.give(frames[2])
    lab.out()
    assert len(lab.world.ports.learned) == 2
    lab.give(frames[3])
    lab.out()
    assert lab.arrived("b") == [frames[3]]


@pytest.mark.parametrize(("mac_expire", "pause"), [(2, 0.6), (0, 0.3)])
def test_authors_that_expire_soon_are_announced_often(
    make: Callable[..., Lab], mac_expire: int, pause: float
) -> None:
    route = RouteOptions(mode=Mode.SWITCH, mac_expire=mac_expire)
    lab = make(World(DeliveryPolicy(options=0xC, route=route), route), tap=True)
    lab.world.subnet("b", "2:0:0:0:0:2")
    for number in range(4):
        lab.give(framed(number, 2, 1))
        lab.out()
        lab.world.now += pause
    assert len(lab.world.ports.learned) == 4


def test_inward(lab: Lab) -> None:
    frames = [framed(number, 1, 2) for number in range(3)]
    for each in frames:
        lab.send("b", each)
        lab.receive()
    assert lab.world.ports.delivered == frames[:2]
    assert lab.written() == [(PLAIN, frames[2])]
