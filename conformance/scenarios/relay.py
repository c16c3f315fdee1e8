"""UDP between A and C is blocked: what they exchange goes through B.

The way back is found after PingInterval, and the path MTU by one probe a second: these
timers of C's are what a case waits for.
"""

from __future__ import annotations

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

_COUNT = 20
_SIZE = 700
#: Short, so that the way back to direct UDP is found within seconds.
_SERVER = ("PingInterval = 4", "PingTimeout = 3")


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_SERVER),
        Plan(name="b", kind=kind_b, server=_SERVER),
        Plan(name="c", kind=kind_c, connect_to=("b",), server=_SERVER),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    lab.firewall(a).block_udp(c.outer[0])
    mesh.start()
    mesh.wait_reachable()
    for node in (a, c):
        node.wait_pmtu("b")
        b.wait_pmtu(node.name)
    wait_ping(a, c.address)
    _pings_pass_through(lab, mesh)
    transfer(lab, a, c, 5)
    lab.firewall(a).clear()
    a.wait_pmtu("c")
    c.wait_pmtu("a")
    expect_ping(a, c.address, count=_COUNT, size=_SIZE)


def _pings_pass_through(lab: Lab, mesh: Mesh) -> None:
    a, b, c = mesh
    capture = lab.capture(b, "udp or tcp")
    sent = expect_ping(a, c.address, count=_COUNT, size=_SIZE).sent
    capture.stop()
    expect_equal("UDP to c proved by a", a.dump().nodes["c"].minmtu, 0)
    for node in (a, c):
        passed = capture.pings(_SIZE, f"host {node.outer[0]}")
        what = f"datagrams between b and {node.name}"
        expect_between(what, passed, 2 * sent, 2 * _COUNT + 4)


SCENARIO = Scenario(
    name="relay",
    summary="direct UDP blocked: by way of the middle, and direct again afterwards",
    placements=THREE,
    play=play,
    seconds=20,
)
