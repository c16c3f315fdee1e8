"""Either side dials the other, then both at once."""

from __future__ import annotations

from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_no_ping, expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import holds, say

#: Each later ACK replaces the earlier connection, so two diallers may kill each other's
#: links a few times before one stays.
_SETTLE_LIMIT = 60.0


def play(lab: Lab, placement: Placement) -> None:
    _one_dials(lab, placement, "out", dialler="a")
    _one_dials(lab, placement, "in", dialler="b")
    _both_dial(lab, placement)


def _one_dials(lab: Lab, placement: Placement, part: str, dialler: str) -> None:
    say(f"  {dialler} dials")
    mesh = _mesh(lab, placement, part, diallers=(dialler,))
    caller = mesh[dialler]
    called = mesh["b" if dialler == "a" else "a"]
    called.start()
    expect_no_ping(called, caller.address)
    caller.start()
    mesh.wait_reachable()
    expect_ping(caller, called.address, count=5)
    for node in mesh:
        node.wait_connected([other.name for other in mesh if other is not node], 5)
    mesh.stop()


def _both_dial(lab: Lab, placement: Placement) -> None:
    say("  both dial")
    mesh = _mesh(lab, placement, "both", diallers=("a", "b"))
    mesh.start()
    mesh.wait_reachable()
    mesh["a"].wait_connected(["b"], _SETTLE_LIMIT)
    mesh["b"].wait_connected(["a"], _SETTLE_LIMIT)
    expect_ping(mesh["a"], mesh["b"].address, count=5)
    holds(
        "one connection each",
        lambda: mesh["a"].dump().peers() == ["b"] and mesh["b"].dump().peers() == ["a"],
        seconds=2,
        every=0.3,
    )
    mesh.stop()


def _mesh(lab: Lab, placement: Placement, part: str, diallers: tuple[str, ...]) -> Mesh:
    plans = [
        Plan(
            name=name,
            kind=kind,
            connect_to=(other,) if name in diallers else (),
        )
        for name, other, kind in zip("ab", "ba", placement, strict=True)
    ]
    return Mesh(lab, plans, part=part)


SCENARIO = Scenario(
    name="dial",
    summary="either side dials, then both at once",
    placements=TWO,
    play=play,
)
