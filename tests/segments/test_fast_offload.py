"""Compiled splitting and coalescing beside the Python ones on the same bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.segments.bursts import bursts
from tests.segments.samples import PAYLOAD, Segment
from tincd_compat import checksums
from tincd_compat._fast import core
from tincd_compat.checksums import Buffer
from tincd_compat.segments import coalescing, splitting
from tincd_compat.segments.superpacket import TCPV4, TCPV6, UDP, SuperPacket

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

segments = st.builds(
    Segment,
    ipv6=st.booleans(),
    udp=st.booleans(),
    payload=st.integers(0, 60).map(lambda size: PAYLOAD[:size]) | st.just(PAYLOAD[:20]),
    number=st.integers(0, 6).map(lambda n: 2**32 - 60 + n * 20),
    flags=st.sampled_from([0x10, 0x10, 0x10, 0x18, 0x11, 0x90, 0x50, 0x02]),
    reserved=st.sampled_from([0, 0, 0, 1, 2]),
    ports=st.sampled_from([(1, 2), (1, 3)]),
    fragment=st.sampled_from([0x4000, 0x4000, 0x4000, 0x2000]),
    padding=st.sampled_from([0, 0, 0, 1]),
    stops=st.sampled_from([(), (), (), (8,)]),
)

any_bytes = st.binary(max_size=90)


def dent(frame: bytes, chance: random.Random) -> bytearray:
    """Alter a byte of the headers, or the length, of some frames."""
    damaged = bytearray(frame)
    match chance.randrange(12):
        case 0:
            place = chance.randrange(min(120, len(damaged)))
            damaged[place] ^= 1 << chance.randrange(8)
        case 1:
            del damaged[chance.randrange(len(damaged)) :]
        case 2:
            damaged += bytes(chance.randrange(5))
    return damaged


@settings(max_examples=150)
@given(
    burst=st.lists(segments, max_size=30),
    udp=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_coalescing(burst: list[Segment], udp: bool, chance: random.Random) -> None:
    same_coalescing([dent(segment.frame(), chance) for segment in burst], udp)


def same_coalescing(frames: Sequence[Buffer], udp: bool) -> None:
    python = coalescing.coalesce(frames, udp)
    compiled = core.coalesce(frames, udp)
    assert [item if isinstance(item, tuple) else bytes(item) for item in compiled] == [
        tuple(item) if isinstance(item, SuperPacket) else bytes(item) for item in python
    ]


@settings(max_examples=60)
@given(frames=bursts, udp=st.booleans())
def test_coalescing_flows(frames: list[bytes], udp: bool) -> None:
    same_coalescing(frames, udp)


@settings(max_examples=300)
@given(
    segment=segments,
    count=st.integers(1, 9),
    kind=st.sampled_from([None, None, None, TCPV4, TCPV6, UDP, 3]),
    size=st.none() | st.integers(0, 70),
    shift=st.sampled_from([0, 0, 0, 0, -14, -1, 1, 4, 500]),
    chance=st.randoms(use_true_random=False),
)
def test_splitting(
    segment: Segment,
    count: int,
    kind: int | None,
    size: int | None,
    shift: int,
    chance: random.Random,
) -> None:
    whole = segment.piece(count)
    frame = dent(bytes(whole.frame), chance)
    arguments = (
        whole.kind if kind is None else kind,
        whole.size if size is None else size,
        max(0, whole.start + shift),
    )
    assert core.split(frame, *arguments) == splitting.split(frame, *arguments)


@given(
    st.binary(max_size=90), st.integers(0, 6), st.integers(0, 40), st.integers(0, 90)
)
def test_splitting_any_bytes(data: bytes, kind: int, size: int, start: int) -> None:
    compiled = core.split(data, kind, size, start)
    assert compiled == splitting.split(data, kind, size, start)


@given(any_bytes, st.integers(-2, 95), st.integers(-2, 95))
def test_checksums_of_any_bytes(data: bytes, start: int, offset: int) -> None:
    one, other = bytearray(data), bytearray(data)
    done = core.fill_checksum(one, start, offset)
    assert done == checksums.fill_checksum(other, start, offset)
    assert one == other


def test_only_bytes_pass() -> None:
    with pytest.raises(TypeError):
        core.coalesce([b"x", 1], True)  # type: ignore[list-item]
    with pytest.raises(TypeError):
        core.coalesce(1, True)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        core.split("x", 1, 1, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        core.fill_checksum(b"read only", 0, 0)  # type: ignore[arg-type]
