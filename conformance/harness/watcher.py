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
#: Longer than any answer should take, so that a bad one is measured too.
_ANSWER_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Seconds from PING to PONG, in the order of asking."""

    seconds: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.seconds)

    @property
    def worst(self) -> float:
        return max(self.seconds, default=0.0)

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
    """

    def __init__(
        self, target: Target, name: str = "watcher", *, every: float = _ASK_EVERY
    ) -> None:
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        words = (target, name, every, theirs)
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
        seconds, problem = self._ours.recv()
        if problem is not None:
            raise Failed(f"watcher: {problem}")
        return Answers(tuple(seconds))


def _watch(target: Target, name: str, every: float, parent: Connection) -> None:
    answered: list[float] = []
    seconds: list[float] = []

    def heard(message: Message, line: bytes) -> None:
        if isinstance(message, Pong):
            answered.append(time.monotonic())

    peer = _Peer(target, name, heard)
    try:
        peer.connect()
        parent.send("ready")
        while True:
            asked, before = time.monotonic(), len(answered)
            peer.ping()
            peer.exchange(partial(_longer, answered, before), "PONG", _ANSWER_LIMIT)
            seconds.append(answered[-1] - asked)
            if parent.poll(every):
                order = parent.recv()
                parent.send((seconds, None))
                seconds = []
                if order == "stop":
                    return
    except Failed as error:
        if not peer.active:
            parent.send("failed")
        parent.send((seconds, str(error)))


def _longer(answered: list[float], before: int) -> bool:
    return len(answered) > before
