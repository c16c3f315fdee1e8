"""kill -9 and a start within a second: pings go again within ten seconds.

C draws the same "random" numbers after each start, so what it announces then looks like
what its neighbours have seen already.  There is no placement with C on both sides of
the restarted node's link: C swallows it, and pings fail for as long as PingInterval.
"""

from __future__ import annotations

from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_LIMIT = 10.0
#: Fixed: what C says after a start differs from what it said before by nothing else.
_HOST = ("Weight = 7",)


def play(lab: Lab, placement: Placement) -> None:
    kind_hub, kind_victim, kind_far = placement
    for part, dialler in (("in", "victim"), ("out", "hub")):
        say(f"  {dialler} dials")
        plans = [
            Plan(
                name="hub",
                kind=kind_hub,
                host=_HOST,
                connect_to=("victim",) if dialler == "hub" else (),
            ),
            Plan(
                name="victim",
                kind=kind_victim,
                host=_HOST,
                connect_to=("hub",) if dialler == "victim" else (),
            ),
            Plan(name="far", kind=kind_far, host=_HOST, connect_to=("hub",)),
        ]
        mesh = Mesh(lab, plans, part=part)
        hub, victim, far = mesh
        mesh.start()
        mesh.wait_reachable()
        expect_ping(hub, victim.address, count=3)
        wait_ping(far, victim.address)
        for _ in range(2):
            victim.kill()
            victim.start()
            wait_ping(hub, victim.address, _LIMIT)
            wait_ping(far, victim.address, _LIMIT)
        mesh.stop()


SCENARIO = Scenario(
    name="quick-restart",
    summary="kill -9 and a start within a second: pings go within ten",
    placements=(
        (Kind.OURS, Kind.C, Kind.OURS),
        (Kind.OURS, Kind.C, Kind.C),
        (Kind.C, Kind.OURS, Kind.C),
        (Kind.OURS, Kind.OURS, Kind.OURS),
    ),
    play=play,
)
