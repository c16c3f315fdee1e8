"""The search for cyclic garbage, in pieces too short to be noticed.

While CPython searches nothing else runs, and now and then it searches all objects there
are: for 0.15 s in a mesh of ten thousand nodes, for seconds where members have filled
the tables.  But what is in the tables is no garbage, and what leaves them goes at once,
without a search: it is in no cycle, or in one that is broken on purpose.  Cycles are
made by errors on their way, mostly, and those are young.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Final

#: New objects, less those that are gone, after which the youngest are searched; and how
#: many such searches are followed by one of older objects, and those by one of all.
THRESHOLDS: Final = (1000, 5, 5)
#: Seconds after which a search of all objects is not repeated: packets wait for it.  A
#: thousand nodes take several milliseconds.
LONG: Final = 0.002

_OLDEST: Final = 2


class Collector:
    """The guard that keeps every search short; ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = 0.0

    def start(self) -> None:
        """Leave out all objects of the start, which stay to the end."""
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._searching)

    def _searching(self, phase: str, info: Mapping[str, int]) -> None:
        """Leave objects out of further searches once a search of them took long."""
        if info["generation"] < _OLDEST:
            return
        if phase == "start":
            self._started = self._clock()
        elif self._clock() - self._started > LONG:
            gc.freeze()
