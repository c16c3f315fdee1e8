"""The clock of what operators see: paths each second, problems every ten, in slices.

Nodes whose tunnels have changed are looked at within a second.  All that have one are
every few seconds, since packets change what is known of them and say nothing, and all
there are when the graph was searched; both in rounds, which members cannot hurry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from tincd_compat.daemon.counting import LoopLag
from tincd_compat.daemon.slices import Begin
from tincd_compat.observe.paths import FULL_LOOK_RATE, PathsWatch
from tincd_compat.observe.problems import LOOK_EVERY, Judge

if TYPE_CHECKING:
    from tincd_compat.daemon.gatherer import Gatherer
    from tincd_compat.mesh.node import Node

#: Seconds between two looks at nodes that have changed.
INTERVAL: Final = 1.0


class Watcher:
    """Keeps paths and problems up to date, and measures how late the loop is.

    ``take`` returns the nodes whose tunnels have changed since it was asked last,
    ``with_tunnels`` all that have one, ``runs`` how often the graph was searched, and
    ``known`` how many nodes there are.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        paths: PathsWatch,
        judge: Judge,
        lag: LoopLag,
        *,
        take: Callable[[], list[Node]],
        with_tunnels: Callable[[], list[Node]],
        runs: Callable[[], int],
        known: Callable[[], int],
        begin: Begin,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._gatherer = gatherer
        self._paths = paths
        self._judge = judge
        self._lag = lag
        self._take = take
        self._with_tunnels = with_tunnels
        self._runs = runs
        self._known = known
        self._begin = begin
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._planned = 0.0
        self._runs_seen = 0
        self._next_look = 0.0

    def start(self) -> None:
        self._next_look = self._loop.time() + LOOK_EVERY
        self._plan()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        self._planned = self._loop.time() + INTERVAL
        self._timer = self._loop.call_at(self._planned, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._lag.add(now - self._planned)
        self._plan()
        paths, runs = self._paths, self._runs()
        paths.mark(self._take())
        if runs != self._runs_seen:
            self._runs_seen = runs
            paths.mark_all()
        due = now >= self._next_look
        if due:
            # The more nodes there are to judge, the more rarely.
            self._next_look = now + max(LOOK_EVERY, self._known() / FULL_LOOK_RATE)
            paths.mark_round(self._with_tunnels())
        if due or paths.waiting:
            # A look that is under way goes first, and is not begun twice.
            self._begin("problems" if due else "paths", self._work(due))

    def _work(self, due: bool) -> Iterator[None]:
        views = self._gatherer.look()
        yield from self._paths.work(views)
        if due:
            yield from self._judge.look(views)
