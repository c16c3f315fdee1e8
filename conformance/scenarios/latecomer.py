"""A node joins a large mesh that changes meanwhile; then both know the same.

The hub tells it of what it has known before the link, and of what it hears meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from conformance.harness.announce import PaperMesh, Size, edge_line
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for

#: Nothing of it can be reached, and there are few edges: C walks along them for each
#: that changes.
_SIZE: Final = Size(100, 400, 8000)
_SEED: Final = 655
#: The hub has work with them for a second.
_CHANGES: Final = 20_000
_OF_EDGES: Final = 0.02
_LIMIT: Final = 60.0


def play(lab: Lab, placement: Placement) -> None:
    kind_hub, kind_late = placement
    plans = [
        Plan(name="hub", kind=kind_hub, debug=1),
        Plan(name="late", kind=kind_late, connect_to=("hub",), debug=1),
        Plan(name="member", kind=kind_late),
    ]
    mesh = Mesh(lab, plans)
    hub, late, _ = mesh
    hub.start()
    member = Member(calling(lab, mesh, "hub", "member"), "member")
    member.connect()
    member.introduce()
    member.say(PaperMesh("n00000", _SIZE, _SEED).lines())
    member.settle(_LIMIT)
    member.say(_changes())
    late.start(wait=False)
    member.settle(_LIMIT)
    late.wait_ready()
    late.wait_reachable("hub", limit=_LIMIT)
    wait_for("both know the same", lambda: _known(hub) == _known(late), _LIMIT)
    expect_ping(late, hub.address)
    member.close()


def _changes() -> Iterator[bytes]:
    """Take away and give what the mesh consists of."""
    draw = random.Random(_SEED)
    for nonce in range(1 << 24, (1 << 24) + _CHANGES):
        ends = draw.sample(range(_SIZE.nodes), 2)
        first, second = (f"n{number:05d}" for number in ends)
        net = f"172.16.{draw.randrange(8)}.{draw.randrange(256)}/32"
        add = f"10 {nonce:x} {first} {net}".encode()
        delete = f"11 {nonce:x} {first} {net}".encode()
        if draw.random() < _OF_EDGES:
            add = edge_line(nonce, first, second, ends[1], draw.randrange(9))
            delete = f"13 {nonce:x} {first} {second}".encode()
        yield draw.choice((add, delete))


def _known(node: TincNode) -> tuple[set[object], set[object]]:
    """Return all edges and subnets that a node knows."""
    dump = node.dump()
    return set(dump.edges), set(dump.subnets)


SCENARIO = Scenario(
    name="latecomer",
    summary="a node joins a large mesh that changes meanwhile",
    placements=TWO,
    play=play,
    seconds=10,
)
