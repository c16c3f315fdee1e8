"""Super-packets into frames, against segments made one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.segments.offloads import Implementation, each_implementation
from tests.segments.samples import ACK, CWR, FIN, PAYLOAD, PSH, Segment, cut
from tincd_compat.segments.superpacket import MAX_CUTS, TCPV4, TCPV6, UDP

TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
VLAN = b"\x81\x00\x00\x05"
PROVIDER_VLAN = b"\x88\xa8\x00\x07"

WHOLES = {
    "one byte more": (Segment(payload=PAYLOAD[:1001]), 1000),
    "exact": (Segment(payload=PAYLOAD[:4000], options=TIMESTAMPS), 1000),
    "largest": (Segment(payload=PAYLOAD[: 65535 - 40]), 1386),
    "flags": (Segment(payload=PAYLOAD[:90], flags=ACK | PSH | FIN | CWR), 30),
    "numbers wrap": (Segment(payload=PAYLOAD[:99], number=2**32 - 9, ident=65534), 11),
    "IP options": (Segment(payload=PAYLOAD[:99], ip_options=b"\x94\x04\0\0"), 50),
    "source route": (Segment(payload=PAYLOAD[:3000], stops=(8, 9)), 1380),
    "source route of UDP": (Segment(payload=PAYLOAD[:300], udp=True, stops=(8,)), 99),
    "VLAN": (Segment(payload=PAYLOAD[:3000], tags=VLAN), 1396),
    "two tags": (
        Segment(payload=PAYLOAD[:3000], ipv6=True, tags=PROVIDER_VLAN + VLAN),
        1396,
    ),
    "IPv6": (Segment(payload=PAYLOAD[:3000], ipv6=True, tos=0xB8), 1366),
    "largest IPv6": (Segment(payload=PAYLOAD[: 65535 - 60], ipv6=True), 1428),
    "extension headers": (Segment(payload=PAYLOAD[:3000], ipv6=True, padding=2), 1350),
    "segment routing": (
        Segment(payload=PAYLOAD[:3000], ipv6=True, stops=(8, 9), tags=VLAN),
        1300,
    ),
    "segment routing of UDP": (
        Segment(payload=PAYLOAD[:3000], ipv6=True, udp=True, stops=(8,), padding=1),
        1300,
    ),
    "UDP": (Segment(payload=PAYLOAD[:3001], udp=True), 1000),
    "UDP over IPv6": (Segment(payload=PAYLOAD[:3001], udp=True, ipv6=True), 1000),
    "one segment": (Segment(payload=PAYLOAD[:10]), 1000),
}


@each_implementation
@pytest.mark.parametrize(("whole", "size"), WHOLES.values(), ids=WHOLES)
def test_split(implementation: Implementation, whole: Segment, size: int) -> None:
    expected = [segment.frame() for segment in cut(whole, size)]
    piece = whole.piece(size)
    assert piece.segments == len(expected)
    assert implementation.split(*piece) == expected
    assert implementation.split(bytes(piece.frame), *piece[1:]) == expected
    assert implementation.split(memoryview(piece.frame), *piece[1:]) == expected


@each_implementation
@pytest.mark.parametrize(("whole", "size"), WHOLES.values(), ids=WHOLES)
@pytest.mark.parametrize("step", [1, 2, 7, 64])
def test_split_in_steps(
    implementation: Implementation, whole: Segment, size: int, step: int
) -> None:
    piece = whole.piece(size)
    expected = implementation.split(*piece)
    steps = [implementation.split(*piece, first, step) for first in range(0, 99, step)]
    assert [frame for frames in steps for frame in frames] == expected
    assert max(map(len, steps)) <= step
    assert implementation.split(*piece, len(expected) - 1, MAX_CUTS) == expected[-1:]
    assert implementation.split(*piece, len(expected), 1) == []
    assert implementation.split(*piece, 0, 0) == []


segments = st.builds(
    Segment,
    ipv6=st.booleans(),
    udp=st.booleans(),
    payload=st.binary(min_size=1, max_size=300),
    number=st.integers(0, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 255),
    window=st.integers(0, 65535),
    options=st.binary(max_size=10).map(lambda data: data * 4),
    urgent=st.integers(0, 65535),
    reserved=st.integers(0, 15),
    ident=st.integers(0, 65535),
    fragment=st.sampled_from([0, 0x4000]),
    tos=st.integers(0, 255),
    ttl=st.integers(0, 255),
    label=st.integers(0, 0xFFFFF),
    tags=st.sampled_from([b"", VLAN, PROVIDER_VLAN + VLAN]),
    ip_options=st.sampled_from([b"", b"\x94\x04\0\0", b"\1\1\1\0" * 4]),
    padding=st.integers(0, 3),
    stops=st.lists(st.integers(3, 255), max_size=3).map(tuple),
)


@each_implementation
@given(whole=segments, size=st.integers(1, 310))
def test_any_segment(implementation: Implementation, whole: Segment, size: int) -> None:
    expected = [segment.frame() for segment in cut(whole, size)]
    assert implementation.split(*whole.piece(size)) == expected


@each_implementation
@given(
    frame=st.binary(max_size=120),
    kind=st.integers(0, 255),
    size=st.integers(0, 65535),
    start=st.integers(0, 65535),
)
def test_any_bytes(
    implementation: Implementation, frame: bytes, kind: int, size: int, start: int
) -> None:
    for frames in (
        implementation.split(frame, kind, size, start),
        implementation.split(frame, TCPV4, size, 34),
    ):
        assert all(isinstance(made, bytes) for made in frames)


@each_implementation
@given(
    whole=segments,
    at=st.integers(0, 100),
    value=st.integers(0, 255),
    length=st.integers(0, 400),
)
def test_damaged_headers(
    implementation: Implementation, whole: Segment, at: int, value: int, length: int
) -> None:
    piece = whole.piece(50)
    frame = bytearray(piece.frame[:length])
    frame[at : at + 1] = bytes([value])
    for made in implementation.split(frame, *piece[1:]):
        assert len(made) <= len(frame)


PIECE = Segment(payload=PAYLOAD[:100]).piece(50)
PIECE6 = Segment(payload=PAYLOAD[:100], ipv6=True).piece(50)
DATAGRAMS = Segment(payload=PAYLOAD[:100], udp=True).piece(50)


@each_implementation
@pytest.mark.parametrize(
    "piece",
    [
        PIECE._replace(size=0),
        PIECE._replace(start=33),
        PIECE._replace(start=35),
        PIECE._replace(start=54),
        PIECE._replace(start=len(PIECE.frame)),
        PIECE._replace(kind=0),
        PIECE._replace(kind=3),
        PIECE._replace(kind=TCPV6),
        PIECE._replace(kind=UDP),
        PIECE._replace(frame=PIECE.frame[:54]),
        PIECE._replace(frame=PIECE.frame[:53]),
        PIECE._replace(frame=bytes(14)),
        PIECE._replace(frame=b""),
        PIECE6._replace(kind=TCPV4),
        PIECE6._replace(start=34),
        PIECE6._replace(kind=UDP),
        DATAGRAMS._replace(kind=TCPV4),
        DATAGRAMS._replace(frame=DATAGRAMS.frame[:42]),
        Segment(payload=PAYLOAD[:100], fragment=0x2000).piece(50),
        Segment(payload=PAYLOAD[:100], fragment=0x0001).piece(50),
    ],
)
def test_what_does_not_describe_the_frame(
    implementation: Implementation, piece: tuple[bytes, int, int, int]
) -> None:
    assert implementation.split(*piece) == []


@each_implementation
@pytest.mark.parametrize("words", [0, 4, 15])
def test_a_tcp_header_that_is_not_in_the_frame(
    implementation: Implementation, words: int
) -> None:
    frame = bytearray(Segment(payload=PAYLOAD[:30]).piece(10).frame)
    frame[46] = words << 4
    assert implementation.split(frame, TCPV4, 10, 34) == []


@each_implementation
def test_longer_than_an_ip_packet(implementation: Implementation) -> None:
    frame = bytearray(Segment(payload=PAYLOAD[: 65535 - 40]).piece(1000).frame)
    assert len(implementation.split(frame, TCPV4, 1000, 34)) == 66
    assert implementation.split(frame + b"x", TCPV4, 1000, 34) == []


@each_implementation
@pytest.mark.parametrize("ipv6", [False, True])
def test_more_segments_than_a_sender_makes(
    implementation: Implementation, ipv6: bool
) -> None:
    most = MAX_CUTS * 3
    piece = Segment(payload=PAYLOAD[:most], ipv6=ipv6).piece(3)
    assert len(implementation.split(*piece)) == MAX_CUTS
    piece = Segment(payload=PAYLOAD[: most + 1], ipv6=ipv6).piece(3)
    assert implementation.split(*piece) == []
