"""What operators see: no step of an answer, and none of a look, costs more in a crowd.

Whole answers and looks cost what there is to say, and are made in steps.  A step is
what is done at once, however late it is already; so with twice the entries in a table
the longest turn of the loop runs as many lines as before, where it has room for one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.costs.counting import counting
from tests.costs.crowded import Crowded
from tests.costs.tables import TABLES, Fill
from tincd_compat.daemon import slices, statusline
from tincd_compat.mesh import subnets
from tincd_compat.observe import cuts, detour, paths, problems, rules, steps, tables
from tincd_compat.observe.endpoints import ENDPOINTS
from tincd_compat.transport import httpsession

#: What runs is counted here, and tracing it twice takes long.
pytestmark = pytest.mark.no_cover

Step: TypeAlias = Callable[[Crowded], object]

#: Entries of the smaller table; the other one has twice as many.
SIZE: Final = 32
#: Lines by which a step may differ for another reason than the length of a table.
_FEW_LINES: Final = SIZE // 4


def _line_of_nodes(crowded: Crowded, size: int) -> None:
    names = ["peer", *(f"n{number}" for number in range(size))]
    for ends in pairwise(names):
        crowded.hear(*crowded.both(*ends))


def _lost_island(crowded: Crowded, size: int) -> None:
    """Let nodes be known that hang together, and that nobody is linked with."""
    names = ["lost", *(f"n{number}" for number in range(size))]
    for name in names[1:]:
        crowded.hear(*crowded.both("lost", name))


def _owners_of_one(crowded: Crowded, size: int) -> None:
    names = [f"n{number}" for number in range(size)]
    for name in names:
        crowded.hear(*crowded.both("peer", name))
    crowded.hear(*(crowded.subnet(name, "10.64.0.0/24") for name in names))


def _half_edges(crowded: Crowded, size: int) -> None:
    for number in range(size):
        crowded.hear(crowded.edge("peer", f"n{number}"))


def _flapping(crowded: Crowded, size: int) -> None:
    """Let each of many nodes have come and gone so often that it is a problem."""
    names = [f"n{number}" for number in range(size)]
    for _ in range(rules.FLAPS):
        for name in names:
            crowded.hear(*crowded.both("peer", name))
        for name in names:
            crowded.hear(crowded.no_edge("peer", name))


FILLS: Final[dict[str, Fill]] = {
    **{
        name: TABLES[name]
        for name in (
            *("nodes", "edges of one node", "edges", "subnets of one node", "subnets"),
            *("weights of one network", "unreachable nodes", "keys", "links"),
            *("callers", "own subnets"),
        )
    },
    "a line of nodes": _line_of_nodes,
    "an island": _lost_island,
    "owners of one subnet": _owners_of_one,
    "edges known one way": _half_edges,
    "flapping nodes": _flapping,
}


def _ask(target: str) -> Step:
    return lambda crowded: crowded.control.ask(target)


def _look(crowded: Crowded) -> None:
    """Look as if the graph had been searched, and the time for problems had come."""
    side = crowded.daemon._operators
    side._watcher._runs_seen = side._judge._cuts_runs = -1
    side._watcher._next_look = 0.0
    side._judge._cuts_at = None
    crowded.loop.call(side._watcher._tick)


def _status_line(crowded: Crowded) -> None:
    line = crowded.daemon._status_line
    assert line is not None
    crowded.loop.call(line.update)


STEPS: Final[dict[str, Step]] = {
    **{
        target: _ask(target)
        for target in (
            *("/v1/status", "/v1/nodes", "/v1/nodes?node=n15", "/v1/links"),
            *("/v1/edges", "/v1/subnets", "/v1/events", "/v1/events?node=peer"),
            *("/v1/counters", "/v1/explain?to=n15", "/v1/explain?to=lost"),
            *("/v1/explain?to=10.64.0.1", "/v1/explain?to=10.99.0.1"),
        )
    },
    "a look at all": _look,
    "the status line": _status_line,
}


def _costliest_turn(crowded: Crowded, step: Step) -> int:
    """Return the most lines that run in one turn of the loop."""
    most, turn = 0, crowded.loop.select
    with pytest.MonkeyPatch.context() as patch, counting() as count:

        def select(timeout: float | None) -> list[object]:
            nonlocal most
            most, count.lines = max(most, count.lines), 0
            return turn(timeout)

        patch.setattr(crowded.loop, "select", select)
        step(crowded)
    return max(most, count.lines)


@pytest.fixture
def one_step_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each turn of the loop room for one step, and each step for few entries."""
    monkeypatch.setattr(httpsession, "RECORDS_AT_ONCE", 1)
    monkeypatch.setattr(slices, "SLICE", -1.0)
    for module, name in (
        (statusline, "_AT_ONCE"),
        (subnets, "_AT_ONCE"),
        (steps, "AT_ONCE"),
        (detour, "AT_ONCE"),
        (paths, "FULL_LOOK_RATE"),
        (problems, "LISTED"),
        (cuts, "MOST_CUTS"),
    ):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(tables, "LONGEST_WAY", 4)
    monkeypatch.setattr(tables, "LISTED_SUBNETS", 4)


@pytest.mark.usefixtures("one_step_a_turn")
@pytest.mark.parametrize("table", FILLS)
def test_no_step_is_longer_in_a_crowd(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    for size in (SIZE, 2 * SIZE):
        crowded = Crowded(tmp_path / str(size), monkeypatch)
        FILLS[table](crowded, size)
        crowded.calm_down()
        crowded.loop.advance(10)
        for step in STEPS.values():
            # What was forgotten when nodes came and went is looked up once.
            step(crowded)
        costs.append({n: _costliest_turn(crowded, step) for n, step in STEPS.items()})
        crowded.loop.shut()
    few, many = costs
    grown = {
        name: (few[name], many[name])
        for name in STEPS
        if many[name] > few[name] + _FEW_LINES
    }
    assert grown == {}


def test_every_answer_has_a_row() -> None:
    asked = {name.partition("?")[0] for name in STEPS}
    assert {each.path for each in ENDPOINTS if not each.changes} <= asked
