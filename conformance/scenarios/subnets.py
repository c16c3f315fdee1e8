"""Overlapping subnets: longest prefix, then weight, then whoever is still there."""

from __future__ import annotations

from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import serve_name, wait_name
from conformance.harness.waits import say

_SPECIFIC = "10.50.1.1"
_GENERAL = "10.50.2.1"

_BOTH_ADDRESSES = tuple(
    f'ip addr add {address}/32 dev "$INTERFACE"' for address in (_SPECIFIC, _GENERAL)
)


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(
            name="a",
            kind=kind_a,
            connect_to=("b", "c"),
            up=('ip route add 10.50.0.0/16 dev "$INTERFACE"',),
        ),
        Plan(
            name="b",
            kind=kind_b,
            subnets=("172.30.2.0/24", "10.50.0.0/16#5"),
            up=_BOTH_ADDRESSES,
        ),
        Plan(
            name="c",
            kind=kind_c,
            subnets=("172.30.3.0/24", "10.50.0.0/16", "10.50.1.0/24#50"),
            up=_BOTH_ADDRESSES,
        ),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    mesh.start()
    mesh.wait_reachable()
    for node in (b, c):
        serve_name(lab, node)
    wait_name(a, _GENERAL, "b", why="lower weight")
    wait_name(a, _SPECIFIC, "c", why="longer prefix")
    say("  b stops")
    b.stop()
    wait_name(a, _GENERAL, "c", why="the only owner left")
    b.start()
    a.wait_reachable("b")
    wait_name(a, _GENERAL, "b", why="back again")
    say("  c is killed")
    c.kill()
    a.wait_unreachable("c")
    wait_name(a, _SPECIFIC, "b", why="shorter prefix of a living owner")
    c.start()
    a.wait_reachable("c")
    wait_name(a, _SPECIFIC, "c", why="back again")


SCENARIO = Scenario(
    name="subnets",
    summary="overlapping prefixes, weights, and an owner that goes down",
    placements=THREE,
    play=play,
    seconds=5,
)
