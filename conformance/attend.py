"""A worker process and its group, from its start until nothing of it is left.

A worker leads its own process group, and everything a case starts belongs to it: a
case that hangs can be ended from outside without touching anything else. The worker is
reaped last, so that the number of its group cannot meanwhile be somebody else's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

#: Time a worker has to tidy up after it was told to end.
_GRACE: Final = 15.0
#: Time that processes which are just ending have to be gone after their worker.
_LINGER: Final = 2.0
_POLL: Final = 0.05
_ZOMBIE: Final = "Z"


class Attended:
    """A worker that was started, and the record of what it left."""

    def __init__(self, argv: Sequence[str], output: Path, cwd: Path) -> None:
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=cwd,
                start_new_session=True,
            )
        #: Command lines of processes that outlived the worker.
        self.left: list[str] = []

    def wait(self, limit: float, stopping: Callable[[], bool]) -> int:
        """Wait for its end, bring it about after ``limit`` seconds; the exit status."""
        self._wait(limit, stopping)
        if not self._ended():
            self._child.send_signal(signal.SIGINT)
            self._wait(_GRACE, lambda: False)
        if self._ended():
            deadline = time.monotonic() + _LINGER
            while (left := self._others()) and time.monotonic() < deadline:
                time.sleep(_POLL)
            self.left = left
        os.killpg(self._child.pid, signal.SIGKILL)
        return self._child.wait()

    def _wait(self, limit: float, stopping: Callable[[], bool]) -> None:
        deadline = time.monotonic() + limit
        while not self._ended() and time.monotonic() < deadline and not stopping():
            time.sleep(_POLL)

    def _ended(self) -> bool:
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._child.pid, how) is not None

    def _others(self) -> list[str]:
        group = str(self._child.pid)
        return [
            words
            for directory in Path("/proc").iterdir()
            if directory.name.isdigit() and (words := _member(directory, group))
        ]


def _member(directory: Path, group: str) -> str | None:
    """Return the command line of a living process if it belongs to the group."""
    try:
        fields = (directory / "stat").read_text().rpartition(")")[2].split()
        words = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return None
    if fields[2] != group or fields[0] == _ZOMBIE:
        return None
    return words.decode("utf-8", "replace").strip()
