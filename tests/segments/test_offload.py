"""Checksums that the kernel left unfinished."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.segments.offloads import Implementation, each_implementation
from tests.segments.samples import PAYLOAD, Segment, words


@each_implementation
@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("length", [0, 1, 1371, 1372, 9000])
def test_fill_checksum(
    implementation: Implementation, ipv6: bool, udp: bool, length: int
) -> None:
    segment = Segment(ipv6=ipv6, udp=udp, payload=PAYLOAD[:length])
    frame = bytearray(segment.piece(1).frame)
    assert implementation.fill_checksum(frame, segment.start, 6 if udp else 16)
    assert frame == segment.frame()


@each_implementation
def test_zero_is_written_as_its_other_form(implementation: Implementation) -> None:
    frame = bytearray.fromhex("fff0 0000 000f")
    assert implementation.fill_checksum(frame, 0, 2)
    assert frame.hex() == "fff0ffff000f"


@each_implementation
@given(
    frame=st.binary(max_size=40).map(bytearray),
    start=st.integers(0, 50),
    offset=st.integers(0, 50),
)
def test_any_place(
    implementation: Implementation, frame: bytearray, start: int, offset: int
) -> None:
    before = bytes(frame)
    inside = start + offset + 2 <= len(frame)
    assert implementation.fill_checksum(frame, start, offset) is inside
    if not inside:
        assert frame == before
    elif offset % 2 == 0:
        field = int.from_bytes(before[start + offset : start + offset + 2], "big")
        covered = words(bytes(frame[start:]))
        # The field was the sum of the pseudo header.
        assert (covered + field) % 0xFFFF == 0
