"""Packets that come alone: what is read when, and what moves it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.daemon.descriptors import FakeUdp
from tests.daemon.fakes import PLACES
from tests.daemon.plane import Plane
from tests.device.fakes import FakeSystem
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import HERE, World, lengths, neighbours, probe, sized
from tincd_compat.daemon.singlereader import LEAST_PAUSE, Frames, SingleReader
from tincd_compat.device.tun import TunTap
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.options import CLAMP_MSS
from tincd_compat.transport.udp import Datagram, UdpSocket, UdpSockets
from tincd_compat.tunnel import codec, pumps
from tincd_compat.tunnel.pipeline import Pipeline


@pytest.fixture(autouse=True, scope="module")
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", None)
        yield


def tun(system: FakeSystem) -> TunTap:
    off = OffloadWishes(segmentation=False, coalescing=False)
    return TunTap(None, "", tap=False, router=True, system=system, offloads=off)


#: Seconds after which a packet counts as alone.
PAUSE = 2 * LEAST_PAUSE


class Udp(FakeUdp):
    """A socket that shows what it sent without the addresses."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.sent_alone: list[bytes] = []

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> int:
        self.sent_alone.append(data)
        return super().sendto(data, address)


class Desk:
    """Device and socket of a daemon, read as the data plane reads them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.system = FakeSystem()
        self.device = tun(self.system)
        self.udp = Udp(7)
        #: The datagrams of trains and those alone, in order.
        self.sent = self.udp.sent_alone
        world.ports.on_datagram = lambda _node, datagram: self.sent.append(datagram)
        self.sockets = UdpSockets(
            [UdpSocket(self.udp, segmentation=False, coalescing=False)]
        )
        self.reader = SingleReader(
            self.device,
            self.sockets,
            world.pipeline,
            world.mesh,
            lambda: world.now,
            self._read_burst,
            self._receive_burst,
        )
        #: How many frames or datagrams the pipeline got, read by read.
        self.bursts: list[int] = []

    def _read_burst(self, first: Frames) -> Frames:
        burst = first + self.device.read_batch(64)
        self.bursts.append(len(burst))
        self.world.pipeline.from_device(burst, self.world.now)
        return burst

    def _receive_burst(self, index: int, first: list[Datagram]) -> list[Datagram]:
        burst = first + self.sockets.recv_batch(index)
        self.bursts.append(len(burst))
        self.world.pipeline.from_udp(burst, self.world.now)
        return burst

    def readable(self, *frames: bytearray | int) -> bool:
        """Read frames, or errors; True if none was left to the pipeline."""
        self.world.now += PAUSE
        for frame in frames:
            packet = frame if isinstance(frame, int) else b"\0\0" + bytes(frame[12:])
            self.system.to_read.append(packet)
        return self.reader.from_device()

    def receivable(self, *datagrams: bytes) -> bool:
        self.world.now += PAUSE
        address = self.world.peers["b"].address
        place: tuple[Any, ...] = (address.host, address.port)
        self.udp.arriving += [(data, place) for data in datagrams]
        return self.reader.from_udp(0)

    def received(self) -> list[int]:
        """Return the lengths of all frames that b got, in trains and alone."""
        return lengths(self.world.peers["b"].open(self.sent))


def frame(size: int) -> bytearray:
    return sized(size, "10.0.2.1")


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Desk:
    caplog.set_level(logging.INFO, "tincd.traffic")
    return Desk(neighbours("b"))


def test_frames_go_short_as_long_as_they_come_alone(desk: Desk) -> None:
    assert not desk.readable(frame(60))
    assert desk.readable(frame(61))
    # What is there besides is for the next turn.
    assert desk.readable(frame(62), frame(63), frame(64))
    desk.world.now -= PAUSE
    assert not desk.readable()
    desk.world.now -= PAUSE
    assert not desk.readable(frame(65), frame(66))
    assert not desk.readable(frame(67))
    assert desk.readable(frame(68))
    assert desk.bursts == [1, 2, 2, 1]
    assert desk.received() == list(range(60, 69))
    assert desk.device.bytes_in == sum(range(60, 69))


def test_a_frame_that_is_not_ordinary_begins_a_burst(desk: Desk) -> None:
    desk.readable(frame(60))
    assert not desk.readable(sized(60, "10.0.9.9"), frame(61))
    assert desk.bursts == [1, 2]
    assert desk.received() == [60, 61]


def test_nothing_to_read_after_all(desk: Desk) -> None:
    desk.readable(frame(60))
    desk.receivable(*desk.world.peers["b"].seal(sized(60, HERE)))
    assert desk.readable()
    assert desk.receivable()


def test_errors_of_the_device_are_left_to_the_batch(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.readable(frame(60))
    # Some, as of a packet that the kernel cannot describe, do not come again.
    assert not desk.readable(errno.EINVAL)
    assert desk.device.read_pause > 0
    assert caplog.text.count("Error while reading from") == 1
    assert not desk.readable(frame(61))
    assert desk.received() == [60, 61]


def test_a_failure_behind_a_frame_is_no_calm(desk: Desk) -> None:
    # A batch counts what comes next: failures in a row, or their end.
    assert not desk.readable(frame(60), errno.EIO)
    assert not desk.readable(frame(61))
    assert desk.readable(frame(62))
    assert desk.received() == [60, 61, 62]


def test_datagrams_go_short_as_long_as_they_come_alone(desk: Desk) -> None:
    train = desk.world.peers["b"].seal(*(sized(60 + i, HERE) for i in range(9)))
    ways = [desk.receivable(datagram) for datagram in train[:5]]
    # One to see that they come alone, one to see from whom, one to see where to.
    assert ways == [False, False, False, True, True]
    desk.world.now -= PAUSE
    assert not desk.receivable(*train[5:8])
    assert not desk.receivable(train[8])
    assert desk.bursts == [1, 1, 3, 1]
    written = [len(packet) + 10 for packet in desk.system.written]
    delivered = [*lengths(desk.world.ports.delivered), *written]
    assert sorted(delivered) == list(range(60, 69))


def test_the_loop_gets_its_turn_when_a_key_is_asked_for(desk: Desk) -> None:
    world = desk.world
    train = world.peers["b"].seal(*(sized(60, HERE) for _ in range(4)), probe())
    assert [desk.receivable(datagram) for datagram in train[:4]][-1]
    world.tunnel(world.node("b")).void_peer_key()
    assert not desk.receivable(train[4])
    assert world.ports.key_requests == ["b"]


@pytest.mark.parametrize("sockets_first", [True, False])
def test_the_data_plane_reads_so_without_compiled_pumps(
    loop: FakeLoop,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    sockets_first: bool,
) -> None:
    caplog.set_level(logging.INFO, "tincd.traffic")
    monkeypatch.setattr(pumps, "core", None)
    system = FakeSystem()
    plane = Plane(loop, tun(system), sockets_first=sockets_first)
    trains: list[str] = []
    monkeypatch.setattr(Pipeline, "from_udp", _noting(trains, Pipeline.from_udp))
    monkeypatch.setattr(Pipeline, "from_device", _noting(trains, Pipeline.from_device))
    plane.peer.options = CLAMP_MSS
    far_end = plane.far_end()
    plane.give_key(far_end)
    assert far_end.sealer is not None
    assert far_end.opener is not None
    sizes = range(60, 66)
    for size in sizes:
        outward, inward = sized(size, "10.2.0.1"), sized(size, "10.1.0.1")
        system.to_read.append(b"\0\0" + bytes(outward[12:]))
        plane.loop.now += 1
        plane.loop.readable(5)
        plane.from_udp(*far_end.sealer.seal_train([inward]))
    opened = far_end.opener.open_train(plane.sent())
    assert [each.length for each in opened] == list(sizes)
    assert [len(packet) + 10 for packet in system.written] == list(sizes)
    # What came later was left to the single-packet path alone.
    assert sorted(trains) == ["from_device", "from_udp", "from_udp"]


def test_after_a_change_of_routes_a_way_is_found_anew(
    loop: FakeLoop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "tincd.traffic")
    monkeypatch.setattr(pumps, "core", None)
    asked: list[bytes] = []

    def route(packed: bytes) -> bytes:
        asked.append(packed)
        return b"\x0a\0\0\x01"

    system = FakeSystem()
    plane = Plane(loop, tun(system))
    udp = UdpSocket(plane.udp, segmentation=False, coalescing=False)
    plane.subject.attach_sockets(UdpSockets([udp], route=route))
    plane.peer.options = CLAMP_MSS
    plane.give_key(plane.far_end())
    plane.mesh.set_address(plane.peer, replace(PLACES["peer"], local="10.0.0.1"))
    for number in range(6):
        system.to_read.append(b"\0\0" + bytes(sized(60, "10.2.0.1")[12:]))
        loop.now += 1
        loop.readable(5)
        assert len(asked) == 1 + number // 3
        if number == 2:
            plane.subject.routes_changed()
    assert len(plane.sent()) == 6


def _noting(calls: list[str], method: Callable[..., None]) -> Callable[..., None]:
    def noted(*args: Any, **options: Any) -> None:
        calls.append(method.__name__)
        method(*args, **options)

    return noted


def test_writing_one_frame_counts_and_complains(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.device.write_one(bytes(sized(60, HERE)))
    assert desk.device.bytes_out == 60
    desk.system.write_errors = [errno.EIO]
    desk.device.write_one(bytes(sized(60, HERE)))
    assert desk.device.bytes_out == 60
    assert "Can't write to" in caplog.text


@pytest.mark.parametrize("debugging", [True, False])
def test_nothing_goes_short_while_packets_are_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, debugging: bool
) -> None:
    desk.readable(frame(60))
    desk.receivable(*desk.world.peers["b"].seal(sized(60, HERE)))
    with caplog.at_level("DEBUG" if debugging else "INFO", "tincd.traffic"):
        assert desk.readable(frame(61)) is not debugging
