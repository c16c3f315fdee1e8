"""Many nodes that come or go in one event: each costs few lines of that one turn.

Who can be reached counts at once.  The rest, the end of tunnels and the look for
scripts, is done in slices, however many nodes there are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.costs.counting import counting
from tests.costs.crowded import Crowded
from tests.costs.tables import TABLES
from tincd_compat.daemon import slices

#: More nodes than are looked at one by one, and twice as many.
FEW: Final = 128
MANY: Final = 2 * FEW
#: Lines that a node may cost in the turn in which it comes or goes, edges and subnet
#: included: forty milliseconds for ten thousand nodes.
MOST: Final = 50


def _no_edge(crowded: Crowded) -> Callable[[], object]:
    return lambda: crowded.hear(crowded.no_edge("peer", "us"))


def _edge_back(crowded: Crowded) -> Callable[[], object]:
    crowded.hear(crowded.no_edge("peer", "us"))
    crowded.calm_down()
    return lambda: crowded.hear(crowded.edge("peer", "us"))


def _hang_up(crowded: Crowded) -> Callable[[], object]:
    return crowded.peer.hang_up


def _come_back(crowded: Crowded) -> Callable[[], object]:
    crowded.peer.hang_up()
    crowded.calm_down()
    crowded.peer = crowded.connect("peer", introduce=False)
    return lambda: crowded.hear(crowded.edge("peer", "us"))


STEPS: Final = {
    "an edge is lost": _no_edge,
    "an edge is back": _edge_back,
    "peer hangs up": _hang_up,
    "peer is back": _come_back,
}


def _fill(crowded: Crowded, size: int) -> None:
    TABLES["keys"](crowded, size)
    names = [f"n{number}" for number in range(size)]
    crowded.hear(*(crowded.subnet(name, f"10.64.0.{int(name[1:])}") for name in names))
    crowded.calm_down()


def _worst_turn(crowded: Crowded, step: Callable[[], object]) -> int:
    """Return the most lines that run in one turn of the loop."""
    worst, turn = 0, crowded.loop.select
    with pytest.MonkeyPatch.context() as patch, counting() as count:

        def select(timeout: float | None) -> list[object]:
            nonlocal worst
            worst, count.lines = max(worst, count.lines), 0
            return turn(timeout)

        patch.setattr(crowded.loop, "select", select)
        # One step of what is sliced, and the loop goes round.
        patch.setattr(slices, "SLICE", -1.0)
        step()
        worst = max(worst, count.lines)
    return worst


@pytest.mark.parametrize("name", STEPS)
def test_a_node_among_many_costs_few_lines_of_the_turn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worst(size: int) -> int:
        crowded = Crowded(tmp_path / str(size), monkeypatch)
        monkeypatch.setattr(crowded.daemon.parts.scripts, "absent", lambda name: True)
        _fill(crowded, size)
        step = STEPS[name](crowded)
        found = _worst_turn(crowded, step)
        crowded.loop.shut()
        return found

    few, many = worst(FEW), worst(MANY)
    assert many - few <= MOST * (MANY - FEW)
