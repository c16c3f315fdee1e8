"""ICMP errors, byte for byte as tincd 1.0.36 sent them."""

from __future__ import annotations

import pytest

from tests.routing.frames import (
    PAYLOAD,
    checksum,
    echo,
    ipv4,
    ipv6,
    no_local_address,
    pack,
    tagged,
    with_macs,
)
from tincd_compat.routing.replies import ERRORS_PER_SECOND, ErrorReplies, IcmpError
from tincd_compat.routing.verdicts import AnswerFrames, Discard, Reason

A, A6 = "192.168.1.1", "fd00:1::1"


def answer(
    frame: bytearray, error: IcmpError, mtu: int = 0, *, local: bytes | None = None
) -> bytes:
    verdict = ErrorReplies(lambda target: local).answer(frame, error, 0.0, mtu)
    assert isinstance(verdict, AnswerFrames)
    assert verdict.reason is error.reason
    (reply,) = verdict.frames
    return bytes(reply)


@pytest.mark.parametrize(
    ("frame", "error", "mtu", "head"),
    [
        (
            ipv4(A, "192.168.9.9", echo(608)),
            IcmpError.UNKNOWN,
            0,
            "4500024000000000ff012e62c0a80909c0a80101 0306a17d00000000",
        ),
        (
            ipv4(A, "192.168.9.9", b"\1\2\3", protocol=17),
            IcmpError.UNKNOWN,
            0,
            "4500003300000000ff01306fc0a80909c0a80101 0306f8f700000000",
        ),
        (
            ipv4(A, "192.168.3.9", echo(64)),
            IcmpError.UNREACHABLE,
            0,
            "4500007000000000ff013632c0a80309c0a80101 03001e5700000000",
        ),
        (
            ipv4("192.168.4.1", A, echo(64)),
            IcmpError.PROHIBITED,
            0,
            "4500007000000000ff01353ac0a80101c0a80401 03091e4e00000000",
        ),
        (
            ipv4(A, "192.168.2.1", echo(1438)),
            IcmpError.TOO_BIG,
            1437,
            "4500024000000000ff01356ac0a80201c0a80101 03049be20000059d",
        ),
        (
            ipv4(A, "192.168.4.1", echo(64), ttl=1),
            IcmpError.TTL_EXPIRED,
            0,
            "4500007000000000ff01353ac0a80401c0a80101 0b00165700000000",
        ),
    ],
)
def test_real_errors(frame: bytearray, error: IcmpError, mtu: int, head: str) -> None:
    before = bytes(frame)
    expected = frame[:14] + bytes.fromhex(head) + frame[14 : 14 + 548]
    assert answer(frame, error, mtu) == expected
    assert frame == before


@pytest.mark.parametrize(
    ("frame", "error", "mtu", "start", "icmp"),
    [
        (
            ipv6(A6, "fd00:9::9", PAYLOAD[:700]),
            IcmpError.UNKNOWN,
            0,
            "6000000002183aff",
            "0103d60300000000",
        ),
        (
            ipv6(A6, "fd00:9::9", PAYLOAD[:33]),
            IcmpError.UNKNOWN,
            0,
            "6000000000513aff",
            "01031fc600000000",
        ),
        (
            ipv6(A6, "fd00:3::9", PAYLOAD[:33]),
            IcmpError.UNREACHABLE,
            0,
            "6000000000513aff",
            "01001fd500000000",
        ),
        (
            ipv6("fd00:4::1", A6, PAYLOAD[:77]),
            IcmpError.PROHIBITED,
            0,
            "60000000007d3aff",
            "0101fe0200000000",
        ),
        (
            ipv6(A6, "fd00:2::1", PAYLOAD[:1440]),
            IcmpError.TOO_BIG,
            1437,
            "6000000002183aff",
            "0200cca30000059d",
        ),
        (
            ipv6(A6, "fd00:4::1", PAYLOAD[:64], hops=1),
            IcmpError.TTL_EXPIRED,
            0,
            "6000000000703aff",
            "030066dd00000000",
        ),
    ],
)
def test_real_errors_over_ipv6(
    frame: bytearray, error: IcmpError, mtu: int, start: str, icmp: str
) -> None:
    head = bytes.fromhex(start) + frame[38:54] + frame[22:38] + bytes.fromhex(icmp)
    assert answer(frame, error, mtu) == frame[:14] + head + frame[14 : 14 + 528]


