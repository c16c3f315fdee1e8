"""Offloads of tun and tap devices on a kernel made of lists."""

from __future__ import annotations

import errno
import logging
import struct

import pytest

from tests.device.fakes import FakeSystem
from tests.segments.samples import PAYLOAD, Segment, cut
from tincd_compat.daemon.readers import READ_BURST
from tincd_compat.device.tun import TunTap
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.segments.offload import TCPV4, TCPV6, UDP, SuperPacket, split
from tincd_compat.tunnel.delivery import MAX_TRAIN

VNET_HDR = 0x4000
ALL = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
WITHOUT_USO = 0x01 | 0x02 | 0x04
PLAIN = bytes(10)
PI4, PI6 = b"\0\0\x08\0", b"\0\0\x86\xdd"
MAC = bytes.fromhex("527c4424d691")

WHOLE = Segment(payload=PAYLOAD[:3000])
WHOLE6 = Segment(payload=PAYLOAD[:3000], ipv6=True)
DATAGRAMS = Segment(payload=PAYLOAD[:3000], udp=True)


def header(flags: int, kind: int, size: int, start: int, offset: int) -> bytes:
    # The header length of forwarded packets is no use: here it is the whole packet's.
    return struct.pack("=BBHHHH", flags, kind, 1500, size, start, offset)


def opened(
    system: FakeSystem,
    *,
    tap: bool = False,
    segmentation: bool = True,
    coalescing: bool = True,
) -> TunTap:
    """Open a device; what its start wrote is forgotten."""
    device = TunTap(
        None,
        "",
        tap=tap,
        router=not tap,
        system=system,
        offloads=OffloadWishes(segmentation=segmentation, coalescing=coalescing),
    )
    system.written.clear()
    return device


def state(device: TunTap) -> tuple[bool, bool, bool]:
    offloads = device.offloads
    return offloads.segmentation, offloads.coalescing, offloads.coalescing_udp


class TestStarting:
    @pytest.mark.parametrize(("tap", "flags"), [(False, 0x4001), (True, 0x5002)])
    def test_everything(self, tap: bool, flags: int) -> None:
        system = FakeSystem()
        device = opened(system, tap=tap)
        _, request = system.requests[0]
        assert request[16:18] == struct.pack("=H", flags)
        assert system.header_sizes == [10]
        assert system.offloads == [0, ALL]
        assert state(device) == (True, True, True)

    def test_nothing(self) -> None:
        system = FakeSystem()
        device = opened(system, segmentation=False, coalescing=False)
        assert [request[16:18] for _, request in system.requests] == [b"\1\0"]
        assert (system.header_sizes, system.offloads) == ([], [0])
        assert state(device) == (False, False, False)

    def test_without_segmentation(self) -> None:
        system = FakeSystem()
        device = opened(system, segmentation=False)
        assert system.offloads == [0]
        assert state(device) == (False, True, True)

    def test_without_coalescing(self) -> None:
        system = FakeSystem()
        device = opened(system, coalescing=False)
        assert state(device) == (True, False, False)

    def test_without_datagrams(self) -> None:
        system = FakeSystem()
        wishes = OffloadWishes(datagrams=False)
        device = TunTap(
            None, "", tap=False, router=True, system=system, offloads=wishes
        )
        assert state(device) == (True, True, False)
        assert device.offloads.names()[-1] == "device coalescing of TCP"

    def test_a_kernel_without_uso(self) -> None:
        system = FakeSystem()
        system.features = WITHOUT_USO
        assert opened(system).offloads.segmentation
        assert system.offloads == [0, WITHOUT_USO]

    def test_a_kernel_without_offloads(self) -> None:
        system = FakeSystem()
        system.failing["TUNSETOFFLOAD"] = errno.EINVAL
        system.failing["TUNSETVNETHDRSZ"] = errno.EINVAL
        assert state(opened(system)) == (False, True, True)

    def test_a_kernel_without_headers(self) -> None:
        system = FakeSystem()
        system.refused_flags = VNET_HDR
        device = opened(system)
        assert state(device) == (False, False, False)
        system.to_read = [PI4 + WHOLE.frame()[14:]]
        assert device.read_batch(64) == [bytearray(WHOLE.frame())]
        device.write_batch([WHOLE.frame()])
        assert system.written == [PI4 + WHOLE.frame()[14:]]

    def test_probes(self) -> None:
        system = FakeSystem()
        TunTap(
            None, "", tap=True, router=False, system=system, offloads=OffloadWishes()
        )
        tcp, udp = system.written
        assert tcp[:10] == struct.pack("=BBHHHH", 1, TCPV4, 54, 1, 34, 16)
        assert udp[:10] == struct.pack("=BBHHHH", 1, UDP, 42, 1, 34, 6)
        for probe in (tcp, udp):
            # To the interface's own address, with a checksum that makes nobody take it.
            assert probe[10:16] == MAC
            assert probe[34:36] == b"\xde\xad"
            assert int.from_bytes(probe[26:28], "big") == len(probe) - 24

    def test_an_interface_that_is_down_takes_probes(self) -> None:
        system = FakeSystem()
        system.write_errors = [errno.EIO, errno.EIO]
        assert state(opened(system)) == (True, True, True)

    @pytest.mark.parametrize(
        ("errors", "coalescing"),
        [
            ([errno.EINVAL], (False, False)),
            ([errno.EIO, errno.EINVAL], (True, False)),
            ([0, errno.EINVAL], (True, False)),
        ],
    )
    def test_a_kernel_that_takes_no_super_packets(
        self, errors: list[int], coalescing: tuple[bool, bool]
    ) -> None:
        system = FakeSystem()
        system.write_errors = errors
        assert state(opened(system))[1:] == coalescing

    def test_closing_leaves_nothing_switched_on(self) -> None:
        system = FakeSystem()
        device = opened(system)
        device.close()
        device.close()
        assert system.offloads == [0, ALL, 0]
        assert system.closed == [5]


