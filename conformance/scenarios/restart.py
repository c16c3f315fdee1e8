"""kill -9 and a new start: traffic resumes, and the survivor's tables are right.

What C has heard it does not take again until PingInterval is over: two of C wait for
that after each crash.
"""

from __future__ import annotations

from signal import SIGALRM

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, pair
from conformance.harness.probes import expect_no_ping, expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import holds, say

_SERVER = ("PingInterval = 3", "PingTimeout = 2")
#: Seconds for which a C survivor swallows what a restarted C repeats: PingInterval, up
#: to the next tick.  Ours is not waited for.
_MEMORY = 3 + 2 + 0.5
_BACK_LIMIT = 20.0


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement, server=_SERVER)
    mesh.start()
    mesh.wait_reachable()
    expect_ping(mesh["a"], mesh["b"].address, count=5)
    for _ in range(2):
        _crash(mesh, survivor=mesh["a"], victim=mesh["b"])
        _crash(mesh, survivor=mesh["b"], victim=mesh["a"])


def _crash(mesh: Mesh, *, survivor: TincNode, victim: TincNode) -> None:
    say(f"  {victim.name} is killed")
    victim.kill()
    survivor.wait_unreachable(victim.name, limit=10)
    _expect_tables(mesh, survivor, alone=True)
    expect_no_ping(survivor, victim.address)
    if (survivor.kind, victim.kind) == (Kind.C, Kind.C):
        holds("the survivor forgets", lambda: survivor.alive, _MEMORY)
    victim.start()
    # Whoever dials need not wait for the end of a pause that has grown.
    survivor.signal(SIGALRM)
    mesh.wait_reachable()
    wait_ping(survivor, victim.address, _BACK_LIMIT)
    expect_ping(victim, survivor.address, count=10)
    for node in mesh:
        _expect_tables(mesh, node, alone=False)


def _expect_tables(mesh: Mesh, node: TincNode, *, alone: bool) -> None:
    dump = node.dump()
    others = [other.name for other in mesh if other is not node]
    expect_equal(f"connections of {node.name}", dump.peers(), [] if alone else others)
    reachable = sorted(row.name for row in dump.nodes.values() if row.reachable)
    wanted = [node.name] if alone else sorted([node.name, *others])
    expect_equal(f"nodes that {node.name} reaches", reachable, wanted)
    edges = set() if alone else {("a", "b"), ("b", "a")}
    expect_equal(f"edges of {node.name}", dump.edge_names(), edges)
    owners = {row.owner for row in dump.subnets}
    expect_equal(f"owners of subnets of {node.name}", owners, set(wanted))


SCENARIO = Scenario(
    name="restart",
    summary="kill -9 of either side, twice, and traffic resumes",
    placements=TWO,
    play=play,
    seconds=25,
)
