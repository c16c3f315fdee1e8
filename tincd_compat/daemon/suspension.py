"""Noticing that the machine has slept, which the intervals of the loop leave out.

The intervals of peers have gone on: they may have given us up, and addresses that a
translation kept for us may have been given to others.
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
    """The detector of sleeps; ``asleep`` returns the seconds of all sleeps."""

    def __init__(self, asleep: Callable[[], float] = seconds_asleep) -> None:
        self._asleep = asleep
        self._known = asleep()

    def over(self, least: float) -> bool:
        """Tell whether the machine has slept for so long since the last call."""
        before, self._known = self._known, self._asleep()
        return self._known - before >= least
