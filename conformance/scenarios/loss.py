"""A bad cable: every ping that is lost was lost on the cable, and none comes twice."""

from __future__ import annotations

from typing import Final, NamedTuple

from conformance.harness.cable import Cable, Fate, Faults
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.probes import expect_no_ping, expect_ping, ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_SEED: Final = 292
_COUNT: Final = 150
_INTERVAL: Final = 0.01
#: Verdicts about single packets are logged from here on.
_DEBUG: Final = 5
_LATE: Final = r"^Got late or replayed packet from "
_DAMAGED: Final = r"^Got unauthenticated packet from "


class Row(NamedTuple):
    title: str
    faults: Faults


_EVERYTHING: Final = Faults(
    loss=0.05, duplicate=0.3, corrupt=0.1, reorder=0.25, delay=0.1, jitter=0.05
)
_ROWS: Final = (
    Row("5 % lost", Faults(loss=0.05)),
    Row("30 % lost", Faults(loss=0.3)),
    Row("100 ms more or less 50", Faults(delay=0.1, jitter=0.05)),
    Row("25 % out of order", Faults(reorder=0.25)),
    Row("30 % doubled", Faults(duplicate=0.3)),
    Row("10 % damaged", Faults(corrupt=0.1)),
    Row("all of it", _EVERYTHING),
)


def play(lab: Lab, placement: Placement) -> None:
    cable = lab.cable(seed=_SEED)
    lans = {"a": [cable], "b": [cable]}
    mesh = pair(lab, placement, debug=_DEBUG, lans=lans)
    cable.start()
    mesh.start()
    mesh.wait_reachable()
    a, b = mesh
    mesh.wait_pmtu()
    expect_ping(a, b.address, count=20, interval=_INTERVAL)
    for row in _ROWS:
        _suffer(cable, a, b, row)
    cable.set(Faults(cut=True))
    expect_no_ping(a, b.address)
    cable.set(Faults())
    wait_ping(a, b.address, 10)
    expect_ping(a, b.address, count=20, interval=_INTERVAL)


def _suffer(cable: Cable, a: TincNode, b: TincNode, row: Row) -> None:
    marks = {node: node.log.mark() for node in (a, b)}
    cable.set(row.faults)
    result = ping(a, b.address, count=_COUNT, interval=_INTERVAL)
    fates = cable.set(Faults())
    there, back = fates[1], fates[2]
    say(f"          {row.title}: {result}, cable {dict(there)} and {dict(back)}")
    gone = sum(fate["lost"] + fate["damaged"] for fate in (there, back))
    expect_equal(f"{row.title}: duplicate ping answers", result.duplicates, 0)
    expect(
        result.lost <= gone, f"{row.title}: {result.lost} pings lost by {gone} faults"
    )
    _counted(b, marks[b], there, row)
    _counted(a, marks[a], back, row)


def _counted(node: TincNode, mark: int, fate: Fate, row: Row) -> None:
    """Demand that a node has seen through every copy and every damaged datagram."""
    # A datagram that is doubled after it was damaged is damaged twice.
    least = fate["doubled"] if not row.faults.corrupt else 0

    def seen() -> bool:
        late = node.log.count(_LATE, mark)
        damaged = node.log.count(_DAMAGED, mark)
        both = fate["doubled"] + fate["damaged"]
        return late >= least and damaged >= fate["damaged"] and late + damaged == both

    wait_for(f"{node.name} counts {fate['doubled']} copies", seen, 5)


SCENARIO = Scenario(
    name="loss",
    summary="loss, delay, disorder, copies, damage: no worse than the cable itself",
    placements=(
        (Kind.C, Kind.C),
        (Kind.OURS, Kind.C),
        (Kind.OURS, Kind.OURS),
    ),
    play=play,
    seconds=25,
)
