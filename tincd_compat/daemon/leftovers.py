"""The rest of a burst whose turn is over, which waits for the next turn of the loop.

A guest or a member chooses what a packet costs and how many come in one piece.  To cut,
route, answer, compress or fragment them may take longer than a neighbour or a timer can
wait.  So the work of a burst comes in steps, and when its turn is over the
rest waits here.  Meanwhile nothing more is read from the origin of the burst: packets
keep their order, only one burst is kept here, and excess packets are lost in the
kernel's queue, as with any slow daemon.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from typing import Final

from tincd_compat.tunnel.pipeline import Origin, Work

#: Seconds of work on packets of one origin in one turn of the loop.
BURST_TURN: Final = 0.005


class Leftovers:
    """The work of bursts; :meth:`run` begins work, later turns go on with it.

    :param clock: returns seconds
    :param later: calls a function in the next turn of the loop
    """

    def __init__(
        self,
        clock: Callable[[], float],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self._clock = clock
        self._later = later
        self._waiting: dict[Origin, deque[Work]] = {}
        self._hold: Callable[[Origin], None]
        self._release: Callable[[Origin], None]

    def attach(
        self, hold: Callable[[Origin], None], release: Callable[[Origin], None]
    ) -> None:
        """Set the functions that stop reading from an origin, and begin again."""
        self._hold = hold
        self._release = release

    def holds(self, origin: Origin) -> bool:
        """Tell whether work on packets of an origin is waiting."""
        return origin in self._waiting

    def run(self, origin: Origin, work: Work) -> None:
        """Do work as long as a turn lasts; behind other work it only waits."""
        if origin in self._waiting:
            self._waiting[origin].append(work)
        elif not self._is_done(work, self._clock() + BURST_TURN, None):
            if not self._waiting:
                self._later(self._go_on)
            self._waiting[origin] = deque((work,))
            self._hold(origin)

    def _is_done(self, work: Work, end: float, word: bool | None) -> bool:
        """Do work, a step at least; False if the time was over before its end.

        ``word`` is for work that has waited: it may do without the rest.
        """
        try:
            work.send(word)
            while self._clock() < end:
                next(work)
        except StopIteration:
            return True
        return False

    def _go_on(self) -> None:
        """Give each waiting work a turn."""
        try:
            for origin in list(self._waiting):
                self._go_on_with(origin)
        finally:
            if self._waiting:
                self._later(self._go_on)

    def _go_on_with(self, origin: Origin) -> None:
        works, end = self._waiting[origin], self._clock() + BURST_TURN
        while works:
            work = works.popleft()
            fresh = inspect.getgeneratorstate(work) == inspect.GEN_CREATED
            if not self._is_done(work, end, None if fresh else True):
                works.appendleft(work)
                return
        del self._waiting[origin]
        self._release(origin)

    def close(self) -> None:
        """Forget what waits; nothing is released."""
        self._waiting.clear()
