"""The clock of what operators see: when paths and problems are looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import cast

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat.daemon.counting import LoopLag
from tincd_compat.daemon.gatherer import Gatherer
from tincd_compat.daemon.watcher import Watcher
from tincd_compat.observe.events import Events
from tincd_compat.observe.paths import FULL_LOOK_RATE, PathsWatch
from tincd_compat.observe.problems import LOOK_EVERY, Judge
from tincd_compat.observe.views import Views


class FakeGatherer:
    def look(self) -> None:
        """Return nothing: what is looked at is played, too."""


class FakeJudge:
    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.looks: list[float] = []

    def look(self, _views: Views) -> Iterator[None]:
        self.looks.append(self._loop.now)
        yield


class FakePaths(PathsWatch):
    def work(self, _views: Views) -> Iterator[None]:
        yield


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.shut()


def looks(loop: FakeLoop, known: int, seconds: float) -> list[float]:
    """Return how long there was between two looks at problems."""
    judge = FakeJudge(loop)

    def begin(_subject: str, work: Iterable[object]) -> None:
        deque(work, maxlen=0)

    watcher = Watcher(
        cast(Gatherer, FakeGatherer()),
        FakePaths(Events()),
        cast(Judge, judge),
        LoopLag(),
        take=list,
        with_tunnels=list,
        runs=lambda: 0,
        known=lambda: known,
        begin=begin,
        loop=loop,
    )
    loop.call(watcher.start)
    loop.advance(seconds)
    watcher.stop()
    return [after - before for before, after in pairwise(judge.looks)]


def test_problems_are_looked_at_every_ten_seconds(loop: FakeLoop) -> None:
    assert set(looks(loop, 1000, 65)) == {LOOK_EVERY}


def test_the_more_nodes_there_are_the_more_rarely_all_are_judged(
    loop: FakeLoop,
) -> None:
    known = 16_384
    between = looks(loop, known, 200)
    assert between
    assert min(between) * FULL_LOOK_RATE >= known
    assert max(between) * FULL_LOOK_RATE <= known + FULL_LOOK_RATE
