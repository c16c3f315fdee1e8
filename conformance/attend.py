"""A worker process and its group, from its start until nothing of it is left.

A worker is a fork of the runner, which has imported everything: an interpreter of its
own would spend more on that than most cases on what they do.  It leads its own process
group, and everything a case starts belongs to it: a case that hangs can be ended from
outside without touching anything else.  The worker is reaped last, so that the number
of its group cannot meanwhile be somebody else's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

#: Time a worker has to tidy up after it was told to end.
_GRACE: Final = 15.0
#: Time that processes which are just ending have to be gone after their worker.
_LINGER: Final = 2.0
_ZOMBIE: Final = "Z"


@dataclass(frozen=True, slots=True)
class End:
    """How a worker ended; ``left`` are command lines of processes that outlived it."""

    status: int
    #: Seconds of CPU of the worker and of all that it has waited for.
    cpu: float
    left: tuple[str, ...] = ()


class Attended:
    """A worker that was started; ``poll`` has to be called now and then.

    :param work: what the worker does; its answer is the exit status
    :param limit: seconds after which it is told to end
    """

    def __init__(self, work: Callable[[], int], output: Path, limit: float) -> None:
        # What a buffer holds would be written by both.
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _work(work, output)
        self.started = time.monotonic()
        self._deadline = self.started + limit
        self._told = False
        self._last_moment: float | None = None

    def interrupt(self) -> None:
        """Tell the worker to tidy up and to end."""
        if not self._told:
            self._told = True
            self._deadline = time.monotonic() + _GRACE
            os.kill(self._pid, signal.SIGINT)

    def poll(self) -> End | None:
        """Return how it ended if nothing of it is left; end what is overdue."""
        now = time.monotonic()
        if not self._ended():
            if now <= self._deadline:
                return None
            if self._told:
                return self._reap([])
            self.interrupt()
            return None
        if self._last_moment is None:
            self._last_moment = now + _LINGER
        left = self._others()
        return None if left and now < self._last_moment else self._reap(left)

    def _ended(self) -> bool:
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._pid, how) is not None

    def _reap(self, left: list[str]) -> End:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.kill(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        cpu = usage.ru_utime + usage.ru_stime
        return End(os.waitstatus_to_exitcode(status), cpu, tuple(left))

    def _others(self) -> list[str]:
        group = str(self._pid)
        return [
            words
            for directory in Path("/proc").iterdir()
            if directory.name.isdigit() and (words := _member(directory, group))
        ]


def _work(work: Callable[[], int], output: Path) -> NoReturn:
    """Be the worker, with input, output and signals of its own."""
    status = 1
    try:
        os.setsid()
        # The runner's; pyroute2 ends its own forks by that, and they inherit handlers.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _redirect(output)
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _redirect(output: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(file)


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
