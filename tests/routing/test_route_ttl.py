"""Where router mode counts the TTL down, and what it answers at the end."""

from __future__ import annotations

import pytest

from tests.routing.frames import echo, ipv4, ipv6, pack
from tests.routing.routed import A6, C6, TTL, A, B, C, route, shape
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Discard,
    Reason,
    SendTo,
    SendToAll,
)


class TestTtl:
    def test_forwarded(self) -> None:
        frame = ipv4(A, C, echo(64))
        assert isinstance(route(frame, us="b", options=TTL), SendTo)
        assert frame == ipv4(A, C, echo(64), ttl=63)
        frame = ipv6(A6, C6, echo(64))
        assert isinstance(route(frame, us="b", options=TTL), SendTo)
        assert frame == ipv6(A6, C6, echo(64), hops=63)

    @pytest.mark.parametrize("ttl", [0, 1])
    def test_expired(self, ttl: int) -> None:
        verdict = route(ipv4(A, C, echo(64), ttl=ttl), us="b", options=TTL)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")
        assert isinstance(verdict, AnswerFrames)
        assert verdict.frames[0][26:30] == pack("10.0.0.7")
        verdict = route(ipv6(A6, C6, echo(64), hops=ttl), us="b", options=TTL)
        assert shape(verdict) == ("answer", "3/0", "ttl expired")

    def test_time_exceeded_expires_silently(self) -> None:
        frame = ipv6(A6, C6, b"\3\0" + bytes(70), protocol=58, hops=1)
        assert route(frame, us="b", options=TTL) == Discard(Reason.TTL_EXPIRED)

    @pytest.mark.parametrize(
        ("us", "frame"),
        [
            ("a", ipv4(A, B, echo(64), ttl=1)),
            ("b", ipv4(A, B, echo(64), ttl=1)),
            ("a", ipv4(A, "224.0.0.9", echo(64), ttl=1)),
        ],
    )
    def test_neither_ours_nor_for_us(self, us: str, frame: bytearray) -> None:
        before = bytes(frame)
        assert not isinstance(route(frame, us=us, options=TTL), AnswerFrames)
        assert frame == before

    def test_broadcasts_of_others(self) -> None:
        frame = ipv4(A, "224.0.0.9", echo(64), ttl=2)
        assert isinstance(route(frame, us="b", options=TTL), SendToAll)
        assert frame == ipv4(A, "224.0.0.9", echo(64), ttl=1)
        verdict = route(frame, us="b", options=TTL)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")

    def test_off_by_default(self) -> None:
        assert isinstance(route(ipv4(A, C, echo(64), ttl=0), us="b"), SendTo)
