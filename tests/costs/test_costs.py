"""No message and no packet makes the daemon look at all that it knows.

Each cell of the table is a test: with twice the entries in a table a step costs the
same, or at most double where it is made for all entries, as most signals are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import pytest

from tests.costs.cells import Cell, Step, measure
from tests.costs.events import EVENTS, SWITCHED
from tests.costs.messages import MESSAGES
from tests.costs.tables import STATIONS, TABLES

Row: TypeAlias = Callable[[str], dict[str, Cell]]

STEPS: Final[tuple[Step, ...]] = (*MESSAGES, *EVENTS)
STEPS_OF_SWITCHES: Final[tuple[Step, ...]] = (*MESSAGES, *SWITCHED)

#: Costs that grow faster than they have to.
DEFECTS: Final[frozenset[tuple[str, str]]] = frozenset()


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


def _cell(step: Step, table: str) -> object:
    defect = pytest.mark.xfail(reason="known", strict=False)
    marks = [defect] if (step.name, table) in DEFECTS else []
    return pytest.param(step, table, marks=marks, id=f"{step.name} - {table}")


@pytest.mark.parametrize(
    ("step", "table"),
    [
        *(_cell(step, table) for table in TABLES for step in STEPS),
        *(_cell(step, table) for table in STATIONS for step in STEPS_OF_SWITCHES),
    ],
)
def test_cost(row: Row, step: Step, table: str) -> None:
    cell = row(table)[step.name]
    kept = cell.linear if table in step.walks else cell.constant
    assert kept, f"{cell.few} lines become {cell.many}"


def test_every_defect_is_a_cell() -> None:
    names = {step.name for step in STEPS_OF_SWITCHES}
    assert all(step in names for step, _ in DEFECTS)
    assert all(table in {*TABLES, *STATIONS} for _, table in DEFECTS)
