"""ClampMSS: segments as tincd 1.0.36 passed them on with a path MTU of 1451."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import checksum, ipv4, ipv6, tagged, tcp
from tincd_compat.routing import mss

A, B, A6, B6 = "192.168.1.1", "192.168.2.1", "fd00:1::1", "fd00:2::1"
MSS_1460 = b"\2\4\5\xb4"


def segment(options: bytes, flags: int = 2) -> bytearray:
    return ipv4(A, B, tcp(A, B, options, flags), protocol=6)


def segment6(options: bytes, flags: int = 2) -> bytearray:
    return ipv6(A6, B6, tcp(A6, B6, options, flags), protocol=6)


def test_real_segment() -> None:
    frame = segment(MSS_1460)
    assert mss.clamp(frame, 1451) == 1397
    assert frame.hex() == (
        "0000000000000000000000000800"
        "4500002c123440004006a445c0a80101c0a80201"
        "03e800500000000100000000600203e80bf2000002040575"
    )


def test_real_segment_over_ipv6() -> None:
    frame = segment6(MSS_1460)
    assert mss.clamp(frame, 1451) == 1377
    assert frame[54:].hex() == "03e800500000000100000000600203e89652000002040561"


@pytest.mark.parametrize(
    ("mtu", "over_ipv4", "over_ipv6"), [(1451, 1397, 1377), (1300, 1246, 1226)]
)
def test_sizes(mtu: int, over_ipv4: int, over_ipv6: int) -> None:
    assert mss.clamp(segment(MSS_1460), mtu) == over_ipv4
    assert mss.clamp(segment6(MSS_1460), mtu) == over_ipv6
    assert mss.clamp(tagged(segment(MSS_1460)), mtu) == over_ipv4 - 4


@pytest.mark.parametrize(
    "options",
    [
        MSS_1460,
        b"\1" + MSS_1460,
        b"\1\1\1" + MSS_1460,
        b"\4\2" + MSS_1460,
        b"\1\3\3\7" + MSS_1460,
        b"\3\3\7" + MSS_1460,
        b"\2\4\xff\xff",
    ],
)
@pytest.mark.parametrize("flags", [0x02, 0x12, 0x10])
def test_wherever_the_option_is(options: bytes, flags: int) -> None:
    at = options.index(2, len(options) - 4) + 2
    clamped = options[:at] + (1397).to_bytes(2, "big")
    frame = segment(options, flags)
    assert mss.clamp(frame, 1451) == 1397
    assert frame == segment(clamped, flags)


def test_only_the_first_of_two() -> None:
    frame = segment(MSS_1460 * 2)
    mss.clamp(frame, 1451)
    assert frame == segment(b"\2\4\5\x75" + MSS_1460)


@pytest.mark.parametrize(
    "frame",
    [
        segment(b"\2\4\2\x18"),
        segment(b"\2\4\5\x75"),
        segment(b"\3\xff" + MSS_1460),
        segment(b"\0\0" + MSS_1460),
        segment(b"\2\3\5\xb4"),
        segment(b"\2\6\5\xb4\0\0"),
        segment(b""),
        segment6(b"\2\4\2\x18"),
        ipv4(A, B, tcp(A, B, MSS_1460), protocol=17),
        ipv4(A, B, tcp(A, B, MSS_1460), protocol=6, field=0x0010),
        segment(MSS_1460)[:-1],
    ],
)
def test_untouched(frame: bytearray) -> None:
    before = bytes(frame)
    assert mss.clamp(frame, 1451) is None
    assert frame == before


def test_no_room_at_all() -> None:
    assert mss.clamp(segment(MSS_1460), 53) is None
    assert mss.clamp(segment(MSS_1460), 54) == 0


@given(st.binary(max_size=40), st.integers(0, 1518), st.booleans())
def test_any_options(options: bytes, mtu: int, over_ipv6: bool) -> None:
    frame = segment6(options) if over_ipv6 else segment(options)
    before = bytes(frame)
    size = mss.clamp(frame, mtu)
    if size is None:
        assert frame == before
        return
    addresses = frame[22:54] if over_ipv6 else frame[26:34]
    header = frame[54:] if over_ipv6 else frame[34:]
    pseudo = addresses + len(header).to_bytes(4, "big") + b"\0\0\0\6"
    assert checksum(bytes(pseudo + header)) == 0
