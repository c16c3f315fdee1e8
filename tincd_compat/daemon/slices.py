"""Long work in slices: a few milliseconds in a turn of the loop, then packets again.

Members decide how long the tables are.  Whatever walks through one of them, for a
signal or for the clock, is an iterator that gives way after every small step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import asyncio

#: Seconds of work in a turn of the loop; a packet that comes meanwhile waits for them.
SLICE: Final = 0.004

#: What a step yields after which the others are for the next turn.
LATER: Final = 0.0

_NO_STEP: Final = object()

#: Begins work named by its subject; see :meth:`Slices.begin`.
Begin: TypeAlias = Callable[[str, Iterable[object]], None]


class Slices:
    """A queue of long work, each piece done to its end.

    A step that yields a float wants nothing to be done for so many seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        call_later: Callable[[float, Callable[[], None]], object],
        share: float = 1.0,
    ) -> None:
        """``clock()`` returns seconds, the others call back as those of a loop do.

        ``share`` is the part of a slice that this work is worth.
        """
        self._share = share
        self._clock = clock
        self._call_soon = call_soon
        self._call_later = call_later
        self._waiting: dict[str, Iterable[object]] = {}
        self._steps: Iterator[object] = iter(())
        #: A step is being made, and may begin further work.
        self._busy = False
        #: Work is left for another turn.
        self._more = False
        #: When the slice of this turn is over; None if there was none yet.
        self._end: float | None = None
        self._planned = False

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop, share: float = 1.0) -> Slices:
        """Return slices that are made on an event loop."""
        return cls(loop.time, loop.call_soon, loop.call_later, share)

    def begin(self, subject: str, work: Iterable[object]) -> None:
        """Do what can be done in this turn, unless other work is under way.

        Nothing of ``work`` is done before its time, and by then it may have been given
        up for newer work of the same subject.  So a thousand signals cost two rounds.
        """
        self._waiting[subject] = work
        if not self._busy:
            self._slice()

    def drop(self) -> None:
        """Leave undone what is not done yet."""
        self._waiting.clear()
        self._steps = iter(())

    def _turn(self) -> None:
        self._planned, self._end = False, None
        if self._more:
            self._slice()

    def _slice(self) -> None:
        self._more = True
        now = self._clock()
        if self._end is None:
            self._end = now + SLICE * self._share
        elif now >= self._end:
            return
        self._busy, pause = True, 0.0
        try:
            pause = self._work(self._end)
        except BaseException:
            # The work that failed is over, but not what waits behind it.
            self._steps = iter(())
            raise
        finally:
            self._busy = False
            self._plan(pause)

    def _work(self, end: float) -> float:
        """Make steps; return for how many seconds no further one is wanted."""
        while (step := self._step()) is not _NO_STEP:
            if isinstance(step, float):
                self._end = self._clock()
                return step
            if self._clock() >= end:
                return 0.0
        self._more = False
        return 0.0

    def _plan(self, pause: float) -> None:
        if self._planned:
            return
        self._planned = True
        if pause:
            self._call_later(pause, self._turn)
        else:
            self._call_soon(self._turn)

    def _step(self) -> object:
        """Make one step and return what it yields, if there is one to be made."""
        while (step := next(self._steps, _NO_STEP)) is _NO_STEP and self._waiting:
            subject = next(iter(self._waiting))
            self._steps = iter(self._waiting.pop(subject))
        return step


def at_once(_subject: str, work: Iterable[object]) -> None:
    """Do work without a break, where there is no loop."""
    deque(work, maxlen=0)
