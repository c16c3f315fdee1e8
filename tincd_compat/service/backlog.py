"""Log lines that wait for a reader of the log that has no room for them yet.

A daemon that waited for its reader would stand still with it.  So lines wait in its
place, in order and up to a bound; beyond that the newest are lost, and where the gap is
a line says how many.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from tincd_compat import logs

#: Bytes that may wait: a dump of all tables of ten thousand nodes.
MOST_BYTES: Final = 4 << 20
#: Lines written at once, at most, when there may be room again.
BATCH: Final = 256
#: The same when there is one line more: fewer would never end, more would make a line
#: cost as much as all that wait.
_ALONG: Final = 2


class LineBacklog:
    """What waits for one reader.

    ``write`` takes bytes and returns how many of them it got rid of; BlockingIOError
    means that there is no room, any other OSError costs the line.  ``gap`` returns the
    line for so many lost ones.
    """

    def __init__(
        self,
        write: Callable[[bytes], int],
        gap: Callable[[int], bytes],
        most: int = MOST_BYTES,
    ) -> None:
        self._write = write
        self._gap = gap
        self._most = most
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._omitted = 0
        #: Lines that could not be written, or waited for.
        self.lost = 0

    def __bool__(self) -> bool:
        """Tell whether lines wait."""
        return bool(self._lines)

    def put(self, line: bytes) -> None:
        """Write a line, or let it wait behind those that do."""
        if self._lines or self._omitted:
            self.catch_up(_ALONG)
        if self._omitted or self._size + len(line) > self._most:
            self._omitted += 1
            self.lost += 1
            logs.suppressed.add(logs.always, logging.WARNING)
            if not self._lines:
                # Too long a line: there is nothing that the gap has to wait for.
                self.catch_up()
            return
        self._append(line)
        if len(self._lines) == 1:
            self.catch_up(1)

    def catch_up(self, limit: int = BATCH) -> int:
        """Write up to ``limit`` lines, return how many are gone."""
        gone = 0
        try:
            while gone < limit and self._lines:
                self._write_first()
                gone += 1
        except BlockingIOError:
            pass
        if self._omitted and self._size <= self._most // 2:
            self._append(self._gap(self._omitted))
            self._omitted = 0
        return gone

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _write_first(self) -> None:
        """Write the oldest line; BlockingIOError if some of it has to wait."""
        line = self._lines[0]
        try:
            written = self._write(line)
        except BlockingIOError:
            raise
        except OSError:
            # Nobody can be told in the log: telling is what does not work.
            self.lost += 1
            logs.suppressed.add(logs.always, logging.WARNING)
            written = len(line)
        self._size -= written
        if written < len(line):
            self._lines[0] = line[written:]
            raise BlockingIOError
        self._lines.popleft()
