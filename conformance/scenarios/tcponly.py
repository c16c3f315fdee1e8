"""TCPOnly on one side: everything rides the meta connection, no datagram at all."""

from __future__ import annotations

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

_INDIRECT_AND_TCPONLY = 0x3


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=("TCPOnly = yes",)),
        Plan(name="b", kind=kind_b),
    ]
    mesh = Mesh(lab, plans)
    capture = lab.capture(mesh["b"], "port 655")
    mesh.start()
    mesh.wait_reachable()
    for size in (56, 1400):
        expect_ping(mesh["a"], mesh["b"].address, count=20, size=size)
    transfer(lab, mesh["a"], mesh["b"], 5)
    transfer(lab, mesh["b"], mesh["a"], 5)
    capture.stop()
    expect_equal("datagrams on the wire", capture.count("udp"), 0)
    for row in mesh["b"].dump().edges:
        what = f"edge {row.source} to {row.target} is marked TCPOnly"
        expect(row.options & 0x3 == _INDIRECT_AND_TCPONLY, what)


SCENARIO = Scenario(
    name="tcponly",
    summary="no datagram at all, everything over the meta connection",
    placements=TWO,
    play=play,
)
