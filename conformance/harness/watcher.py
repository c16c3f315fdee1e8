"""A neighbour that does nothing but ask for PONGs: does the daemon ever stand still?

The watcher is a process of its own, so that work of the probe meanwhile does not count.
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
from tincd_compat.meta.messages import Message, Pong

_ASK_EVERY: Final = 0.02
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

    def stop(self) -> Answers:
        """Return how long the answers took.

        Failed if the daemon has given the watcher up, or does not answer any more.
        """
        self._ours.send("stop")
        seconds, problem = self._ours.recv()
        self._process.join()
        if problem is not None:
            raise Failed(f"watcher: {problem}")
        return Answers(tuple(seconds))


def _watch(target: Target, name: str, every: float, parent: Connection) -> None:
    answered: list[float] = []
    seconds: list[float] = []

    def heard(message: Message, line: bytes) -> None:
        if isinstance(message, Pong):
            answered.append(time.monotonic())

    problem = None
    try:
        peer = Peer(target, name, heard)
        peer.connect()
        parent.send("ready")
        while not parent.poll(every):
            asked, before = time.monotonic(), len(answered)
            peer.ping()
            peer.exchange(partial(_longer, answered, before), "PONG", _ANSWER_LIMIT)
            seconds.append(answered[-1] - asked)
    except Failed as error:
        problem = str(error)
        parent.send("failed")
    parent.send((seconds, problem))


def _longer(answered: list[float], before: int) -> bool:
    return len(answered) > before
