"""Waiting and moving packets in one place: what is served, and what ends it."""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable, Iterator

import pytest

from tests.tunnel.pumping import Lab, packet
from tests.tunnel.world import World
from tincd_compat import logs
from tincd_compat._fast import core
from tincd_compat.modes import Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.flows import STATION_MEMORY
from tincd_compat.tunnel.ports import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


class Waiting:
    """An epoll instance with the device, the socket and something else."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._epoll = select.epoll()
        self._end, self._other = os.pipe()
        for fd in (lab.device.fd, lab.udp.fileno(), self._end):
            self._epoll.register(fd, select.EPOLLIN)

    def serve(self, seconds: float = 0.0) -> Progress:
        lab = self._lab
        return lab.pumps.serve(self._epoll.fileno(), seconds, lambda: lab.world.now)

    def other_is_ready(self) -> None:
        os.write(self._other, b"x")

    def close(self) -> None:
        self._epoll.close()
        os.close(self._end)
        os.close(self._other)


@pytest.fixture
def waiting(lab: Lab) -> Iterator[Waiting]:
    made = Waiting(lab)
    yield made
    made.close()


def test_packets_of_both_sides_are_moved_until_the_time_is_over(
    lab: Lab, waiting: Waiting
) -> None:
    assert waiting.serve() is Progress.QUIET
    lab.give(packet(0))
    lab.send("b", packet(0, "10.0.1.1", "10.0.2.1"))
    # Two descriptors, each of which has something for Python; then one again.
    assert waiting.serve() is Progress.HEEDED
    assert waiting.serve() is Progress.HEEDED
    lab.send("b", packet(0, "10.0.1.1", "10.0.2.1"))
    assert waiting.serve() is Progress.HEEDED
    assert len(lab.world.ports.trains) == 1
    lab.give(packet(1), packet(2))
    lab.send("b", packet(3, "10.0.1.1", "10.0.2.1"))
    assert waiting.serve(0.001) is Progress.QUIET
    assert lab.arrived("b") == [packet(1), packet(2)]
    assert [frame for _, frame in lab.written()] == [packet(3, "10.0.1.1", "10.0.2.1")]
    assert lab.device.bytes_in == 3 * len(packet(0))
    assert waiting.serve() is Progress.QUIET


def test_others_end_it_after_the_packets_that_are_there(
    lab: Lab, waiting: Waiting
) -> None:
    lab.give(packet(0))
    lab.out()
    lab.give(packet(1))
    waiting.other_is_ready()
    for seconds in (-1, 0, 60):
        assert waiting.serve(seconds) is Progress.REFUSED
    assert lab.arrived("b") == [packet(1)]


def test_nobody_is_kept_from_his_turn(lab: Lab, waiting: Waiting) -> None:
    for number in range(4):
        # The first word of a stranger goes to Python each time.
        lab.send_raw("c", bytes(64))
        lab.give(packet(number, f"10.0.2.{number}"))
        waiting.serve()
    assert len(lab.world.ports.trains) >= 1
    assert lab.world.pipeline.drops.total() >= 1


def test_single_packets_are_logged_where_python_sees_them(
    lab: Lab, waiting: Waiting
) -> None:
    lab.give(packet(0))
    logs.traffic.setLevel(logging.DEBUG)
    assert waiting.serve(60) is Progress.REFUSED
    logs.traffic.setLevel(logging.WARNING)
    assert waiting.serve(60) is Progress.HEEDED


def test_authors_are_announced_now_and_then(make: Callable[..., Lab]) -> None:
    route = RouteOptions(mode=Mode.SWITCH)
    lab = make(World(DeliveryPolicy(options=0xC, route=route), route), tap=True)
    lab.world.subnet("b", "2:0:0:0:0:2")
    frame = bytes([2, 0, 0, 0, 0, 2]) + bytes([2, 0, 0, 0, 0, 1]) + packet(0)[12:]
    waiting = Waiting(lab)
    answers = []
    for _ in range(3):
        lab.give(frame)
        answers.append(waiting.serve())
    lab.world.now += STATION_MEMORY + 1
    lab.give(frame)
    answers.append(waiting.serve())
    waiting.close()
    heeded, quiet = Progress.HEEDED, Progress.QUIET
    assert answers == [heeded, quiet, quiet, heeded]


def test_what_is_no_descriptor_is_not_watched() -> None:
    pump = core.Pump(-1, False, False, False, False, False)
    with pytest.raises(TypeError):
        pump.watch(0, "device")  # type: ignore[arg-type]
    for number in (-1, 0xFFFFFFFF, 1 << 32, 1 << 64):
        with pytest.raises(OverflowError):
            pump.watch(0, number)
    assert all(pump.watch(fd, fd) for fd in range(64))
    assert not pump.watch(64, 64)
    # An epoll instance that is none: the loop has to look itself.
    assert pump.serve(-1, 60_000, 1, 1) is False
