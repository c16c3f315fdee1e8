"""The search for cyclic garbage is short, and what goes leaves little for it."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.costs.crowded import Crowded
from tests.costs.tables import TABLES
from tincd_compat.daemon.collector import LONG, Collector

#: Several times what a search may look at.
OBJECTS = 400_000
MOST_LOOKED_AT = 100_000
#: Whatever there is one of for each node of others.
KINDS = ("Node", "Edge", "Tunnel", "PmtuDiscovery", "Subnet")


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*before)
    gc.unfreeze()
    gc.enable()


class Clock:
    """A clock that shows another time whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_no_search_looks_at_all_there_is() -> None:
    looked_at: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            young = range(info["generation"] + 1)
            looked_at.append(sum(len(gc.get_objects(each)) for each in young))

    Collector(Clock(2 * LONG)).start()
    gc.callbacks.append(note)
    kept = [[number] for number in range(OBJECTS)]
    assert len(kept) == OBJECTS
    assert len(looked_at) > 10
    assert max(looked_at) < MOST_LOOKED_AT


@pytest.mark.parametrize(("seconds", "frozen"), [(LONG / 2, False), (2 * LONG, True)])
def test_what_took_long_to_search_is_left_out(seconds: float, frozen: bool) -> None:
    Collector(Clock(seconds)).start()
    before = gc.get_freeze_count()
    gc.collect(1)
    assert gc.get_freeze_count() == before
    gc.collect()
    assert (gc.get_freeze_count() > before) is frozen


def test_what_is_purged_needs_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The events of a purged node keep its subnets, as many as there are events.
    crowded = Crowded(tmp_path / "us", monkeypatch, "EventHistory = 0\n")
    _come_and_go(crowded)
    gc.collect()
    gc.disable()
    before = _census()
    _come_and_go(crowded)
    assert _census() == before
    crowded.loop.shut()


def _come_and_go(crowded: Crowded) -> None:
    """Let nodes come with all that belongs to them, and be purged."""
    names = [f"n{number}" for number in range(20)]
    TABLES["keys"](crowded, len(names))
    crowded.hear(*(crowded.subnet(name, "10.9.0.0/24") for name in names))
    crowded.calm_down()
    assert len(crowded.mesh.nodes) == 3 + len(names)
    crowded.hear(*(crowded.no_edge("peer", name) for name in names))
    crowded.signal("WINCH")
    crowded.calm_down()
    assert len(crowded.mesh.nodes) == 3


def _census() -> Counter[str]:
    names = (type(each).__name__ for each in gc.get_objects())
    return Counter(name for name in names if name in KINDS)
