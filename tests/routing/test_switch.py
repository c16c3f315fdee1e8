"""The rules of switch and hub mode on the mesh a - b - c with d down."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import echo, ipv4, ipv6, line, pack, tagged, tcp, with_macs
from tests.routing.routed import shape
from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Mesh
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Deliver,
    Discard,
    Fragments,
    Reason,
    SendTo,
    SendToAll,
    Verdict,
)

STATIONS = {name: f"02000000000{name}" for name in "abcd"}
NOBODY = "020000000009"
EVERYBODY = "ffffffffffff"


def between(source: str, target: str, frame: bytearray | None = None) -> bytearray:
    """Return a frame (of no known type if not given) with the MACs of two nodes."""
    if frame is None:
        frame = bytearray(12) + b"\x88\xb5" + bytes(50)
    return with_macs(frame, STATIONS.get(target, target), STATIONS.get(source, source))


def route(
    frame: bytearray,
    source: str = "a",
    *,
    us: str = "a",
    change: Callable[[Mesh], None] = lambda mesh: None,
    mode: Mode = Mode.SWITCH,
    forwarding: Forwarding = Forwarding.INTERNAL,
    direct_only: bool = False,
    decrement_ttl: bool = False,
    priority_inheritance: bool = False,
) -> Verdict:
    mesh = line(us)
    for name, station in STATIONS.items():
        own(mesh, name, station)
    change(mesh)
    options = RouteOptions(
        mode=mode,
        forwarding=forwarding,
        direct_only=direct_only,
        decrement_ttl=decrement_ttl,
        priority_inheritance=priority_inheritance,
    )
    router = Router(mesh, options, local_address=lambda target: pack("10.0.0.7"))
    return router.route(frame, mesh.nodes[source], 0.0)


def own(mesh: Mesh, name: str, station: str, weight: int = 10) -> None:
    subnet = Subnet.parse(bytes.fromhex(station).hex(":") + f"#{weight}")
    assert subnet is not None
    mesh.subnets.add(mesh.nodes[name], subnet)


def path(mtu: int) -> Callable[[Mesh], None]:
    def change(mesh: Mesh) -> None:
        mesh.nodes["b"].mtu = mtu

    return change


@pytest.mark.parametrize(
    ("us", "source", "target", "options", "expected"),
    [
        ("a", "a", "b", {}, "send b 0"),
        ("a", "a", "c", {}, "send c 0"),
        ("b", "a", "b", {}, "deliver"),
        ("b", "a", "c", {}, "send c 0"),
        ("a", "a", NOBODY, {}, "broadcast"),
        ("a", "a", EVERYBODY, {}, "broadcast"),
        ("a", "a", "333300000001", {}, "broadcast"),
        ("b", "a", NOBODY, {}, "broadcast"),
        ("a", "a", "a", {}, "drop looping back"),
        ("b", "a", "a", {}, "drop looping back"),
        # Whether a node is there is asked when it is sent to.
        ("a", "a", "d", {}, "send d 0"),
        # tincd does not look for routing loops here.
        ("a", "b", "c", {}, "send c 0"),
        ("b", "a", "c", {"forwarding": Forwarding.OFF}, "drop prohibited"),
        ("b", "b", "c", {"forwarding": Forwarding.OFF}, "send c 0"),
        ("b", "a", "b", {"forwarding": Forwarding.OFF}, "deliver"),
        ("b", "a", NOBODY, {"forwarding": Forwarding.OFF}, "broadcast"),
        ("b", "a", "c", {"forwarding": Forwarding.KERNEL}, "deliver"),
        ("b", "a", NOBODY, {"forwarding": Forwarding.KERNEL}, "deliver"),
        ("b", "b", "c", {"forwarding": Forwarding.KERNEL}, "send c 0"),
        ("a", "a", "c", {"direct_only": True}, "drop prohibited"),
        ("a", "a", "b", {"direct_only": True}, "send b 0"),
        ("b", "a", "b", {"direct_only": True}, "deliver"),
    ],
)
def test_where_a_frame_goes(
    us: str, source: str, target: str, options: dict[str, object], expected: str
) -> None:
    frame = between(source, target)
    before = bytes(frame)
    verdict = route(frame, source, us=us, **options)  # type: ignore[arg-type]
    assert " ".join(shape(verdict)) == expected
    assert frame == before
    if isinstance(verdict, SendTo | Deliver | SendToAll):
        assert verdict.frame is frame


@pytest.mark.parametrize(
    ("source", "us", "mode"),
    [(s, u, m) for s in "ab" for u in "ab" for m in (Mode.SWITCH, Mode.HUB)],
)
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (bytearray(), Reason.TOO_SHORT),
        (bytearray(13), Reason.TOO_SHORT),
        # Everywhere else such a frame is an MTU probe.
        (bytearray(14), Reason.UNKNOWN_TYPE),
        (between("a", "b", bytearray(64)), Reason.UNKNOWN_TYPE),
    ],
)
def test_bad_frames(
    frame: bytearray, reason: Reason, source: str, us: str, mode: Mode
) -> None:
    assert route(frame, source, us=us, mode=mode) == Discard(reason)


class TestOverlap:
    """A station that two nodes own is at the one tincd would choose."""

    @pytest.mark.parametrize(
        ("weight_b", "weight_c", "expected"),
        [(10, 10, "b"), (10, 9, "c"), (11, 10, "c"), (9, 10, "b")],
    )
    def test_weight_then_name(
        self, weight_b: int, weight_c: int, expected: str
    ) -> None:
        def change(mesh: Mesh) -> None:
            own(mesh, "c", NOBODY, weight_c)
            own(mesh, "b", NOBODY, weight_b)

        verdict = route(between("a", NOBODY), change=change)
        assert shape(verdict) == ("send", expected, "0")

    def test_whoever_is_there(self) -> None:
        def change(mesh: Mesh) -> None:
            own(mesh, "d", NOBODY, 1)
            own(mesh, "c", NOBODY, 10)

        verdict = route(between("a", NOBODY), change=change)
        assert shape(verdict) == ("send", "c", "0")


def told_mtu(verdict: Verdict, ip: int) -> int:
    assert isinstance(verdict, AnswerFrames)
    (reply,) = verdict.frames
    if reply[ip - 2 : ip] == b"\x08\0":
        assert (reply[ip + 20], reply[ip + 21]) == (3, 4)
        return int.from_bytes(reply[ip + 26 : ip + 28], "big")
    assert (reply[ip + 40], reply[ip + 41]) == (2, 0)
    return int.from_bytes(reply[ip + 44 : ip + 48], "big")


class TestSize:
    A4, B4, A6, B6 = "192.168.1.1", "192.168.2.1", "fd00:1::1", "fd00:2::1"

    @pytest.mark.parametrize("tag", [False, True])
    @pytest.mark.parametrize(
        ("mtu", "length", "expected"),
        [
            (1451, 1451, None),
            (1451, 1452, 1451),
            (700, 1000, 700),
            (300, 590, None),
            (300, 591, 300),
            (4, 1000, 0),
        ],
    )
    def test_ipv4(self, mtu: int, length: int, expected: int | None, tag: bool) -> None:
        """``length`` is without, the limit told is without Ethernet header and tag."""
        frame = between("a", "b", ipv4(self.A4, self.B4, echo(length - 34)))
        ip = 14
        if tag:
            frame, ip, mtu = tagged(frame), 18, mtu + 4
        verdict = route(frame, change=path(mtu))
        if expected is None:
            assert shape(verdict) == ("send", "b", "0")
        else:
            assert told_mtu(verdict, ip) == max(0, mtu - ip)
            assert isinstance(verdict, AnswerFrames)
            assert verdict.frames[0][:ip] == frame[6:12] + frame[0:6] + frame[12:ip]

    @pytest.mark.parametrize("tag", [False, True])
    @pytest.mark.parametrize(
        ("mtu", "length", "error"),
        [
            (1451, 1451, False),
            (1451, 1452, True),
            (1200, 1294, False),
            (1200, 1295, True),
        ],
    )
    def test_ipv6(self, mtu: int, length: int, error: bool, tag: bool) -> None:
        frame = between("a", "b", ipv6(self.A6, self.B6, echo(length - 54)))
        ip = 14
        if tag:
            frame, ip, mtu = tagged(frame), 18, mtu + 4
        verdict = route(frame, change=path(mtu))
        if error:
            assert told_mtu(verdict, ip) == mtu - ip
        else:
            assert shape(verdict) == ("send", "b", "0")

    def test_no_more_is_quoted_than_would_have_fitted(self) -> None:
        frame = between("a", "b", ipv4(self.A4, self.B4, echo(1000)))
        verdict = route(frame, change=path(314))
        assert isinstance(verdict, AnswerFrames)
        assert verdict.frames[0][42:] == frame[14:314]

    @pytest.mark.parametrize("tag", [False, True])
    def test_fragments(self, tag: bool) -> None:
        frame = between("a", "c", ipv4(self.A4, self.B4, echo(1480), field=0))
        if tag:
            frame = tagged(frame)
        start = frame[:18] if tag else frame[:14]
        verdict = route(frame, change=path(1451))
        assert isinstance(verdict, Fragments)
        assert verdict.node.name == "b"
        assert [len(piece) for piece in verdict.frames] == (
            [1446, 110] if tag else [1450, 98]
        )
        assert all(piece.startswith(start) for piece in verdict.frames)

    def test_smallest_fragments(self) -> None:
        frame = between("a", "b", ipv4(self.A4, self.B4, echo(1480), field=0))
        verdict = route(frame, change=path(300))
        assert isinstance(verdict, Fragments)
        assert max(len(piece) for piece in verdict.frames) == 586

    @pytest.mark.parametrize(
        ("length", "expected"), [(1518, "send b 0"), (1519, "drop too big")]
    )
    def test_other_protocols(self, length: int, expected: str) -> None:
        frame = between("a", "b") + bytes(length - 64)
        assert " ".join(shape(route(frame, change=path(1451)))) == expected

    def test_nobody_gets_a_broadcast_that_fits_nowhere(self) -> None:
        frame = between("a", EVERYBODY) + bytes(1518 - 64)
        assert isinstance(route(frame), SendToAll)
        assert route(frame + b"\0") == Discard(Reason.TOO_BIG)
        assert route(frame + b"\0", mode=Mode.HUB) == Discard(Reason.TOO_BIG)

    def test_what_is_for_us_has_any_size(self) -> None:
        frame = between("b", "a", ipv4(self.B4, self.A4, echo(1600)))
        assert isinstance(route(frame, "b", change=path(600)), Deliver)


PACKET = ipv4("192.168.1.1", "192.168.4.1", echo(64))
PACKET6 = ipv6("fd00:1::1", "fd00:4::1", echo(64))


class TestTtl:
    @pytest.mark.parametrize("target", ["c", EVERYBODY])
    @pytest.mark.parametrize("tag", [0, 4])
    def test_on_its_way_through_us(self, target: str, tag: int) -> None:
        for packet, offset in ((PACKET, 22), (PACKET6, 21)):
            frame = between("a", target, bytearray(packet))
            if tag:
                frame = tagged(frame)
            before = frame[offset + tag]
            verdict = route(frame, us="b", decrement_ttl=True)
            assert isinstance(verdict, SendTo | SendToAll)
            assert frame[offset + tag] == before - 1

    @pytest.mark.parametrize("mode", [Mode.SWITCH, Mode.HUB])
    def test_the_end(self, mode: Mode) -> None:
        frame = between("a", "c", bytearray(PACKET))
        frame[22] = 1
        verdict = route(frame, us="b", decrement_ttl=True, mode=mode)
        assert shape(verdict) == ("answer", "11/0", "ttl expired")
        assert isinstance(verdict, AnswerFrames)
        assert verdict.frames[0][:12] == frame[6:12] + frame[0:6]

    @pytest.mark.parametrize(("us", "target"), [("a", "c"), ("c", "c"), ("a", NOBODY)])
    def test_neither_ours_nor_for_us(self, us: str, target: str) -> None:
        frame = between("a", target, bytearray(PACKET))
        before = bytes(frame)
        route(frame, us=us, decrement_ttl=True)
        assert frame == before

    def test_other_protocols_do_not_age(self) -> None:
        verdict = route(between("a", "c"), us="b", decrement_ttl=True)
        assert shape(verdict) == ("send", "c", "0")


@pytest.mark.parametrize(
    ("frame", "tos"),
    [
        (ipv4("192.168.1.1", "192.168.2.1", echo(8), tos=0xB8), 0xB8),
        (ipv6("fd00:1::1", "fd00:2::1", echo(8), start=0x6B8C020B), 0xB8),
        (tagged(ipv4("192.168.1.1", "192.168.2.1", echo(8), tos=0xB8)), 0),
        (ipv4("192.168.1.1", "192.168.2.1", b"", tos=0xB8)[:33], 0),
        (ipv6("fd00:1::1", "fd00:2::1", b"", start=0x6B8C020B)[:53], 0),
        (bytearray(12) + b"\x08\x06" + b"\xff" * 40, 0),
    ],
)
def test_priority_inheritance(frame: bytearray, tos: int) -> None:
    frame = between("a", "b", bytearray(frame))
    assert shape(route(frame)) == ("send", "b", "0")
    expected = ("send", "b", str(tos))
    assert shape(route(frame, priority_inheritance=True)) == expected


@pytest.mark.parametrize("tag", [0, 4])
@pytest.mark.parametrize(("us", "source"), [("a", "a"), ("b", "a")])
def test_clamping(us: str, source: str, tag: int) -> None:
    def change(mesh: Mesh) -> None:
        mesh.nodes["a" if us == "b" else "b"].mtu = 1451

    ends = "192.168.1.1", "192.168.2.1"
    packet = ipv4(*ends, tcp(*ends, b"\2\4\5\xb4"), protocol=6)
    frame = between("a", "b", packet)
    if tag:
        frame = tagged(frame)
    assert isinstance(route(frame, source, us=us, change=change), SendTo | Deliver)
    assert int.from_bytes(frame[56 + tag : 58 + tag], "big") == 1397 - tag


@pytest.mark.parametrize("target", ["a", "b", "c", "d", NOBODY, EVERYBODY])
@pytest.mark.parametrize(("us", "source"), [("a", "a"), ("b", "a"), ("b", "c")])
def test_a_hub_repeats_everything(us: str, source: str, target: str) -> None:
    frame = between("a", target)
    verdict = route(frame, source, us=us, mode=Mode.HUB)
    assert isinstance(verdict, SendToAll)
    assert verdict.frame is frame


@pytest.mark.parametrize(
    ("frame", "source", "severity", "text"),
    [
        (between("a", "b")[:13], "b", "WARNING", "Got too short packet from b"),
        (between("b", "b"), "b", "WARNING", "Packet looping back to b"),
        (
            between("a", "b", ipv4("192.168.1.1", "192.168.2.1", echo(1438))),
            "a",
            "INFO",
            "Packet for b (10.99.1.2 port 655) length 1472 larger than MTU 1451",
        ),
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
        route(frame, source, change=path(1451))
    ((name, level, message),) = (
        (r.name, r.levelname, r.getMessage()) for r in caplog.records
    )
    assert (name, level) == ("tincd.traffic", severity)
    assert message.startswith(text)


TYPES = st.sampled_from(["0800", "86dd", "0806", "8100", "88b5", "0000"])
TARGETS = st.sampled_from([*STATIONS.values(), NOBODY, EVERYBODY])


@given(
    st.binary(max_size=120) | st.binary(min_size=600, max_size=1600),
    st.lists(TYPES, max_size=2),
    TARGETS,
    st.sampled_from("abd"),
    st.sampled_from([Mode.SWITCH, Mode.HUB]),
    st.booleans(),
    st.sampled_from([0, 60, 600, 1518]),
)
def test_any_frame(
    data: bytes,
    kinds: list[str],
    target: str,
    source: str,
    mode: Mode,
    careful: bool,
    mtu: int,
) -> None:
    frame = bytearray(data)
    if len(frame) >= 20:
        frame[0:6] = bytes.fromhex(target)
        for place, kind in zip((12, 16), kinds, strict=False):
            frame[place : place + 2] = bytes.fromhex(kind)
    before = bytes(frame)
    verdict = route(
        frame,
        source,
        mode=mode,
        decrement_ttl=careful,
        priority_inheritance=careful,
        change=path(mtu),
    )
    if isinstance(verdict, Discard) and not careful:
        assert frame == before