class TestReading:
    @pytest.mark.parametrize(
        ("whole", "pi", "kind", "offset"),
        [
            (WHOLE, PI4, TCPV4, 16),
            (WHOLE6, PI6, TCPV6, 16),
            (DATAGRAMS, PI4, UDP, 6),
        ],
    )
    def test_super_packets(
        self, whole: Segment, pi: bytes, kind: int, offset: int
    ) -> None:
        system = FakeSystem()
        device = opened(system)
        piece = whole.piece(1000)
        vnet = header(1, kind, 1000, whole.start - 14, offset)
        system.to_read = [pi + vnet + bytes(piece.frame[14:])]
        assert device.read_batch(64) == [piece]
        assert device.bytes_in == sum(len(s.frame()) for s in cut(whole, 1000))

    def test_super_packets_of_a_tap_device(self) -> None:
        system = FakeSystem()
        device = opened(system, tap=True)
        piece = Segment(payload=PAYLOAD[:3000], tags=b"\x81\0\0\5").piece(1000)
        vnet = header(1, TCPV4, 1000, 38, 16)
        system.to_read = [vnet + bytes(piece.frame)]
        assert device.read_batch(64) == [piece]

    @pytest.mark.parametrize(
        ("whole", "pi", "kind"), [(WHOLE, PI4, TCPV4), (WHOLE6, PI6, TCPV6)]
    )
    def test_what_a_network_card_has_merged(
        self, whole: Segment, pi: bytes, kind: int
    ) -> None:
        """It has a checksum, or what the card left there, and none is asked for."""
        for flags in (0, 2):
            system = FakeSystem()
            device = opened(system)
            vnet = header(flags, kind, 1000, 0, 0)
            system.to_read = [pi + vnet + whole.frame()[14:]]
            (piece,) = device.read_batch(64)
            assert isinstance(piece, SuperPacket)
            assert split(*piece) == [segment.frame() for segment in cut(whole, 1000)]

    def test_merged_frames_with_options_are_nobodys(self) -> None:
        system = FakeSystem()
        device = opened(system)
        whole = Segment(payload=PAYLOAD[:3000], stops=(8,))
        system.to_read = [PI4 + header(2, TCPV4, 1000, 0, 0) + whole.frame()[14:]]
        assert [split(*piece) for piece in device.read_batch(64)] == [[]]

    def test_unfinished_checksums(self) -> None:
        system = FakeSystem()
        device = opened(system)
        piece = DATAGRAMS.piece(1)
        system.to_read = [PI4 + header(1, 0, 0, 20, 6) + bytes(piece.frame[14:])]
        assert device.read_batch(64) == [bytearray(DATAGRAMS.frame())]

    def test_finished_checksums(self) -> None:
        system = FakeSystem()
        device = opened(system)
        frame = DATAGRAMS.frame()
        for vnet in (PLAIN, header(2, 0, 0, 20, 6)):
            system.to_read = [PI4 + vnet + frame[14:]]
            assert device.read_batch(64) == [bytearray(frame)]

    @pytest.mark.parametrize("data", [b"", b"\0", PI4, PI4 + bytes(9), PI4 + PLAIN])
    def test_short_reads(self, data: bytes) -> None:
        system = FakeSystem()
        device = opened(system)
        system.to_read = [data]
        assert device.read_batch(64) == []

    def test_segments_count(self) -> None:
        system = FakeSystem()
        device = opened(system)
        data = PI4 + header(1, TCPV4, 100, 20, 16) + bytes(WHOLE.piece(100).frame[14:])
        system.to_read = [data] * 4
        assert [len(device.read_batch(64)) for _ in range(3)] == [3, 1, 0]

    def test_a_burst_is_no_more_than_two_full_trains(self) -> None:
        """A C peer's socket and its replay window take no more at once."""
        system = FakeSystem()
        device = opened(system)
        piece = Segment(payload=PAYLOAD[: 65535 - 40]).piece(1386)
        system.to_read = [
            *[PI4 + PLAIN + WHOLE.frame()[14:]] * (READ_BURST - 1),
            *[PI4 + header(1, TCPV4, 1386, 20, 16) + piece.frame[14:]] * 2,
        ]
        frames = device.read_batch(READ_BURST)
        assert len(frames) == READ_BURST
        segments = [f.segments for f in frames if isinstance(f, SuperPacket)]
        assert READ_BURST - 1 + sum(segments) <= 2 * MAX_TRAIN

    def test_largest_super_packets_arrive_whole(self) -> None:
        system = FakeSystem()
        device = opened(system)
        piece = Segment(payload=PAYLOAD[: 65535 - 40]).piece(1000)
        system.to_read = [PI4 + header(1, TCPV4, 1000, 20, 16) + piece.frame[14:]]
        assert device.read_batch(1) == [piece]


