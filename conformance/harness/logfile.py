"""Reading a daemon's log while it grows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from conformance.harness.waits import Failed, wait_for

#: What ``--logfile`` puts before each message: date, time, ident and pid.
_PREFIX: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [^\s\[]+\[\d+\]: ", re.M)


class Log:
    """One log file; positions are byte offsets as returned by ``mark``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """Return the present end, to look only at what comes after it."""
        return self.path.stat().st_size if self.path.exists() else 0

    def text(self, since: int = 0) -> str:
        """Return the messages from ``since`` on, without their prefixes."""
        return _PREFIX.sub("", self.raw(since))

    def raw(self, since: int = 0) -> str:
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def count(self, pattern: str, since: int = 0) -> int:
        """Return how many places match, ``^`` and ``$`` at every line."""
        return len(re.findall(pattern, self.text(since), re.M))

    def has(self, pattern: str, since: int = 0) -> bool:
        return re.search(pattern, self.text(since), re.M) is not None

    def wait(self, pattern: str, limit: float, since: int = 0) -> re.Match[str]:
        """Wait until a line matches; Failed with the log's end if none does."""
        expression = re.compile(pattern, re.M)
        try:
            return wait_for(
                f"{self.path.stem}: {pattern}",
                lambda: expression.search(self.text(since)),
                limit,
            )
        except Failed as error:
            raise Failed(f"{error}; the log ends with:\n{self.tail()}") from None

    def tail(self, lines: int = 15) -> str:
        return "\n".join(f"    | {line}" for line in self.raw().splitlines()[-lines:])
