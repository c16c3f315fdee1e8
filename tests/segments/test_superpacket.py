"""Super-packets on their way through the pipeline."""

from __future__ import annotations

import logging

import pytest

from tests.segments.samples import PAYLOAD, Segment, cut
from tests.tunnel.world import DEFAULT, World, neighbours, sized
from tincd_compat.mesh.node import Node
from tincd_compat.options import TCPONLY
from tincd_compat.routing.verdicts import Verdict
from tincd_compat.segments.superpacket import MAX_SMALL_CUTS, SMALL
from tincd_compat.tunnel.delivery import DeliveryPolicy

#: From our network to that of b.
PIECE = Segment(payload=PAYLOAD[:3001], source=0x101, target=0x201)

#: Payload and number of segments, and whether a sender may have cut so.
CUTS = [
    (1, MAX_SMALL_CUTS, True),
    (1, MAX_SMALL_CUTS + 1, False),
    (SMALL - 1, MAX_SMALL_CUTS + 1, False),
    (SMALL, MAX_SMALL_CUTS + 1, True),
]


def count_routes(world: World, monkeypatch: pytest.MonkeyPatch) -> list[bytearray]:
    """Return what will hold every frame that the rules of routing see."""
    calls: list[bytearray] = []
    route = world.pipeline._router.route

    def counted(frame: bytearray, source: Node, now: float) -> Verdict:
        calls.append(frame)
        return route(frame, source, now)

    monkeypatch.setattr(world.pipeline._router, "route", counted)
    return calls


def test_a_super_packet_leaves_as_one_train() -> None:
    world = neighbours("b")
    piece = PIECE.piece(1000)
    world.pipeline.from_device([piece], world.now)
    assert world.received("b") == [segment.frame() for segment in cut(PIECE, 1000)]
    assert [len(train) for _, train in world.ports.trains] == [4]


def test_super_packets_keep_their_place_among_frames() -> None:
    world = neighbours("b")
    one, other = sized(100), sized(101)
    world.pipeline.from_device([one, PIECE.piece(1000), other], world.now)
    segments = [segment.frame() for segment in cut(PIECE, 1000)]
    assert world.received("b") == [one, *segments, other]


def test_segments_are_measured_not_the_super_packet() -> None:
    world = neighbours("b")
    world.proved("b", 1054)
    world.pipeline.from_device([PIECE.piece(1000)], world.now)
    assert len(world.received("b")) == 4
    # One byte more is for the rules of routing to judge, segment by segment.
    world.pipeline.from_device([PIECE.piece(1001)], world.now)
    assert len(world.received("b")) == 5
    assert len(world.ports.delivered) == 2
    for error in world.ports.delivered:
        assert error[34:36] == b"\3\4"


@pytest.mark.parametrize(("size", "routed"), [(1000, 0), (1001, 3)])
def test_segments_go_over_tcp_in_one_go(
    size: int, routed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(DeliveryPolicy(options=DEFAULT | TCPONLY))
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.proved("b", 1054)
    calls = count_routes(world, monkeypatch)
    world.pipeline.from_device([PIECE.piece(size)], world.now)
    # One byte more than the path's MTU is for the rules of routing to judge.
    assert len(calls) == routed
    segments = [segment.frame() for segment in cut(PIECE, size)]
    fitting = [("b", frame) for frame in segments if len(frame) <= 1054]
    assert world.ports.packets == fitting


@pytest.mark.parametrize("debug", [False, True])
def test_segments_without_a_flow_are_routed_one_by_one(
    debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = neighbours("b")
    world.tunnel(world.node("b")).void_peer_key()
    with caplog.at_level(logging.DEBUG if debug else logging.ERROR, "tincd"):
        world.pipeline.from_device([PIECE.piece(1000)], world.now)
    segments = [segment.frame() for segment in cut(PIECE, 1000)]
    assert world.ports.packets == [("b", frame) for frame in segments]


DROPS = {
    "unknown destination": (0x101, 0x909),
    "looping back": (0x101, 0x102),
    "unreachable": (0x101, 0x301),
}


@pytest.mark.parametrize("reason", DROPS)
def test_one_verdict_is_enough_for_what_all_segments_say(
    reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = DROPS[reason]
    whole = Segment(payload=PAYLOAD[: 300 * SMALL], source=source, target=target)
    outcomes = []
    for level in (logging.ERROR, logging.DEBUG):
        world = neighbours("b", "c")
        world.unlink("a", "c")
        calls = count_routes(world, monkeypatch)
        with caplog.at_level(level, "tincd"):
            world.pipeline.from_device([whole.piece(SMALL), sized(100)], world.now)
        outcomes.append((world.pipeline.drops, world.ports.delivered))
        # Each packet has its line where single packets are logged.
        assert len(calls) == 301 if level == logging.DEBUG else len(calls) <= 4
    assert outcomes[0] == outcomes[1]
    assert world.pipeline.drops == {reason: 300}
    assert len(world.received("b")) == 1


@pytest.mark.parametrize(("size", "count", "sent"), CUTS)
def test_what_no_sender_cuts_so_finely_goes_nowhere(
    size: int, count: int, sent: bool
) -> None:
    world = neighbours("b")
    payload = PAYLOAD[: size * count]
    piece = Segment(payload=payload, source=0x101, target=0x201).piece(size)
    world.pipeline.from_device([piece], world.now)
    assert len(world.received("b")) == (count if sent else 0)
    assert world.pipeline.drops == ({} if sent else {"broken super-packet": 1})


def test_a_super_packet_that_is_none_goes_nowhere() -> None:
    world = neighbours("b")
    piece = PIECE.piece(1000)._replace(kind=9)
    world.pipeline.from_device([piece], world.now)
    assert world.ports.trains == []
    assert world.pipeline.drops == {"broken super-packet": 1}