class TestWriting:
    def test_segments_merge(self) -> None:
        system = FakeSystem()
        device = opened(system)
        frames = [segment.frame() for segment in cut(WHOLE, 1000)]
        device.write_batch(frames)
        vnet = struct.pack("=BBHHHH", 1, TCPV4, 40, 1000, 20, 16)
        assert system.written == [PI4 + vnet + bytes(WHOLE.piece(1000).frame[14:])]
        assert device.bytes_out == sum(map(len, frames))

    def test_segments_merge_on_a_tap_device(self) -> None:
        system = FakeSystem()
        device = opened(system, tap=True)
        device.write_batch([segment.frame() for segment in cut(WHOLE6, 1000)])
        vnet = struct.pack("=BBHHHH", 1, TCPV6, 74, 1000, 54, 16)
        assert system.written == [vnet + bytes(WHOLE6.piece(1000).frame)]

    def test_single_frames(self) -> None:
        system = FakeSystem()
        device = opened(system)
        device.write_batch([WHOLE.frame(), WHOLE6.frame()])
        assert system.written == [
            PI4 + PLAIN + WHOLE.frame()[14:],
            PI6 + PLAIN + WHOLE6.frame()[14:],
        ]

    def test_without_coalescing(self) -> None:
        system = FakeSystem()
        device = opened(system, coalescing=False)
        device.write_batch([segment.frame() for segment in cut(WHOLE, 1000)])
        assert len(system.written) == 3

    def test_datagrams_merge_where_the_kernel_takes_them(self) -> None:
        frames = [segment.frame() for segment in cut(DATAGRAMS, 1000)]
        system = FakeSystem()
        opened(system).write_batch(frames)
        assert len(system.written) == 1
        system = FakeSystem()
        system.write_errors = [0, errno.EINVAL]
        opened(system).write_batch(frames)
        assert len(system.written) == 3

    def test_late_refusal(self, caplog: pytest.LogCaptureFixture) -> None:
        system = FakeSystem()
        device = opened(system)
        frames = [segment.frame() for segment in cut(WHOLE, 1000)]
        other = [s.frame() for s in cut(WHOLE6, 1000)]
        system.write_errors = [errno.EINVAL, 0, 0, 0, errno.EINVAL]
        with caplog.at_level(logging.INFO):
            device.write_batch(frames + other)
            device.write_batch(frames)
        assert system.written == [
            *(PI4 + PLAIN + frame[14:] for frame in frames),
            *(PI6 + PLAIN + frame[14:] for frame in other),
            *(PI4 + PLAIN + frame[14:] for frame in frames),
        ]
        assert device.bytes_out == sum(map(len, frames + other + frames))
        text = "Coalescing towards the device switched off: Invalid argument"
        assert caplog.record_tuples == [("tincd", 20, text)]

    def test_an_interface_that_is_down(self, caplog: pytest.LogCaptureFixture) -> None:
        system = FakeSystem()
        device = opened(system)
        system.write_errors = [errno.EIO, errno.EIO]
        with caplog.at_level(logging.INFO):
            device.write_batch([segment.frame() for segment in cut(WHOLE, 1000)])
            device.write_batch([WHOLE.frame()])
        assert (system.written, device.bytes_out) == ([], 0)
        assert device.offloads.coalescing
        head = "Can't write to Linux tun/tap device (tun mode) /dev/net/tun: "
        assert [text for _, _, text in caplog.record_tuples] == [
            head + "Input/output error"
        ] * 2


def test_a_super_packet_that_is_none() -> None:
    assert SuperPacket(b"", TCPV4, 0, 60000).segments == 1
    assert SuperPacket(bytes(20), UDP, 0, 60).total_size == 20
