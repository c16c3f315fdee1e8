"""No message and no packet makes the daemon look at all that it knows.

Each cell of the table is a test: with twice the entries in a table a step costs the
same, or at most double where it is made for all entries, as most signals are.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.costs.cells import Cell, Step, measure
from tests.costs.crowded import Crowded
from tests.costs.events import EVENTS, SWITCHED
from tests.costs.messages import MESSAGES
from tests.costs.tables import STATIONS, TABLES
from tincd_compat.meta.messages import Request

#: What runs is counted here, and tracing it twice takes long.
pytestmark = pytest.mark.no_cover

Row: TypeAlias = Callable[[str], dict[str, Cell]]

STEPS: Final[tuple[Step, ...]] = (*MESSAGES, *EVENTS)
STEPS_OF_SWITCHES: Final[tuple[Step, ...]] = (*MESSAGES, *SWITCHED)


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """Return the cells of a table, measured when they are first asked for."""
    known: dict[str, dict[str, Cell]] = {}

    def cells(table: str) -> dict[str, Cell]:
        if table not in known:
            directory = tmp_path_factory.mktemp("costs")
            with pytest.MonkeyPatch.context() as patch:
                if table in STATIONS:
                    fill, steps, mode = STATIONS[table], STEPS_OF_SWITCHES, "switch"
                else:
                    fill, steps, mode = TABLES[table], STEPS, "router"
                known[table] = measure(directory, patch, fill, steps, mode)
        return known[table]

    return cells


def _cells() -> Iterator[object]:
    for tables, steps in ((TABLES, STEPS), (STATIONS, STEPS_OF_SWITCHES)):
        for table, step in product(tables, steps):
            yield pytest.param(step, table, id=f"{step.name} - {table}")


@pytest.mark.parametrize(("step", "table"), [*_cells()])
def test_cost(row: Row, step: Step, table: str) -> None:
    cell = row(table)[step.name]
    kept = cell.linear if table in step.walks else cell.constant
    assert kept, f"{cell.few} lines become {cell.many}"


def test_every_request_has_a_row() -> None:
    named = {step.name.partition(",")[0].partition(" to ")[0] for step in STEPS}
    assert {request.name for request in Request} <= named


def test_every_signal_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Crowded(tmp_path / "us", monkeypatch).loop
    heard = {signal.Signals(number).name for number in loop.signals}
    loop.shut()
    # SIGQUIT is SIGTERM by another name.
    assert heard - {"SIGQUIT"} <= {step.name for step in STEPS}
