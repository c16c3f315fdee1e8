"""Noticing that the machine has slept: for intervals the time asleep does not count.

That is right for everything but one thing.  Peers have counted, and may have given us
up; addresses outside may have been given to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds_asleep() -> float:
    """Return for how long the machine has slept so far; clocks cannot be set here."""
    # One of the clocks stands still meanwhile.  Between the two calls little happens.
    boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot - time.clock_gettime(time.CLOCK_MONOTONIC)


class Suspension:
    """Tells of each sleep once; ``asleep`` returns the seconds of all."""

    def __init__(self, asleep: Callable[[], float] = seconds_asleep) -> None:
        self._asleep = asleep
        self._known = asleep()

    def over(self, least: float) -> bool:
        """Tell whether the machine has slept for so long since the last call."""
        before, self._known = self._known, self._asleep()
        return self._known - before >= least
