"""The rules of router mode, one table per rule, on the mesh a - b - c with d down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import echo, ipv4, ipv6, pack
from tests.routing.routed import (
    A6,
    B6,
    D6,
    DIRECT,
    KERNEL,
    NO_BROADCAST,
    NOBODY,
    NOBODY6,
    NUMBERS,
    OFF,
    TOS,
    TTL,
    A,
    B,
    C,
    D,
    arp,
    path,
    route,
    shape,
)
from tincd_compat.mesh.node import Mesh
from tincd_compat.modes import Forwarding
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Deliver,
    Discard,
    Reason,
    SendTo,
    SendToAll,
)


@pytest.mark.parametrize(
    ("us", "source", "sender", "target", "options", "over_ipv4", "over_ipv6"),
    [
        ("a", "a", "a", "b", None, "send b 0", "send b 0"),
        ("a", "a", "a", "c", None, "send c 0", "send c 0"),
        ("b", "a", "a", "b", None, "deliver", "deliver"),
        ("b", "a", "a", "c", None, "send c 0", "send c 0"),
        ("a", "a", "a", "nobody", None, "answer 3/6", "answer 1/3"),
        ("b", "a", "a", "nobody", None, "answer 3/6", "answer 1/3"),
        ("a", "a", "a", "a", None, "drop looping back", "drop looping back"),
        ("a", "b", "a", "b", None, "drop looping back", "drop looping back"),
        ("a", "a", "a", "d", None, "answer 3/0", "answer 1/0"),
        ("b", "a", "a", "d", None, "answer 3/0", "answer 1/0"),
        ("b", "a", "a", "c", OFF, "answer 3/9", "answer 1/1"),
        ("b", "b", "b", "c", OFF, "send c 0", "send c 0"),
        ("b", "a", "a", "b", OFF, "deliver", "deliver"),
        ("a", "b", "b", "c", None, "drop routing loop", "drop routing loop"),
        ("a", "a", "a", "c", DIRECT, "answer 3/9", "answer 1/1"),
        ("a", "a", "a", "b", DIRECT, "send b 0", "send b 0"),
        ("b", "a", "a", "b", DIRECT, "deliver", "deliver"),
        # The kernel decides about everything the mesh sends, about nothing else.
        ("b", "a", "a", "c", KERNEL, "deliver", "deliver"),
        ("b", "a", "a", "nobody", KERNEL, "deliver", "deliver"),
        ("b", "b", "a", "c", KERNEL, "send c 0", "send c 0"),
    ],
)
def test_unicast(
    us: str,
    source: str,
    sender: str,
    target: str,
    options: RouteOptions | None,
    over_ipv4: str,
    over_ipv6: str,
) -> None:
    one, other = NUMBERS[sender], NUMBERS[target]
    for frame, expected in (
        (ipv4(f"192.168.{one}.1", f"192.168.{other}.1", echo(64)), over_ipv4),
        (ipv6(f"fd00:{one}::1", f"fd00:{other}::1", echo(64)), over_ipv6),
    ):
        before = bytes(frame)
        verdict = route(frame, source, us=us, options=options)
        assert " ".join(shape(verdict)).startswith(expected)
        assert frame == before


def test_the_frame_itself_goes_on() -> None:
    frame = ipv4(A, B, echo(64))
    verdict = route(frame)
    assert isinstance(verdict, SendTo)
    assert verdict.frame is frame
    delivered = route(frame, us="b")
    assert isinstance(delivered, Deliver)
    assert delivered.frame is frame


class TestOrder:
    """Packets to which several rules apply show which comes first."""

    def test_unreachable_before_forwarding(self) -> None:
        verdict = route(ipv4(A, D, echo(64)), us="b", options=OFF)
        assert shape(verdict) == ("answer", "3/0", "unreachable")

    def test_forwarding_before_ttl(self) -> None:
        options = RouteOptions(forwarding=Forwarding.OFF, decrement_ttl=True)
        verdict = route(ipv4(A, C, echo(64), ttl=1), us="b", options=options)
        assert shape(verdict) == ("answer", "3/9", "prohibited")

    def test_ttl_before_routing_loop(self) -> None:
        frame = ipv4(B, C, echo(64), ttl=1)
        verdict = route(frame, "b", options=TTL)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")

    def test_routing_loop_before_direct_only(self) -> None:
        verdict = route(ipv4(B, C, echo(64)), "b", options=DIRECT)
        assert shape(verdict) == ("drop", "routing loop")

    def test_direct_only_before_size(self) -> None:
        verdict = route(ipv4(A, C, echo(2000)), options=DIRECT)
        assert shape(verdict) == ("answer", "3/9", "prohibited")


class TestNextStop:
    def test_nexthop_where_nobody_has_udp(self) -> None:
        def no_udp(mesh: Mesh) -> None:
            mesh.nodes["c"].via = mesh.myself
            mesh.nodes["b"].mtu = 1000

        verdict = route(ipv4(A, C, echo(1200)), change=no_udp)
        assert shape(verdict) == ("answer", "3/4", "too big")

    def test_far_node_with_udp(self) -> None:
        def direct(mesh: Mesh) -> None:
            mesh.nodes["c"].via = mesh.nodes["c"]
            mesh.nodes["b"].mtu = 1000

        assert shape(route(ipv4(A, C, echo(1200)), change=direct)) == ("send", "c", "0")
        verdict = route(ipv4(A, C, echo(64)), change=direct, options=DIRECT)
        assert shape(verdict) == ("send", "c", "0")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("224.0.0.1", True),
        ("239.255.255.255", True),
        ("255.255.255.255", True),
        ("223.255.255.255", False),
        ("240.0.0.1", False),
        ("255.255.255.254", False),
        # The broadcast address of a subnet is an address like any other.
        ("192.168.2.255", False),
    ],
)
def test_broadcast(target: str, expected: bool) -> None:
    frame = ipv4(A, target, echo(64))
    assert isinstance(route(frame), SendToAll) is expected
    assert not isinstance(route(frame, options=NO_BROADCAST), SendToAll)


def test_broadcast_over_ipv6() -> None:
    frame = ipv6(A6, "ff02::fb", echo(64))
    verdict = route(frame)
    assert isinstance(verdict, SendToAll)
    assert verdict.frame is frame
    assert isinstance(route(ipv6(A6, "fe80::1", echo(64))), AnswerFrames)
    verdict = route(frame, options=NO_BROADCAST)
    assert shape(verdict) == ("answer", "1/3", "unknown destination")


def test_priority_inheritance() -> None:
    frame = ipv4(A, B, echo(64), tos=0xB8)
    assert shape(route(frame)) == ("send", "b", "0")
    assert shape(route(frame, options=TOS)) == ("send", "b", "184")
    frame = ipv6(A6, B6, echo(64), start=0x6B8C020B)
    assert shape(route(frame, options=TOS)) == ("send", "b", "184")


@pytest.mark.parametrize("target", [B, NOBODY])
def test_errors_past_the_priority_have_it_too(target: str) -> None:
    frame = ipv4(A, target, echo(1400), tos=0xB8)
    verdict = route(frame, options=TOS, change=path(1000))
    assert isinstance(verdict, AnswerFrames)
    assert verdict.tos == (0xB8 if target == B else 0)


@pytest.mark.parametrize("source", ["a", "b"])
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (bytearray(), Reason.TOO_SHORT),
        (bytearray(13), Reason.TOO_SHORT),
        (bytearray(14), Reason.UNKNOWN_TYPE),
        (ipv4(A, B, b"")[:33], Reason.TOO_SHORT),
        (ipv6(A6, B6, b"")[:53], Reason.TOO_SHORT),
        (bytearray(12) + b"\x08\x06" + bytes(27), Reason.TOO_SHORT),
        (ipv6(A6, B6, b"\x87" + bytes(22), protocol=58), Reason.TOO_SHORT),
        (bytearray(12) + b"\x81\0\0\5\x08\0" + bytes(60), Reason.UNKNOWN_TYPE),
    ],
)
def test_bad_frames(frame: bytearray, source: str, reason: Reason) -> None:
    assert route(frame, source) == Discard(reason)


def test_short_frame_is_not_even_for_the_kernel() -> None:
    assert route(bytearray(13), "b", options=KERNEL) == Discard(Reason.TOO_SHORT)
    assert isinstance(route(bytearray(14), "b", options=KERNEL), Deliver)


def test_arp_is_answered_into_the_device_only() -> None:
    assert isinstance(route(arp(B)), AnswerFrames)
    assert route(arp(A)) == Discard(Reason.ASKS_FOR_US)
    assert route(arp(B), "b") == Discard(Reason.NOT_FROM_DEVICE)


def test_solicitation_comes_before_multicast() -> None:
    frame = ipv6(A6, "ff02::1:ff00:1", b"\x87" + bytes(23), protocol=58)
    assert route(frame) == Discard(Reason.BAD_CHECKSUM)
    assert route(frame, "b") == Discard(Reason.NOT_FROM_DEVICE)
    frame = ipv6(A6, "ff02::1:ff00:1", b"\x88" + bytes(23), protocol=58)
    assert isinstance(route(frame), SendToAll)


def test_short_icmpv6_goes_on() -> None:
    assert isinstance(route(ipv6(A6, B6, b"\x87" + bytes(6), protocol=58)), SendTo)


TYPES = st.sampled_from(["0800", "86dd", "0806", "8100", "88b5"])
TARGETS = st.sampled_from([B, D, NOBODY, "224.0.0.1"])
TARGETS6 = st.sampled_from([B6, D6, NOBODY6, "ff02::1"])


@given(
    st.binary(max_size=120),
    TYPES,
    TARGETS,
    TARGETS6,
    st.sampled_from("abd"),
    st.booleans(),
)
def test_any_frame(
    data: bytes, kind: str, target: str, target6: str, source: str, careful: bool
) -> None:
    frame = bytearray(data)
    if len(frame) >= 14:
        frame[12:14] = bytes.fromhex(kind)
    if kind == "0800" and len(frame) >= 34:
        frame[30:34] = pack(target)
    if kind == "86dd" and len(frame) >= 54:
        frame[38:54] = pack(target6)
    options = RouteOptions(decrement_ttl=careful, priority_inheritance=careful)
    before = bytes(frame)
    verdict = route(frame, source, options=options, change=path(60))
    if isinstance(verdict, Discard) and not careful:
        assert frame == before
