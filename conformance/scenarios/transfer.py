"""100 MB each way through one TCP connection, compared by checksum."""

from __future__ import annotations

from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

_MEGABYTES = 100


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement)
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    transfer(lab, mesh["a"], mesh["b"], _MEGABYTES)
    transfer(lab, mesh["b"], mesh["a"], _MEGABYTES)


SCENARIO = Scenario(
    name="transfer",
    summary="100 MB each way, SHA-256 equal",
    placements=TWO,
    play=play,
    limit=240,
    seconds=25,
)
