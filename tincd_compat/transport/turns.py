"""Turns: what peers give us to do is done in slices, so that packets never wait long.

How much arrives on how many connections is for the peers to decide.  How long the loop
is kept from packets, timers and other peers is not: all workers together have
:data:`TURN` seconds, and whoever is not done by then stands in line for the next turn.
A worker is asked for one slice a turn, so one that has little to do waits for a slice
of each of the others at most.

The budget is used up over several turns of the loop if each needs little of it.  A
turn that is planned renews it, which makes that cheap: as long as nobody works for
long no turn has to be planned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

#: Seconds that the links, all together, may keep the loop.
TURN: Final = 0.004
#: Seconds that a worker gets at least, however many are in line: less would go into
#: changing from one to the next.
SHORTEST_SLICE: Final = 0.0005


class Worker(Protocol):
    """Work of one link that may take longer than a slice."""

    def work(self, until: float) -> bool:
        """Work until then, at least one step; True if more is left."""


class Turns:
    """The line of workers, which have so many ``seconds`` of a turn.

    ``done`` is called whenever somebody has worked.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        seconds: float = TURN,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._seconds = seconds
        self._done = done
        self._line: deque[Worker] = deque()
        self._in_line: set[Worker] = set()
        self._planned = False
        self._left = seconds

    def begin(self, worker: Worker) -> bool:
        """Let a worker work at once; False if it has to stand in line."""
        if self._left <= 0:
            self.join(worker)
            return False
        started = self._loop.time()
        try:
            self._slice(worker, started + self._left)
        finally:
            self._left -= self._loop.time() - started
        self._done()
        return True

    def join(self, worker: Worker) -> None:
        """Let a worker stand in line, once, for the next turn."""
        if worker not in self._in_line:
            self._in_line.add(worker)
            self._line.append(worker)
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Give a slice to each worker in line, as far as the time goes."""
        self._planned = False
        now = self._loop.time()
        end = now + self._seconds
        try:
            for others in range(len(self._line), 0, -1):
                if now >= end:
                    break
                worker = self._line.popleft()
                self._in_line.remove(worker)
                self._slice(worker, now + max((end - now) / others, SHORTEST_SLICE))
                now = self._loop.time()
        finally:
            self._left = end - now
            if self._line:
                self._plan()
        self._done()

    def _slice(self, worker: Worker, until: float) -> None:
        if worker.work(until):
            self.join(worker)
