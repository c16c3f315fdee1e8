"""A second connection of a node that is connected already: the later one wins."""

from __future__ import annotations

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, say

_ONE_AFTER_ANOTHER = 5
_SECOND = r"^Established a second connection with member \(.+\), closing old connection"


def play(lab: Lab, placement: Placement) -> None:
    kind_hub, kind_witness = placement
    plans = [
        Plan(name="hub", kind=kind_hub),
        Plan(name="witness", kind=kind_witness, connect_to=("hub",)),
        Plan(name="member", kind=kind_witness),
    ]
    mesh = Mesh(lab, plans)
    hub, witness, _ = mesh
    for node in (hub, witness):
        node.start()
    witness.wait_reachable("hub")
    mark = witness.log.mark()
    steady = SteadyPing(lab, witness, hub.address, count=2000, interval=0.02)
    target = calling(lab, mesh, "hub", "member")

    member = Member(target, "member")
    member.connect()
    member.introduce(weight=5)
    member.own("172.30.3.0/24")
    witness.wait_reachable("member")
    for weight in range(10, 10 + _ONE_AFTER_ANOTHER):
        later = Member(target, "member", weight=weight)
        _replace(hub, member, later)
        later.introduce(weight)
        later.settle()
        member = later
    _expect_weight(hub, weight)
    witness.wait_row("member", "reachable", lambda row: row.reachable, SOON)
    _expect_weight(witness, weight)
    told = witness.log.has(r"^Got DEL_EDGE from hub", mark)
    expect(not told, "the witness was told of the old connection's end")
    member.close()
    witness.log.wait(r"^Got DEL_EDGE from hub", 5, mark)

    result = steady.finish()
    say(f"          steady ping: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)


def _replace(hub: TincNode, old: Member, later: Member) -> None:
    """The old connection is really closed, and nothing of it is left."""
    mark = hub.log.mark()
    later.connect()
    hub.log.wait(_SECOND, 5, mark)
    later.wait("the old one closed", lambda: _ended(old), SOON)
    # The edge back to the hub is known already, so the key comes without a request.
    later.wait_line(r"16 hub member [0-9A-F]{96} 427 672 4 0")
    peers = [row.name for row in hub.dump().connections]
    expect_equal("connections of the hub", sorted(peers), ["member", "witness"])
    old.close()


def _ended(old: Member) -> bool:
    old.turn()
    return old.ended


def _expect_weight(node: TincNode, weight: int) -> None:
    edges = node.dump().edges
    found = [each.weight for each in edges if each.source == "member"]
    expect_equal(f"weights of the member's edges at {node.name}", found, [weight])


SCENARIO = Scenario(
    name="duplicates",
    summary="a second connection of the same node replaces the first",
    placements=TWO,
    play=play,
    seconds=3,
)
