"""100 MB each way through one TCP connection, compared by checksum."""

from __future__ import annotations

from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import transfer
from conformance.harness.scenario import Scenario

_MEGABYTES = 100


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    mesh["a"].wait_pmtu("b")
    mesh["b"].wait_pmtu("a")
    transfer(lab, mesh["a"], mesh["b"], _MEGABYTES)
    transfer(lab, mesh["b"], mesh["a"], _MEGABYTES)


SCENARIO = Scenario(
    name="transfer",
    summary="100 MB each way, SHA-256 equal",
    placements=TWO,
    play=play,
    limit=240,
)
