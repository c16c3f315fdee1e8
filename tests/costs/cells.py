"""The table of costs: steps, and what each costs where a table is twice as long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.costs.counting import lines
from tests.costs.crowded import Crowded

#: Entries of the smaller table; the other one has twice as many.
SIZE: Final = 64
#: Whoever looks at every entry runs a line for each.  A few more lines are no such
#: look: a tree has got one level more.
_FEW_LINES: Final = SIZE // 4
#: By how much a cost may grow that doubles with the table.
_DOUBLE: Final = 2.3

#: Prepares a step in a daemon, uncounted, and returns it.
Prepare: TypeAlias = Callable[[Crowded], Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Step:
    """What can happen to a daemon, and the tables that it has to walk through."""

    name: str
    prepare: Prepare
    walks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cell:
    """The lines that a step runs with SIZE entries in a table, and with double."""

    few: int
    many: int

    @property
    def constant(self) -> bool:
        return self.many <= self.few + _FEW_LINES

    @property
    def linear(self) -> bool:
        return self.many <= self.few * _DOUBLE + _FEW_LINES


def measure(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[Crowded, int], None],
    steps: Sequence[Step],
    mode: str,
) -> dict[str, Cell]:
    """Return the cells of one table by the names of the steps.

    These are made one after the other in the same daemon, each when the one before has
    died down: they add little to what there is.
    """
    costs = []
    for size in (SIZE, 2 * SIZE):
        crowded = Crowded(directory / str(size), monkeypatch, f"Mode = {mode}\n")
        costs.append(_costs(crowded, fill, steps, size))
    few, many = costs
    return {name: Cell(few[name], many[name]) for name in few}


def _costs(
    crowded: Crowded,
    fill: Callable[[Crowded, int], None],
    steps: Sequence[Step],
    size: int,
) -> dict[str, int]:
    fill(crowded, size)
    costs = {}
    for step in steps:
        crowded.calm_down()
        costs[step.name] = lines(step.prepare(crowded))
    crowded.loop.shut()
    return costs
