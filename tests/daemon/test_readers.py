"""What is left of a burst waits for another turn, and what comes next waits too."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from tests.daemon.plane import TO_PEER, Plane
from tests.segments.samples import Segment
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import ipv4, sized
from tincd_compat.daemon import readers
from tincd_compat.daemon.leftovers import BURST_TURN
from tincd_compat.daemon.readers import READ_BURST
from tincd_compat.mesh.node import Node
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import Verdict
from tincd_compat.segments.superpacket import SMALL, SuperPacket
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel.pipeline import STEP
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.pumps import Pumps

#: Seconds that a verdict takes here.
COST = 0.001
SEGMENTS = 8 * STEP


class Routed:
    """Verdicts that take time: how many, in which turn of the loop, about whom."""

    def __init__(self, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plane = plane
        self.turns: list[int] = []
        self.targets: list[bytes] = []
        #: Whether somebody read the device then, and the socket.
        self.reading: list[bool] = []
        self.listening: list[bool] = []
        self.on_verdict: Callable[[int], None] = lambda _: None
        route = Router.route

        def slow(router: Router, frame: bytearray, source: Node, now: float) -> Verdict:
            loop = plane.loop
            loop.now += COST
            self.turns.append(loop.turns)
            self.targets.append(bytes(frame[30:34]))
            self.reading.append(plane.device.descriptor in loop.readers)
            self.listening.append(plane.udp.descriptor in loop.readers)
            self.on_verdict(len(self.turns))
            return route(router, frame, source, now)

        monkeypatch.setattr(Router, "route", slow)

    @property
    def longest(self) -> float:
        """Seconds of the longest turn."""
        return COST * max(map(self.turns.count, self.turns))


@pytest.fixture
def routed(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Routed:
    return Routed(plane, monkeypatch)


def one(segments: int) -> SuperPacket:
    """Return a super-packet that is nobody's."""
    payload = bytes(segments * SMALL)
    return Segment(payload=payload, source=0x10001, target=0x90909).piece(SMALL)


