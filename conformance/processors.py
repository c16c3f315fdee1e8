"""How much of the processors' time is left over, by what the kernel has counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/stat")
#: Seconds in which a case that was started shows what it needs.
_SETTLE: Final = 0.5
#: What was longer ago does not count.
_MEMORY: Final = 2.0


class Processors:
    """The share of time in which processors were idle since the last change.

    :param read: returns the text of /proc/stat
    :param clock: returns seconds
    """

    def __init__(
        self,
        read: Callable[[], str] = _STAT.read_text,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self.look_anew()

    def look_anew(self) -> None:
        """Forget what was: there is one case more now."""
        self._since = self._clock()
        self._before = busy_and_idle(self._read())

    def idle(self) -> float:
        """Return the share, none for as long as that is too early to tell."""
        elapsed = self._clock() - self._since
        if elapsed < _SETTLE:
            return 0.0
        share = idle_share(self._before, busy_and_idle(self._read()))
        if elapsed > _MEMORY:
            self.look_anew()
        return share


def busy_and_idle(text: str) -> tuple[int, int]:
    """Read the first line of /proc/stat: ticks of all processors together."""
    user, nice, system, idle, iowait, *rest = map(int, text.split("\n")[0].split()[1:9])
    return user + nice + system + sum(rest), idle + iowait


def idle_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return which share of the time between two readings was idle."""
    busy, idle = after[0] - before[0], after[1] - before[1]
    return idle / (busy + idle) if busy + idle > 0 else 0.0
