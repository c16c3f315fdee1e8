"""The work of a burst comes in steps, whatever the frames in it are and become."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.segments.samples import Segment
from tests.tunnel.world import ELSEWHERE, HERE, World, neighbours, sized
from tincd_compat.options import TCPONLY
from tincd_compat.segments.superpacket import MAX_CUTS, SMALL, SuperPacket
from tincd_compat.tunnel.pipeline import STEP, Origin, Work

#: From our network to that of b, in as many segments as there may be.
WHOLE = Segment(payload=bytes(SMALL * MAX_CUTS), source=0x101, target=0x201).piece(
    SMALL
)
#: Fewer than a step.
PART = Segment(payload=bytes(STEP - 1), source=0x101, target=0x201).piece(1)
NEIGHBOURS = "bcdefghijklm"


class Steps:
    """Runs work to its end, and counts what came of each step."""

    def __init__(self) -> None:
        self.world: World
        self.counts: list[int] = []
        self.origins: list[Origin] = []

    def run(self, origin: Origin, work: Work) -> None:
        self.origins.append(origin)
        before = self._total()
        for _ in work:
            # Who comes in between finds nothing that waits for this burst to end.
            assert self.world.pipeline._delivery.load == 0
            before = self._note(before)
        self._note(before)

    def _note(self, before: int) -> int:
        total = self._total()
        self.counts.append(total - before)
        return total

    def _total(self) -> int:
        ports = self.world.ports
        sent = sum(len(train) for _, train in ports.trains)
        dropped = self.world.pipeline.drops.total()
        return sent + dropped + len(ports.delivered) + len(ports.packets)


@pytest.fixture
def steps() -> Steps:
    steps = Steps()
    steps.world = neighbours(*NEIGHBOURS, run=steps.run)
    steps.world.link("b", "n")
    steps.world.subnet("n", "10.0.14.0/24")
    steps.world.node("n").via = None
    return steps


def read(*frames: bytearray | SuperPacket) -> Callable[[World], None]:
    return lambda world: world.pipeline.from_device(frames, world.now)


def elsewhere(packet: SuperPacket, *target: int) -> SuperPacket:
    frame = bytearray(packet.frame)
    frame[30:34] = target
    return packet._replace(frame=frame)


def over_tcp(*frames: SuperPacket) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.node("b").options |= TCPONLY
        read(*frames)(world)

    return happen


def without_a_key(world: World) -> None:
    world.tunnel(world.node("b")).void_peer_key()
    read(WHOLE)(world)


def in_fragments(world: World) -> None:
    world.proved("b", 600)
    read(*(sized(1400) for _ in range(STEP)))(world)


def received(world: World) -> None:
    world.from_peer("b", *(sized(60, HERE) for _ in range(300)))


def relayed(world: World) -> None:
    world.from_peer("b", *(sized(60, "10.0.3.1") for _ in range(300)))


def opened(world: World) -> None:
    frames = [bytes(sized(60, "10.9.9.9")) for _ in range(300)]
    world.pipeline.from_tunnel(world.node("b"), frames, 0, world.now)


def opened_for_all(world: World) -> None:
    frames = [bytes(sized(60, "224.0.0.1")) for _ in range(STEP)]
    world.pipeline.from_tunnel(world.node("b"), frames, 0, world.now)


#: What happens, how many packets come of it, and of one of them.
CASES = {
    "plain segments": (read(WHOLE), MAX_CUTS, 1),
    "segments over TCP": (over_tcp(WHOLE), MAX_CUTS, 1),
    "many super-packets": (read(*[PART] * 9), 9 * (STEP - 1), STEP),
    "many over TCP": (over_tcp(*[PART] * 9), 9 * (STEP - 1), STEP),
    "segments without a key": (without_a_key, MAX_CUTS, 1),
    "segments for all": (
        read(elsewhere(WHOLE, 224, 0, 0, 1)),
        MAX_CUTS * len(NEIGHBOURS),
        len(NEIGHBOURS),
    ),
    "many without a way": (
        read(*[elsewhere(PART, 10, 0, 14, 1)] * 9),
        9 * (STEP - 1),
        STEP,
    ),
    "plain frames": (read(*(sized(60) for _ in range(300))), 300, 1),
    "frames for all": (
        read(*(sized(60, "224.0.0.1") for _ in range(STEP))),
        STEP * len(NEIGHBOURS),
        len(NEIGHBOURS),
    ),
    "fragments": (in_fragments, STEP * 3, 3),
    "datagrams": (received, 300, 1),
    "datagrams to pass on": (relayed, 300, 1),
    "junk": (lambda world: world.from_udp([bytes(1)] * 300, ELSEWHERE), 300, 1),
    "empty datagrams": (lambda world: world.from_udp([b""] * 300, ELSEWHERE), 300, 1),
    "opened frames": (opened, 300, 1),
    "opened frames for all": (
        opened_for_all,
        STEP * len(NEIGHBOURS),
        len(NEIGHBOURS),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_step_is_long(
    case: tuple[Callable[[World], None], int, int], steps: Steps
) -> None:
    happen, total, of_one = case
    happen(steps.world)
    # Errors that are sent are counted beside the packets that they are about.
    assert total <= sum(steps.counts) <= total + 3
    assert max(steps.counts) <= STEP + of_one + 3


def test_origins_are_told_apart(steps: Steps) -> None:
    world = steps.world
    world.from_device(sized(60))
    world.from_udp([b"junk"], ELSEWHERE, 1)
    world.pipeline.from_tunnel(world.node("b"), [], 2, world.now)
    assert steps.origins == [None, 1, 2]


def test_trains_are_full_nevertheless(steps: Steps) -> None:
    read(WHOLE)(steps.world)
    assert {len(train) for _, train in steps.world.ports.trains} == {STEP}


def test_what_is_left_of_a_node_that_is_gone_goes_with_it() -> None:
    works: list[Work] = []
    world = neighbours(*NEIGHBOURS, run=lambda _, work: works.append(work))
    opened_for_all(world)
    (work,) = works
    next(work)
    world.unlink("a", "b")
    world.mesh.remove_node(world.node("b"))
    before = len(world.ports.trains)
    assert list(work) == []
    assert len(world.ports.trains) == before
