"""Header fields and checksums, against arithmetic done the long way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import checksum, ipv4, ipv6, tagged, tcp
from tincd_compat.routing import headers

A, B, A6, B6 = "192.168.1.1", "192.168.2.1", "fd00:1::1", "fd00:2::1"


@given(st.binary(min_size=1, max_size=80).filter(any))
def test_checksum(data: bytes) -> None:
    assert headers.checksum(headers.sum16(data)) == checksum(data)


@given(st.binary(min_size=1, max_size=40).filter(any), st.integers(1, 0xFFFF))
def test_checksum_of_parts(data: bytes, word: int) -> None:
    total = headers.sum16(data) + word
    padded = data + bytes(len(data) & 1) + word.to_bytes(2, "big")
    assert headers.checksum(total) == checksum(padded)


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=6), st.integers(0, 0xFFFF))
def test_adjusted_checksum(words: list[int], new: int) -> None:
    def over(values: list[int]) -> int:
        return checksum(b"".join(value.to_bytes(2, "big") for value in values))

    before = [1, *words]
    after = [1, new, *words[1:]]
    adjusted = headers.adjusted_checksum(over(before), new - words[0])
    assert adjusted == over(after)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (ipv4(A, B, b""), (headers.TYPE_IPV4, 14)),
        (tagged(ipv6(A6, B6, b"")), (headers.TYPE_IPV6, 18)),
        (bytearray(12) + b"\x81\0", (headers.TYPE_VLAN, 14)),
        (bytearray(12) + b"\x81\0\0\1\x81\0", (headers.TYPE_VLAN, 18)),
    ],
)
def test_payload_type(frame: bytearray, expected: tuple[bytes, int]) -> None:
    assert headers.payload_type(frame) == expected


def test_priorities() -> None:
    assert headers.ipv4_tos(ipv4(A, B, b"", tos=0xB8)) == 0xB8
    assert headers.ipv6_traffic_class(ipv6(A6, B6, b"", start=0x6B8C020B)) == 0xB8


def test_groups_are_written_in_full() -> None:
    packed = ipv6(A6, "fd00:9::9", b"")[38:54]
    assert headers.format_groups(packed) == "fd00:9:0:0:0:0:0:9"


@pytest.mark.parametrize(
    ("frame", "start"),
    [
        (ipv4(A, B, tcp(A, B, b""), protocol=6), 34),
        (tagged(ipv4(A, B, tcp(A, B, b""), protocol=6)), 38),
        (ipv6(A6, B6, tcp(A6, B6, b""), protocol=6), 54),
        (ipv4(A, B, tcp(A, B, b""), protocol=6, field=0x2000), 34),
        (ipv4(A, B, tcp(A, B, b""), protocol=6, field=0x0001), None),
        (ipv4(A, B, tcp(A, B, b"")[:19], protocol=6), None),
        (ipv4(A, B, tcp(A, B, b""), protocol=17), None),
        (ipv6(A6, B6, tcp(A6, B6, b""), protocol=0), None),
        (bytearray(60), None),
        (bytearray(14), None),
    ],
)
def test_tcp_header(frame: bytearray, start: int | None) -> None:
    assert headers.tcp_header(frame) == start


def test_tcp_header_behind_ip_options() -> None:
    frame = ipv4(A, B, bytes(8) + tcp(A, B, b""), protocol=6)
    frame[14] = 0x47
    assert headers.tcp_header(frame) == 42


def test_tcp_header_never_overlaps_the_ip_header() -> None:
    frame = ipv4(A, B, tcp(A, B, b""), protocol=6)
    frame[14] = 0x40
    assert headers.tcp_header(frame) == 34


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", []),
        (b"\2\4\5\xb4", [(2, 20, 4)]),
        (b"\1\1\4\2\2\4\5\xb4", [(4, 22, 2), (2, 24, 4)]),
        (b"\0\0\2\4\5\xb4", []),
        (b"\3\xff\2\4\5\xb4", []),
        (b"\3\0\2\4\5\xb4", []),
        (b"\3\1\2\4\5\xb4", []),
        (b"\4\2\1\3", [(4, 20, 2)]),
    ],
)
def test_tcp_options(options: bytes, expected: list[tuple[int, int, int]]) -> None:
    assert list(headers.tcp_options(tcp(A, B, options), 0)) == expected


def test_tcp_options_stay_within_the_frame() -> None:
    assert list(headers.tcp_options(tcp(A, B, b"\2\4\5\xb4")[:-1], 0)) == []


@pytest.mark.parametrize("ident", range(0x2A00, 0x2B80))
def test_ttl_of_ipv4(ident: int) -> None:
    # Idents around the one where the checksum carries, as sent through tincd.
    frame = ipv4(A, "192.168.4.1", b"", ttl=255, ident=ident)
    assert headers.decrement_ttl(frame)
    assert frame == ipv4(A, "192.168.4.1", b"", ttl=254, ident=ident)


def test_ttl_behind_a_tag_and_of_ipv6() -> None:
    frame = tagged(ipv4(A, B, b"x"))
    assert headers.decrement_ttl(frame)
    assert frame == tagged(ipv4(A, B, b"x", ttl=63))
    frame = ipv6(A6, B6, b"x")
    assert headers.decrement_ttl(frame)
    assert frame == ipv6(A6, B6, b"x", hops=63)


@pytest.mark.parametrize("left", [0, 1])
def test_ttl_expires(left: int) -> None:
    for frame in (ipv4(A, B, b"", ttl=left), ipv6(A6, B6, b"", hops=left)):
        before = bytes(frame)
        assert headers.decrement_ttl(frame) is False
        assert frame == before


@pytest.mark.parametrize(
    "frame",
    [
        ipv4(A, B, b"")[:-1],
        ipv6(A6, B6, b"")[:-1],
        tagged(ipv4(A, B, b""))[:-1],
        bytearray(12) + b"\x81\0\0",
    ],
)
def test_ttl_of_a_torso(frame: bytearray) -> None:
    assert headers.decrement_ttl(frame) is None


def test_nothing_to_lower() -> None:
    for frame in (bytearray(14), bytearray(12) + b"\x81\0\0\1\x81\0\0\1\x08\0"):
        before = bytes(frame)
        assert headers.decrement_ttl(frame) is True
        assert frame == before


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        *((ipv4(A, B, bytes([kind]) + bytes(7)), True) for kind in (3, 4, 5, 11, 12)),
        *((ipv4(A, B, bytes([kind]) + bytes(7)), False) for kind in (0, 8, 13)),
        (ipv4(A, B, b"\x08" + bytes(7), field=0x0010), True),
        (ipv4(A, B, b"\x03" + bytes(7), protocol=17), False),
        (ipv4(A, B, b""), False),
        (tagged(ipv4(A, B, b"\x03" + bytes(7))), True),
        (ipv6(A6, B6, b"\x01" + bytes(7), protocol=58), True),
        (ipv6(A6, B6, b"\x80" + bytes(7), protocol=58), False),
        (ipv6(A6, B6, b"", protocol=58), False),
        (ipv6(A6, B6, b"\x01" + bytes(7), protocol=17), False),
        (bytearray(60), False),
    ],
)
def test_icmp_errors_are_recognised(frame: bytearray, expected: bool) -> None:
    kind, ip = headers.payload_type(frame)
    assert headers.carries_icmp_error(frame, kind, ip) is expected


@given(st.binary(min_size=14, max_size=90), st.sampled_from(["0800", "86dd", "8100"]))
def test_any_frame(data: bytes, kind: str) -> None:
    frame = bytearray(data)
    frame[12:14] = bytes.fromhex(kind)
    headers.decrement_ttl(frame)
    headers.carries_icmp_error(frame, *headers.payload_type(frame))
    start = headers.tcp_header(frame)
    if start is not None:
        for _, offset, length in headers.tcp_options(frame, start):
            assert start + 20 <= offset <= offset + length <= len(frame)
