"""Frames one by one are what they are in a batch of one, for every kind of device."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.fakes import FakeSystem
from tincd_compat.device.tun import TunTap
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket

HEADER = struct.Struct("=BBHHHH")

Kind = tuple[bool, bool, bool]
kinds = st.tuples(st.booleans(), st.booleans(), st.booleans())

#: Beginnings of packets as a tun device gives them, without packet information.
starts = st.sampled_from(
    [
        b"",
        bytes.fromhex("45000054812b40004006352bc0a80101c0a80201"),
        bytes.fromhex("6000000000280640") + bytes(32),
        # For tap: ARP, and a neighbour solicitation.
        bytes(6) + bytes.fromhex("0200000000aa0806"),
        bytes(6)
        + bytes.fromhex("0200000000bb86dd600000000020 3aff")
        + bytes(32)
        + b"\x87",
    ]
)
packets = st.builds(lambda start, rest: start + rest, starts, st.binary(max_size=90))
headers = st.one_of(
    st.just(bytes(10)),
    st.builds(
        HEADER.pack,
        *(st.integers(0, 3), st.sampled_from([0, 1, 4, 5, 0x81])),
        *(st.integers(0, 100), st.integers(0, 60), st.integers(0, 80)),
        st.integers(0, 80),
    ),
)
reads = st.one_of(
    st.tuples(headers, st.sampled_from([b"\0\0\x08\0", b"\1\0\x86\xdd"]), packets),
    st.sampled_from([errno.EIO, errno.EBADFD, errno.EINVAL, errno.EAGAIN]),
    st.binary(max_size=20),
)


def device(kind: Kind, system: FakeSystem) -> TunTap:
    tap, router, vnet = kind
    wishes = OffloadWishes(segmentation=vnet, coalescing=False)
    subject = TunTap(None, "", tap=tap, router=router, system=system, offloads=wishes)
    system.written.clear()
    return subject


def raw(kind: Kind, read: tuple[bytes, bytes, bytes] | bytes | int) -> bytes | int:
    if isinstance(read, bytes | int):
        return read
    tap, _, vnet = kind
    header, information, packet = read
    return (b"" if tap else information) + (header if vnet else b"") + packet


@given(kinds, st.lists(reads, max_size=12))
def test_reading(
    kind: Kind, found: list[tuple[bytes, bytes, bytes] | bytes | int]
) -> None:
    batches, singles = FakeSystem(), FakeSystem()
    batched, single = device(kind, batches), device(kind, singles)
    calm = False
    for item in found:
        batches.to_read = [raw(kind, item)]
        singles.to_read = [raw(kind, item)]
        try:
            expected = batched.read_batch(1)
        except DeviceError:
            with pytest.raises(DeviceError):
                read(single, calm)
            return
        assert read(single, calm) == expected
        calm = len(expected) == 1 and not single.read_pause
        assert single.read_pause == batched.read_pause
        assert single.bytes_in == batched.bytes_in
        # What ARP and neighbour solicitations tell is used for what is written.
        for each in (batched, single):
            each.write_batch([bytes(14) + b"x"])
        assert singles.written == batches.written


def read(device: TunTap, calm: bool) -> list[bytearray | SuperPacket]:
    """Read a frame by itself only behind another, and as a batch if that fails."""
    if calm:
        try:
            frame = device.read_one()
        except OSError:
            pass
        else:
            return [] if frame is None else [frame]
    return device.read_batch(64)


@given(kinds, st.lists(st.tuples(packets, st.sampled_from([0, 0, errno.EIO]))))
def test_writing(kind: Kind, frames: list[tuple[bytes, int]]) -> None:
    batches, singles = FakeSystem(), FakeSystem()
    batched, single = device(kind, batches), device(kind, singles)
    for packet, error in frames:
        frame = packet.ljust(14, b"\0")
        batches.write_errors = [error]
        singles.write_errors = [error]
        batched.write_batch([frame])
        single.write_one(frame)
        assert singles.written == batches.written
        assert single.bytes_out == batched.bytes_out