@pytest.mark.parametrize("error", IcmpError)
def test_checksums(error: IcmpError) -> None:
    reply = answer(ipv4(A, "192.168.2.1", b"odd"), error)
    assert checksum(reply[14:34]) == 0
    assert checksum(reply[34:]) == 0
    reply = answer(ipv6(A6, "fd00:2::1", b"odd"), error)
    length = len(reply) - 54
    pseudo = reply[22:54] + length.to_bytes(4, "big") + b"\0\0\0\x3a"
    assert checksum(pseudo + reply[54:]) == 0
    assert int.from_bytes(reply[18:20], "big") == length


def test_macs_are_swapped_and_the_tag_kept() -> None:
    frame = with_macs(ipv4(A, "192.168.9.9", b""), "da6a088a21c6", "da6a088a2139")
    expected = "da6a088a2139da6a088a21c6"
    assert answer(frame, IcmpError.UNKNOWN)[:14].hex() == expected + "0800"
    reply = answer(tagged(frame), IcmpError.UNKNOWN)
    assert reply[:18].hex() == expected + "810000050800"
    assert reply[18:] == answer(frame, IcmpError.UNKNOWN)[14:]


def test_time_exceeded_names_this_hop() -> None:
    frame = ipv4(A, "192.168.4.1", b"")
    here = pack("10.0.0.7")
    assert answer(frame, IcmpError.TTL_EXPIRED, local=here)[26:30] == here
    assert answer(frame, IcmpError.UNKNOWN, local=here)[26:30] == frame[30:34]
    here = pack("fd00::7")
    frame = ipv6(A6, "fd00:4::1", b"")
    assert answer(frame, IcmpError.TTL_EXPIRED, local=here)[22:38] == here
    assert answer(frame, IcmpError.UNKNOWN, local=here)[22:38] == frame[38:54]


def test_local_address_is_asked_for_the_author() -> None:
    asked = []

    def local_address(target: bytes) -> bytes | None:
        asked.append(target)
        return None

    replies = ErrorReplies(local_address)
    replies.answer(ipv4(A, "192.168.4.1", b""), IcmpError.TTL_EXPIRED, 0.0)
    replies.answer(ipv6(A6, "fd00:4::1", b""), IcmpError.TTL_EXPIRED, 0.0)
    assert asked == [pack(A), pack(A6)]


def test_address_of_the_wrong_family_is_not_used() -> None:
    frame = ipv4(A, "192.168.4.1", b"")
    reply = answer(frame, IcmpError.TTL_EXPIRED, local=pack("fd00::7"))
    assert reply[26:30] == frame[30:34]


def test_limit_is_per_second_of_the_clock_and_for_both_families() -> None:
    replies = ErrorReplies(no_local_address)
    frames = [ipv4(A, "192.168.9.9", b""), ipv6(A6, "fd00:9::9", b"")]

    def answered(*times: float) -> list[bool]:
        verdicts = [
            replies.answer(frames[i % 2], IcmpError.UNKNOWN, now)
            for i, now in enumerate(times)
        ]
        return [isinstance(verdict, AnswerFrames) for verdict in verdicts]

    assert ERRORS_PER_SECOND == 3
    assert answered(7.9, 7.91, 7.92, 7.93) == [True, True, True, False]
    assert answered(8.0, 8.5, 8.7, 8.99) == [True, True, True, False]
    assert answered(60.0) == [True]


def test_errors_and_other_protocols_are_not_answered() -> None:
    replies = ErrorReplies(no_local_address)
    for frame in (
        ipv4(A, "192.168.9.9", b"\3\1" + bytes(40)),
        ipv6(A6, "fd00:9::9", b"\3\0" + bytes(40), protocol=58),
        bytearray(14),
    ):
        verdict = replies.answer(frame, IcmpError.UNKNOWN, 0.0)
        assert verdict == Discard(Reason.UNKNOWN_DESTINATION)


def test_what_is_not_answered_does_not_count() -> None:
    replies = ErrorReplies(no_local_address)
    for _ in range(5):
        replies.answer(ipv4(A, "192.168.9.9", b"\3\1"), IcmpError.UNKNOWN, 0.0)
    verdict = replies.answer(ipv4(A, "192.168.9.9", b""), IcmpError.UNKNOWN, 0.0)
    assert isinstance(verdict, AnswerFrames)
