"""A node cut off from two others, each of which dials the other two; then healed.

A dead link is found after PingInterval and PingTimeout, for which a case waits.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import Dump
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing, expect_no_ping, expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, say

#: Short, so that a dead link is found within seconds.
_SERVER: Final = ("PingInterval = 2", "PingTimeout = 1")
_FOUND_OUT: Final = 10.0
_HEALED: Final = 20.0


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b", "c"), server=_SERVER),
        Plan(name="b", kind=kind_b, connect_to=("c",), server=_SERVER),
        Plan(name="c", kind=kind_c, server=_SERVER),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    # One after another: of two C daemons that link up while they already reach each
    # other through a third, one can end with an older key that took the longer way.
    c.start()
    b.start()
    b.wait_reachable("c")
    a.start()
    mesh.wait_reachable()
    _wait_whole(mesh)
    expect_ping(a, c.address, count=3)
    steady = SteadyPing(lab, a, b.address, count=9000, interval=0.02)
    for _ in range(2):
        say("  c is cut off")
        firewall = lab.firewall(c)
        firewall.cut(a.outer[0])
        firewall.cut(b.outer[0])
        for node in (a, b):
            node.wait_unreachable("c", _FOUND_OUT)
            c.wait_unreachable(node.name, _FOUND_OUT)
        expect_no_ping(a, c.address)
        for node in (a, b):
            node.wait_dump("no edge of c", _without_c, SOON)
        say("  and joined again")
        firewall.clear()
        mesh.wait_reachable()
        _wait_whole(mesh)
        for node in (a, b):
            expect_ping(c, node.address, count=3)
    result = steady.finish()
    say(f"          steady ping a > b: {result}")
    expect_equal("pings lost between a and b meanwhile", result.lost, 0)
    tables = {node.name: _tables(node) for node in mesh}
    for node in (b, c):
        expect_equal(f"tables of {node.name}", tables[node.name], tables["a"])


def _wait_whole(mesh: Mesh) -> None:
    """Wait until all three know all six edges."""
    names = set(mesh.nodes)
    wanted = {(one, other) for one in names for other in names if one != other}
    for node in mesh:
        node.wait_dump("all edges", lambda dump: dump.edge_names() == wanted, _HEALED)


def _without_c(dump: Dump) -> bool:
    return dump.edge_names() == {("a", "b"), ("b", "a")}


def _tables(node: TincNode) -> object:
    dump = node.dump()
    edges = {(row.source, row.target, row.weight, row.options) for row in dump.edges}
    return edges, dump.owned()


SCENARIO = Scenario(
    name="partition",
    summary="a node is cut off and joined again, twice",
    placements=THREE,
    play=play,
    seconds=15,
)
