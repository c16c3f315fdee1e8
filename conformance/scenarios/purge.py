"""WINCH forgets what is unreachable, and tells the others; so does the last link."""

from __future__ import annotations

import signal

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import Dump
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.scenario import Scenario


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    mesh.start()
    mesh.wait_reachable()
    c.stop()
    for node in (a, b):
        node.wait_unreachable("c")
    steady = SteadyPing(lab, a, b.address, count=2000, interval=0.02)
    expect("c" in _owners(b), "b has forgotten c's subnets without being told to")

    mark = a.log.mark()
    b.signal(signal.SIGWINCH)
    b.log.wait(r"^Purging unreachable nodes$", 5)
    _wait_forgotten(b, node=True)
    a.log.wait(r"^Got DEL_SUBNET from b ", 5, mark)
    # The nodes themselves are everybody's own business.
    _wait_forgotten(a, node=False)
    expect_equal("nodes of a", set(a.dump().nodes), {"a", "b", "c"})
    a.signal(signal.SIGWINCH)
    _wait_forgotten(a, node=True)
    expect_equal("pings lost meanwhile", steady.finish().lost, 0)

    c.start()
    mesh.wait_reachable()
    b.kill()
    for node in (a, c):
        node.wait_unreachable("b")
        node.wait_dump("nothing but itself", _is_alone, 10)
    b.start()
    mesh.wait_reachable()


def _owners(node: TincNode) -> set[str]:
    return {row.owner for row in node.dump().subnets}


def _wait_forgotten(keeper: TincNode, *, node: bool) -> None:
    def forgotten(dump: Dump) -> bool:
        if "c" in {row.owner for row in dump.subnets}:
            return False
        return not node or "c" not in dump.nodes

    keeper.wait_dump(f"no {'node' if node else 'subnets of'} c", forgotten, 5)


def _is_alone(dump: Dump) -> bool:
    owners = {row.owner for row in dump.subnets}
    return len(dump.nodes) == 1 and set(dump.nodes) == owners and not dump.edges


SCENARIO = Scenario(
    name="purge",
    summary="unreachable nodes are forgotten on WINCH and with the last link",
    placements=THREE,
    play=play,
)
