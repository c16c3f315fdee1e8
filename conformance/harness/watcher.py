"""A neighbour that does nothing but ask for PONGs: does the daemon ever stand still?

The watcher is a process of its own, so that work of the probe meanwhile does not count,
and it does not read what the daemon tells it of the mesh.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

from conformance.harness.peer import Peer, Target
from conformance.harness.waits import Failed
from tincd_compat.meta.connection import MetaConnection
from tincd_compat.meta.messages import Message, Pong

_ASK_EVERY: Final = 0.02
#: Bytes of a line that says more than PING or PONG.
_SHORT: Final = 4
#: What Linux calls the clock of a process, in the number of that clock: see
#: clock_getcpuclockid(3), which Python does not have.
_CPUCLOCK_SCHED: Final = 2
#: Longer than any answer should take, so that a bad one is measured too.
_ANSWER_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Seconds from PING to PONG, in the order of asking.

    ``work`` are those for which the daemon was at work meanwhile, and did not wait for
    a processor that others had.
    """

    seconds: tuple[float, ...]
    work: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return len(self.seconds)

    @property
    def worst(self) -> float:
        return max(self.seconds, default=0.0)

    @property
    def most_work(self) -> float:
        return max(self.work, default=0.0)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else 0.0


class _HardOfHearing(MetaConnection):
    """A connection that looks at no line of an active daemon but PING and PONG."""

    def _process_line(self, line: bytes, now: float) -> None:
        if not self.active or len(line) < _SHORT:
            super()._process_line(line, now)


class _Peer(Peer):
    speaks = _HardOfHearing


class Watcher:
    """Asks for PONGs as the node ``name``, one after the other, until stopped.

    :param every: seconds between an answer and the next question
    :param pid: the process whose work meanwhile is of interest
    """

    def __init__(
        self,
        target: Target,
        name: str = "watcher",
        *,
        every: float = _ASK_EVERY,
        pid: int | None = None,
    ) -> None:
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        words = (target, name, every, pid, theirs)
        self._process = context.Process(target=_watch, args=words)
        self._process.start()
        theirs.close()
        self._ours.recv()

    def lap(self) -> Answers:
        """Return how long the answers took since the last lap.

        Waits for the one that is still to come.  Failed if the daemon has given the
        watcher up, or does not answer any more.
        """
        return self._ask("lap")

    def stop(self) -> Answers:
        """Return the last lap and end; Failed as with :meth:`lap`."""
        try:
            return self._ask("stop")
        finally:
            self._process.join()

    def _ask(self, what: str) -> Answers:
        self._ours.send(what)
        seconds, work, problem = self._ours.recv()
        if problem is not None:
            raise Failed(f"watcher: {problem}")
        return Answers(tuple(seconds), tuple(work))


def _watch(
    target: Target, name: str, every: float, pid: int | None, parent: Connection
) -> None:
    answered: list[float] = []
    seconds: list[float] = []
    work: list[float] = []

    def heard(message: Message, line: bytes) -> None:
        if isinstance(message, Pong):
            answered.append(time.monotonic())

    peer = _Peer(target, name, heard)
    try:
        peer.connect()
        parent.send("ready")
        while True:
            asked, before = time.monotonic(), len(answered)
            worked = _worked(pid)
            peer.ping()
            peer.exchange(partial(_longer, answered, before), "PONG", _ANSWER_LIMIT)
            work.append(_worked(pid) - worked)
            seconds.append(answered[-1] - asked)
            if parent.poll(every):
                order = parent.recv()
                parent.send((seconds, work, None))
                seconds, work = [], []
                if order == "stop":
                    return
    except Failed as error:
        if not peer.active:
            parent.send("failed")
        parent.send((seconds, work, str(error)))


def _worked(pid: int | None) -> float:
    """Return the seconds for which a process has had a processor."""
    return 0.0 if pid is None else time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def _longer(answered: list[float], before: int) -> bool:
    return len(answered) > before