def many() -> list[bytearray | SuperPacket]:
    """Return what a device gives: super-packets of SEGMENTS together, a step each."""
    return [one(STEP)] * (SEGMENTS // STEP)


def test_expensive_super_packets_take_turns(plane: Plane, routed: Routed) -> None:
    plane.from_device(*many())
    assert len(routed.turns) == SEGMENTS
    assert routed.longest <= COST * STEP < SEGMENTS * COST / 5
    assert plane.device.descriptor in plane.loop.readers


def test_of_one_that_takes_longer_than_a_turn_the_rest_is_lost(
    plane: Plane, routed: Routed
) -> None:
    plane.from_device(one(SEGMENTS), one(3))
    assert len(routed.turns) == STEP + 3
    lost = ("dropped beyond a turn", SEGMENTS - STEP)
    assert lost in plane.subject.counters()


def test_what_comes_meanwhile_stays_in_the_device(plane: Plane, routed: Routed) -> None:
    plane.device.frames = [*many(), ipv4("10.1.0.1", "10.9.9.10")]

    def look(number: int) -> None:
        # Level-triggered: who watches would be called again.
        if number > 1 and plane.device.descriptor in plane.loop.readers:
            plane.loop.call_soon(plane.loop.readers[plane.device.descriptor])

    routed.on_verdict = look
    plane.from_device()
    plane.loop.readable(plane.device.descriptor)
    assert routed.targets[:SEGMENTS] == [bytes([10, 9, 9, 9])] * SEGMENTS
    assert routed.targets[SEGMENTS:] == [bytes([10, 9, 9, 10])]
    # It is read as long as nothing is left, and then again.
    assert routed.reading[:STEP] == [True] * STEP
    assert routed.reading[STEP:SEGMENTS] == [False] * (SEGMENTS - STEP)
    assert all(routed.listening)


def test_expensive_datagrams_take_turns(plane: Plane, routed: Routed) -> None:
    far_end = plane.far_end()
    assert far_end.sealer is not None
    frames = [sized(60, "10.9.9.9", "10.2.0.1")] * SEGMENTS
    datagrams = far_end.sealer.seal_train(frames)
    plane.udp.segment_size = len(datagrams[0])
    plane.from_udp(b"".join(datagrams))
    assert len(routed.turns) == SEGMENTS
    assert routed.longest <= COST * STEP
    assert routed.listening == [True] * STEP + [False] * (SEGMENTS - STEP)
    assert all(routed.reading)
    assert plane.udp.descriptor in plane.loop.readers


class Serving:
    """Pumps that make of everything what they are told."""

    outward = True

    def __init__(self) -> None:
        self.progress = Progress.QUIET
        self.did: list[str] = []

    def from_device(self, now: float) -> Progress:
        self.did.append(f"device at {now:g}")
        return self.progress

    def from_udp(self, index: int, now: float) -> Progress:
        self.did.append(f"socket {index} at {now:g}")
        return self.progress

    def serve(self, epoll: int, seconds: float, _clock: object) -> Progress:
        self.did.append(f"wait {seconds:g} for {epoll}")
        return self.progress

    def close(self) -> None:
        self.did.append("close")


def test_pumps_read_first_and_python_what_they_refuse(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = [Serving()]
    servers: list[Callable[[int, float], bool] | None] = []
    # Whoever starts them twice finds none.
    monkeypatch.setattr(pumps, "start", lambda *_: serving.pop())
    (subject,) = serving
    monkeypatch.setattr(
        readers, "set_packet_server", lambda _, server: servers.append(server)
    )
    plane = Plane(loop)
    (server,) = servers
    assert server is not None
    for progress in Progress:
        subject.progress = progress
        assert server(5, 0.5) == (progress is not Progress.REFUSED)
        plane.device.frames = [ipv4(*TO_PEER)]
        plane.udp.arriving = [(b"junk", ("10.0.0.2", 655))]
        # Whoever has touched nothing but packets says so.
        for descriptor in plane.device.descriptor, plane.udp.descriptor:
            quiet = loop.call(loop.readers[descriptor])
            assert quiet is (progress is Progress.QUIET)
        refused = progress is Progress.REFUSED
        assert (plane.device.frames == []) == (plane.udp.arriving == []) == refused
        plane.device.frames, plane.udp.arriving = [], []
        calls = ["wait 0.5 for 5", "device at 1000", "socket 0 at 1000"]
        assert subject.did == calls
        subject.did.clear()
    plane.subject.close()
    assert (subject.did, servers[1:]) == (["close"], [None])
    assert plane.loop.readers == {}


class Refusing:
    """Pumps that hand back what they have got, and cannot read any more."""

    def __init__(self, plane: Plane) -> None:
        self._pipeline = plane.subject._pipeline

    def from_device(self, now: float) -> Progress:
        self._pipeline.from_device(many(), now)
        return Progress.REFUSED

    def close(self) -> None:
        """Nothing is open."""


def test_where_the_pumps_have_left_something_nobody_reads_on(
    plane: Plane, routed: Routed
) -> None:
    plane.subject._readers._pumps = cast(Pumps, Refusing(plane))
    plane.from_device(ipv4(*TO_PEER))
    assert len(routed.turns) == SEGMENTS
    assert len(plane.device.frames) == 1
    plane.from_device()
    assert len(plane.device.frames) == 1


def test_a_device_that_rests_is_not_read_for_all_that(
    plane: Plane, routed: Routed
) -> None:
    plane.device.read_pause = 100 * COST * SEGMENTS
    plane.from_device(*many())
    assert len(routed.turns) == SEGMENTS
    assert plane.device.descriptor not in plane.loop.readers
    plane.loop.advance(plane.device.read_pause)
    assert plane.device.descriptor in plane.loop.readers


def test_a_device_that_has_rested_waits_for_its_turn(
    plane: Plane, routed: Routed
) -> None:
    plane.device.read_pause = BURST_TURN
    plane.from_device(*many())
    assert routed.reading == [False] * SEGMENTS
    assert plane.device.descriptor in plane.loop.readers


def test_closing_in_the_middle(plane: Plane, routed: Routed) -> None:
    def close(number: int) -> None:
        if number == STEP + 1:
            plane.subject.close()

    routed.on_verdict = close
    plane.from_device(*many())
    assert STEP < len(routed.turns) <= 2 * STEP
    assert plane.loop.readers == {}


@pytest.mark.parametrize("segments", [1, READ_BURST - 1, READ_BURST, 10 * READ_BURST])
def test_a_burst_that_has_begun_is_not_made_longer(
    plane: Plane, segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []
    read = plane.device.read_batch

    def noted(limit: int) -> list[bytearray | SuperPacket]:
        limits.append(limit)
        return read(limit)

    monkeypatch.setattr(plane.device, "read_batch", noted)
    plane.subject._readers._read_in_python([one(segments)])
    assert limits == [READ_BURST - segments]
