"""A queue whose sources take turns: who wants much does not wait in front of others.

Every source has its own line, first come, first served, and the lines have their turns
one after the other.  A source that is new waits until all others have had one turn: if
it came first, many addresses would be worth having.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Jobs by source; its length is how many there are of all sources."""

    def __init__(self) -> None:
        self._length = 0
        #: Lines that are not empty, the one whose turn is next in front.
        self._lines: dict[Hashable, deque[T]] = {}

    def __len__(self) -> int:
        return self._length

    def put(self, source: Hashable, job: T) -> None:
        """Let a job wait at the end of the line of its source."""
        self._lines.setdefault(source, deque()).append(job)
        self._length += 1

    def take(self) -> T:
        """Take out the job whose turn it is; IndexError if there is none."""
        if not self._lines:
            raise IndexError("nobody waits")
        source = next(iter(self._lines))
        line = self._lines.pop(source)
        job = line.popleft()
        self._length -= 1
        if line:
            self._lines[source] = line
        return job

    def shed(self) -> T:
        """Take out the newest job of the longest line; IndexError if there is none.

        Who has been let in before is served in the time that was left to it then, and
        whoever fills the queue only pushes out its own jobs.  Of lines as long as each
        other the one whose turn is last loses.
        """
        if not self._lines:
            raise IndexError("nobody waits")
        source = max(reversed(self._lines), key=lambda each: len(self._lines[each]))
        job = self._lines[source][-1]
        self.discard(source, job)
        return job

    def discard(self, source: Hashable, job: T) -> None:
        """Take out a job if it is still there."""
        line = self._lines.get(source)
        if line is None or job not in line:
            return
        line.remove(job)
        self._length -= 1
        if not line:
            del self._lines[source]
