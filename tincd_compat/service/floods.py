"""Which lines of a flood are written, so that errors without end fill no disk.

The first ones are, at once and unchanged, since somebody may wait for them.  Then
identical lines become a count, and others that come from one place in the program are
so many a second.  What a debug level above 0 or a dump asks for is never left out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from tincd_compat import logs
from tincd_compat.dataclass import dataclass

#: Lines that one place in the program may write at once, and per second from then on.
LINES_AT_ONCE: Final = 1000
LINES_PER_SECOND: Final = 5

#: Repetitions of one line that may be written at once, and per second from then on.
SAME_AT_ONCE: Final = 10
SAME_PER_SECOND: Final = 0.2
#: Seconds from one count of what was left out to the next.
COUNT_EVERY: Final = 10.0


@dataclass(slots=True)
class _Bucket:
    """A token bucket: the lines left of a burst, which fills up again with time."""

    left: float
    counted: float
    #: Lines left out: since when, how many, and the last of them.
    since: float = 0.0
    omitted: int = 0
    level: int = 0
    line: str = ""

    def fill(self, now: float, most: int, per_second: float) -> None:
        self.left = min(most, self.left + (now - self.counted) * per_second)
        self.counted = now

    def omit(self, now: float, level: int, line: str) -> None:
        if not self.omitted:
            self.since = now
        self.omitted += 1
        logs.suppressed.add(logs.always, level)
        self.level, self.line = level, line

    def take_omitted(self) -> int:
        omitted, self.omitted = self.omitted, 0
        return omitted


class Gate:
    """Judges lines in the order in which one output is to write them.

    Levels are those of :mod:`logging`; what is to be written is a list of pairs of
    level and line.  ``now`` is in seconds and never goes back.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, int], _Bucket] = {}
        self._last: tuple[int, str] | None = None
        self._run = _Bucket(SAME_AT_ONCE, 0.0)

    def admit(
        self, record: logging.LogRecord, line: str, now: float
    ) -> list[tuple[int, str]]:
        """Return what to write now that there is ``line``, the text of ``record``."""
        level = record.levelno
        bounded = record.name == logs.always.name and level >= logging.INFO
        if bounded and self._last == (level, line):
            return self._repeated(level, line, now)
        told: list[tuple[int, str]] = []
        if bounded:
            place = self._places.setdefault(
                (record.pathname, record.lineno), _Bucket(LINES_AT_ONCE, now)
            )
            place.fill(now, LINES_AT_ONCE, LINES_PER_SECOND)
            if place.left < 1:
                place.omit(now, level, line)
                return []
            place.left -= 1
            if omitted := place.take_omitted():
                text = f"({omitted} more lines like the next one were left out)"
                told.append((level, text))
        told = [*self._count_run(), *told, (level, line)]
        self._last = (level, line)
        self._run = _Bucket(SAME_AT_ONCE - 1, now)
        return told

    def overdue(self, now: float) -> list[tuple[int, str]]:
        """Return the counts of what was left out a while ago, to be asked for often."""
        told = []
        if self._run.omitted and now - self._run.since >= COUNT_EVERY:
            told += self._count_run()
        return [*told, *self._count_places(now - COUNT_EVERY)]

    def rest(self) -> list[tuple[int, str]]:
        """Return all counts that were not told yet; nothing more is to come."""
        return [*self._count_run(), *self._count_places(float("inf"))]

    def _repeated(self, level: int, line: str, now: float) -> list[tuple[int, str]]:
        self._run.fill(now, SAME_AT_ONCE, SAME_PER_SECOND)
        if self._run.left >= 1 and not self._run.omitted:
            self._run.left -= 1
            return [(level, line)]
        self._run.omit(now, level, line)
        return self.overdue(now)

    def _count_run(self) -> list[tuple[int, str]]:
        if omitted := self._run.take_omitted():
            times = "once" if omitted == 1 else f"{omitted} times"
            return [(self._run.level, f"(last line repeated {times})")]
        return []

    def _count_places(self, until: float) -> Iterator[tuple[int, str]]:
        for place in self._places.values():
            if place.omitted and place.since <= until:
                omitted = place.take_omitted()
                # What came between is not told apart: the last stands for all.
                text = (
                    f"({omitted} lines were left out, the last of them: {place.line})"
                )
                yield place.level, text
