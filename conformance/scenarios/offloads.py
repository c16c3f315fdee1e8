"""One end with every offload switched off, the other with all that its kernel has."""

from __future__ import annotations

import os
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

#: C passes over what it does not know.
_OFF: Final = ("UDPGSO = no", "UDPGRO = no", "TunTSO = no", "TunGRO = no")
_MEGABYTES: Final = 10


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_OFF),
        Plan(name="b", kind=kind_b),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    a, b = mesh
    mesh.wait_pmtu()
    if kind_a is Kind.OURS:
        expect(a.log.has(r"offloads in use: none$"), "a uses no offload")
    # The whole suite may run with the switches in the environment, for every node.
    everywhere = any(name.startswith("TINCD_COMPAT_NO_") for name in os.environ)
    if kind_b is Kind.OURS and not everywhere:
        expect(b.log.has(r"offloads in use: UDP segmentation, "), "b uses offloads")
    expect_ping(a, b.address, count=5, size=1300)
    expect_ping(b, a.address6, count=5, size=1300)
    transfer(lab, a, b, _MEGABYTES)
    transfer(lab, b, a, _MEGABYTES)


SCENARIO = Scenario(
    name="offloads",
    summary="UDPGSO, UDPGRO, TunTSO and TunGRO switched off at one end",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS)),
    play=play,
)
