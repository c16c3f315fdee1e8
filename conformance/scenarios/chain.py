"""A - B - C: A and C exchange keys through B, then talk directly over UDP.

C looks for the path MTU once a second, by sizes that it draws by lot: that is what a
case waits for, five to fifteen seconds and never more than thirty.
"""

from __future__ import annotations

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario

_COUNT = 20
_SIZE = 700


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    a, b, c = mesh
    # Keys are asked for by the first packet only.
    wait_ping(a, c.address)
    a.wait_pmtu("c")
    c.wait_pmtu("a")
    row = a.dump().nodes["c"]
    expect_equal("the way of a to c (nexthop, via)", (row.nexthop, row.via), ("b", "c"))
    expect_equal("connections of a", a.dump().peers(), ["b"])
    capture = lab.capture(a, "udp or tcp")
    sent = expect_ping(a, c.address, count=_COUNT, size=_SIZE).sent
    capture.stop()
    direct = capture.pings(_SIZE, f"host {c.outer[0]}")
    expect_between("datagrams directly between a and c", direct, 2 * sent, 99)
    relayed = capture.pings(_SIZE, f"host {b.outer[0]}")
    expect_equal("datagrams by way of b", relayed, 0)
    carried = capture.count(f"tcp and greater {_SIZE}")
    expect_equal("large segments to b", carried, 0)


SCENARIO = Scenario(
    name="chain",
    summary="keys through the middle, then direct UDP",
    placements=THREE,
    play=play,
)
