"""The rules of router mode, one table per rule, on the mesh a - b - c with d down."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import echo, ipv4, ipv6, line, pack, tcp
from tincd_compat.mesh.node import Mesh
from tincd_compat.routing.options import Forwarding, RouteOptions
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import (
    Answer,
    Broadcast,
    Deliver,
    Drop,
    Fragments,
    Reason,
    Send,
    Verdict,
)

NUMBERS = {"a": 1, "b": 2, "c": 4, "d": 3, "nobody": 9}
A, B, C, D, NOBODY = (f"192.168.{number}.1" for number in NUMBERS.values())
A6, B6, C6, D6, NOBODY6 = (f"fd00:{number}::1" for number in NUMBERS.values())


def route(
    frame: bytearray,
    source: str = "a",
    *,
    us: str = "a",
    options: RouteOptions | None = None,
    change: Callable[[Mesh], None] = lambda mesh: None,
) -> Verdict:
    mesh = line(us)
    change(mesh)
    router = Router(
        mesh, options or RouteOptions(), local_address=lambda target: pack("10.0.0.7")
    )
    return router.route(frame, mesh.nodes[source], 0.0)


def shape(verdict: Verdict) -> tuple[str, ...]:
    """What a verdict says, without its frames."""
    match verdict:
        case Send(node, _, tos):
            return ("send", node.name, str(tos))
        case Fragments(node, frames, tos):
            return ("fragments", node.name, str(len(frames)), str(tos))
        case Answer(frames, reason):
            (reply,) = frames
            icmp = reply[34:36] if reply[12:14] == b"\x08\0" else reply[54:56]
            return ("answer", f"{icmp[0]}/{icmp[1]}", str(reason))
        case Drop(reason):
            return ("drop", str(reason))
        case Deliver():
            return ("deliver",)
        case Broadcast():
            return ("broadcast",)


OFF = RouteOptions(forwarding=Forwarding.OFF)
KERNEL = RouteOptions(forwarding=Forwarding.KERNEL)
DIRECT = RouteOptions(direct_only=True)
TTL = RouteOptions(decrement_ttl=True)
TOS = RouteOptions(priority_inheritance=True)
NO_BROADCAST = RouteOptions(broadcast=False)


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
    assert isinstance(verdict, Send)
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


def path(mtu: int) -> Callable[[Mesh], None]:
    def change(mesh: Mesh) -> None:
        mesh.nodes["b"].mtu = mtu

    return change


class TestSize:
    @pytest.mark.parametrize(
        ("mtu", "length", "expected"),
        [
            (1451, 1451, None),
            (1451, 1452, 1437),
            (1518, 1518, None),
            (1518, 1519, 1504),
            (400, 590, None),
            (400, 591, 576),
        ],
    )
    def test_ipv4(self, mtu: int, length: int, expected: int | None) -> None:
        verdict = route(ipv4(A, B, echo(length - 34)), change=path(mtu))
        if expected is None:
            assert isinstance(verdict, Send)
        else:
            assert shape(verdict) == ("answer", "3/4", "too big")
            assert isinstance(verdict, Answer)
            assert int.from_bytes(verdict.frames[0][40:42], "big") == expected

    @pytest.mark.parametrize(
        ("mtu", "length", "expected"),
        [(1451, 1451, None), (1451, 1452, 1437), (400, 1294, None), (400, 1295, 1280)],
    )
    def test_ipv6(self, mtu: int, length: int, expected: int | None) -> None:
        frame = ipv6(A6, B6, echo(length - 54))
        verdict = route(frame, change=path(mtu))
        if expected is None:
            assert isinstance(verdict, Send)
        else:
            assert shape(verdict) == ("answer", "2/0", "too big")
            assert isinstance(verdict, Answer)
            assert int.from_bytes(verdict.frames[0][58:62], "big") == expected

    def test_fragments_go_to_the_next_stop(self) -> None:
        frame = ipv4(A, C, echo(1480), field=0)
        verdict = route(frame, change=path(1451))
        assert shape(verdict) == ("fragments", "b", "2", "0")

    @pytest.mark.parametrize(("mtu", "pieces"), [(400, 3), (590, 3), (800, 2)])
    def test_smallest_fragments(self, mtu: int, pieces: int) -> None:
        frame = ipv4(A, B, echo(1400), field=0)
        verdict = route(frame, change=path(mtu))
        assert shape(verdict) == ("fragments", "b", str(pieces), "0")

    def test_fragments_inherit_the_priority(self) -> None:
        frame = ipv4(A, B, echo(1480), field=0, tos=0x10)
        verdict = route(frame, change=path(1451), options=TOS)
        assert shape(verdict) == ("fragments", "b", "2", "16")

    def test_no_fragments_of_odd_packets(self) -> None:
        frame = ipv4(A, B, echo(1480), field=0)
        verdict = route(frame[:-1], change=path(1451))
        assert verdict == Drop(Reason.BAD_LENGTH)
        frame[14] = 0x46
        assert route(frame, change=path(1451)) == Drop(Reason.HAS_OPTIONS)

    def test_what_is_for_us_has_any_size(self) -> None:
        assert isinstance(route(ipv4(B, A, echo(3000)), "b"), Deliver)


class TestTtl:
    def test_forwarded(self) -> None:
        frame = ipv4(A, C, echo(64))
        assert isinstance(route(frame, us="b", options=TTL), Send)
        assert frame == ipv4(A, C, echo(64), ttl=63)
        frame = ipv6(A6, C6, echo(64))
        assert isinstance(route(frame, us="b", options=TTL), Send)
        assert frame == ipv6(A6, C6, echo(64), hops=63)

    @pytest.mark.parametrize("ttl", [0, 1])
    def test_expired(self, ttl: int) -> None:
        verdict = route(ipv4(A, C, echo(64), ttl=ttl), us="b", options=TTL)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")
        assert isinstance(verdict, Answer)
        assert verdict.frames[0][26:30] == pack("10.0.0.7")
        verdict = route(ipv6(A6, C6, echo(64), hops=ttl), us="b", options=TTL)
        assert shape(verdict) == ("answer", "3/0", "ttl expired")

    def test_time_exceeded_expires_silently(self) -> None:
        frame = ipv6(A6, C6, b"\3\0" + bytes(70), protocol=58, hops=1)
        assert route(frame, us="b", options=TTL) == Drop(Reason.TTL_EXPIRED)

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
        assert not isinstance(route(frame, us=us, options=TTL), Answer)
        assert frame == before

    def test_broadcasts_of_others(self) -> None:
        frame = ipv4(A, "224.0.0.9", echo(64), ttl=2)
        assert isinstance(route(frame, us="b", options=TTL), Broadcast)
        assert frame == ipv4(A, "224.0.0.9", echo(64), ttl=1)
        verdict = route(frame, us="b", options=TTL)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")

    def test_off_by_default(self) -> None:
        assert isinstance(route(ipv4(A, C, echo(64), ttl=0), us="b"), Send)


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
    assert isinstance(route(frame), Broadcast) is expected
    assert not isinstance(route(frame, options=NO_BROADCAST), Broadcast)


def test_broadcast_over_ipv6() -> None:
    frame = ipv6(A6, "ff02::fb", echo(64))
    verdict = route(frame)
    assert isinstance(verdict, Broadcast)
    assert verdict.frame is frame
    assert isinstance(route(ipv6(A6, "fe80::1", echo(64))), Answer)
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
    assert isinstance(verdict, Answer)
    assert verdict.tos == (0xB8 if target == B else 0)


def syn(source: str, target: str) -> bytearray:
    return ipv4(source, target, tcp(source, target, b"\2\4\5\xb4"), protocol=6)


def clamped(frame: bytearray) -> int | None:
    value = int.from_bytes(frame[56:58], "big")
    return None if value == 1460 else value


class TestClamp:
    def test_on_the_way_out(self) -> None:
        frame = syn(A, B)
        route(frame, change=path(1451))
        assert clamped(frame) == 1397

    def test_on_the_way_in(self) -> None:
        frame = syn(B, A)
        assert isinstance(route(frame, "b", change=path(1451)), Deliver)
        assert clamped(frame) == 1397

    def test_smaller_of_both_sides(self) -> None:
        def change(mesh: Mesh) -> None:
            mesh.nodes["a"].mtu, mesh.nodes["c"].mtu = 1300, 1400

        frame = syn(A, C)
        route(frame, us="b", change=change)
        assert clamped(frame) == 1246

    def test_whole_path_of_an_ordinary_link(self) -> None:
        frame = syn(A, B)
        route(frame)
        assert clamped(frame) is None

    @pytest.mark.parametrize(("us", "next_stop"), [("a", "b"), ("b", "b")])
    def test_only_where_the_next_stop_wants_it(self, us: str, next_stop: str) -> None:
        def change(mesh: Mesh) -> None:
            mesh.nodes["a"].mtu = mesh.nodes["b"].mtu = 1300
            mesh.nodes[next_stop].options = 0

        frame = syn(A, B)
        route(frame, us=us, change=change)
        assert clamped(frame) is None


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
    assert route(frame, source) == Drop(reason)


def test_short_frame_is_not_even_for_the_kernel() -> None:
    assert route(bytearray(13), "b", options=KERNEL) == Drop(Reason.TOO_SHORT)
    assert isinstance(route(bytearray(14), "b", options=KERNEL), Deliver)


def arp(target: str) -> bytearray:
    head = "ffffffffffff da6a088a2139 0806 0001080006040001 da6a088a2139 c0a80101"
    return bytearray.fromhex(head) + bytes(6) + pack(target)


def test_arp_is_answered_into_the_device_only() -> None:
    assert isinstance(route(arp(B)), Answer)
    assert route(arp(A)) == Drop(Reason.ASKS_FOR_US)
    assert route(arp(B), "b") == Drop(Reason.NOT_FROM_DEVICE)


def test_solicitation_comes_before_multicast() -> None:
    frame = ipv6(A6, "ff02::1:ff00:1", b"\x87" + bytes(23), protocol=58)
    assert route(frame) == Drop(Reason.BAD_CHECKSUM)
    assert route(frame, "b") == Drop(Reason.NOT_FROM_DEVICE)
    frame = ipv6(A6, "ff02::1:ff00:1", b"\x88" + bytes(23), protocol=58)
    assert isinstance(route(frame), Broadcast)


def test_short_icmpv6_goes_on() -> None:
    assert isinstance(route(ipv6(A6, B6, b"\x87" + bytes(6), protocol=58)), Send)


@pytest.mark.parametrize(
    ("frame", "source", "severity", "text"),
    [
        (
            bytearray(9),
            "b",
            "WARNING",
            "Got too short packet from b (10.99.1.2 port 655)",
        ),
        (
            ipv6(A6, B6, b"\x87", protocol=58),
            "a",
            "WARNING",
            "Got too short packet from a (MYSELF)",
        ),
        (
            bytearray(12) + b"\x88\xb5",
            "a",
            "WARNING",
            "Cannot route packet from a (MYSELF): unknown type 88b5",
        ),
        (
            ipv4(A, "192.168.9.9", b""),
            "d",
            "WARNING",
            "Cannot route packet from d ((null)):"
            " unknown IPv4 destination address 192.168.9.9",
        ),
        (
            ipv6(A6, "fd00:9::9", b""),
            "a",
            "WARNING",
            "Cannot route packet from a (MYSELF):"
            " unknown IPv6 destination address fd00:9:0:0:0:0:0:9",
        ),
        (ipv4(A, A, b""), "a", "WARNING", "Packet looping back to a (MYSELF)!"),
        (
            ipv4(B, C, b""),
            "b",
            "ERROR",
            "Routing loop for packet from b (10.99.1.2 port 655)!",
        ),
        (
            arp(B),
            "b",
            "WARNING",
            "Got ARP request from b (10.99.1.2 port 655) while in router mode!",
        ),
        (
            arp("192.168.9.7"),
            "a",
            "WARNING",
            "Cannot route packet: ARP request for unknown address 192.168.9.7",
        ),
        (
            ipv6(A6, B6, b"\x87" + bytes(23), protocol=58),
            "b",
            "WARNING",
            "Got neighbor solicitation request from b (10.99.1.2 port 655)"
            " while in router mode!",
        ),
        (
            ipv4(A, B, echo(1438)),
            "a",
            "INFO",
            "Packet for b (10.99.1.2 port 655) length 1472 larger than MTU 1451",
        ),
        (syn(A, B), "a", "INFO", "Clamping MSS of packet from a to b to 1397"),
    ],
)
def test_log(
    frame: bytearray,
    source: str,
    severity: str,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        route(bytearray(frame), source, change=path(1451))
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("tincd.traffic", severity, text)
    ]


def test_log_of_fragments(caplog: pytest.LogCaptureFixture) -> None:
    frame = ipv4(A, B, echo(1480), field=0)
    with caplog.at_level(logging.INFO):
        route(frame, change=path(1451))
        route(frame[:-1], change=path(1451))
    assert caplog.messages[1] == (
        "Fragmenting packet of 1514 bytes to b (10.99.1.2 port 655)"
    )
    assert caplog.messages[3] == (
        "Length of packet (1513) doesn't match length in IPv4 header (1514)"
    )


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
    if isinstance(verdict, Drop) and not careful:
        assert frame == before
