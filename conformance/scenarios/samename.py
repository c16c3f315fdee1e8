"""Two machines with one name, a clone of the other: the rest of the mesh lives on."""

from __future__ import annotations

import shutil

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

#: C twins number their messages alike, and a C hub takes those of one for those of the
#: other until they are older than PingInterval.
_SERVER = ("PingInterval = 5", "PingTimeout = 3")
_FLIPS = 4
_SECOND = r"^Established a second connection with twin \("


def play(lab: Lab, placement: Placement) -> None:
    kind_hub, kind_twins = placement
    plans = [
        Plan(name="hub", kind=kind_hub, server=_SERVER),
        Plan(name="witness", kind=Kind.C, server=_SERVER, connect_to=("hub",)),
        Plan(name="twin", kind=kind_twins, server=_SERVER, connect_to=("hub",)),
        Plan(name="clone", kind=kind_twins),
    ]
    mesh = Mesh(lab, plans)
    hub, witness, twin, clone = mesh
    shutil.copytree(twin.etc, clone.etc, dirs_exist_ok=True)
    for node in (hub, witness):
        node.start()
    witness.wait_reachable("hub")
    mark = witness.log.mark()
    steady = SteadyPing(lab, witness, hub.address, count=9000, interval=0.02)

    twin.start()
    wait_ping(witness, twin.address)
    clone.start()
    wait_for(
        f"the twins drove each other out {_FLIPS} times",
        lambda: hub.log.count(_SECOND) >= _FLIPS and _at_most_one(hub),
        limit=60,
        every=0.3,
    )
    say("  the clone goes")
    clone.stop()
    twin.wait_reachable("hub", "witness")
    # The witness has heard of no node that went, and for half a minute goes on sending
    # to the clone's address; who is linked to the twin knows better.
    wait_ping(hub, twin.address)
    wait_ping(twin, hub.address)

    result = steady.finish()
    say(f"          steady ping: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)
    expect(not witness.log.has(r"^Closing connection", mark), "the witness was cut off")


def _at_most_one(hub: TincNode) -> bool:
    twins = hub.dump().peers().count("twin")
    expect(twins <= 1, f"the hub has {twins} connections with twin")
    return True


SCENARIO = Scenario(
    name="samename",
    summary="two machines of one name: the rest of the mesh lives on",
    placements=TWO,
    play=play,
)
