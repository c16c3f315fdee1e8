"""A hundred peers that restart together, and a daemon in the middle that has to cope.

A watcher, which takes no part in it, asks the daemon for PONGs all the time.
"""

from __future__ import annotations

import multiprocessing
import re
import signal
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

from conformance.harness.crowd import Crowd
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Peer, Target
from conformance.harness.usage import usage
from conformance.harness.waits import Failed
from tincd_compat.meta.messages import Message, Pong

_PEERS: Final = 100
_ROUNDS: Final = 2
_SEED: Final = 655
#: Requests are remembered that long, so memory is compared after it.
_PING_INTERVAL: Final = 10
_ASK_EVERY: Final = 0.02
#: Longer than any answer should take, so that a bad one is measured too.
_ANSWER_LIMIT: Final = 60.0

#: The time tinc gives a peer to answer, the bytes our daemon lets wait for one, and how
#: much of its memory may be left in use.
_PING_TIMEOUT: Final = 5.0
_QUEUE_LIMIT: Final = 16 << 20
_MEMORY_LIMIT: Final = 1.2


@dataclass(frozen=True, slots=True)
class Figures:
    """What the storms did to the daemon: seconds, bytes, KiB, and its counters."""

    connect: float
    pings: int
    worst: float
    cpu: float
    before: int
    peak: int
    after: int
    counters: dict[str, int]

    @property
    def most_queued(self) -> int:
        return self.counters["most bytes queued for one peer"]

    def text(self) -> str:
        counters = self.counters
        received = sum(n for name, n in counters.items() if name.startswith("received"))
        rows = {
            "all connected again after": f"{self.connect:.1f} s",
            "worst answer to a PING": f"{self.worst * 1000:.0f} ms of {self.pings}",
            "CPU time of the daemon": f"{self.cpu:.1f} s",
            "requests received": f"{received}, {counters['duplicates']} duplicates",
            "graph runs": f"{counters['graph runs']}",
            "most bytes queued": f"{self.most_queued} for one peer",
            "resident memory": f"{self.before / 1024:.1f} MiB before, "
            f"{self.peak / 1024:.1f} at most, {self.after / 1024:.1f} after",
        }
        title = f"{_PEERS} peers restart together, {_ROUNDS} times"
        return "\n".join([title, *(f"  {k:<28}{v}" for k, v in rows.items())])

    def faults(self) -> list[str]:
        """Return the promises that were not kept."""
        found = []
        if self.worst > _PING_TIMEOUT:
            found.append(f"a PING was answered after {self.worst:.1f} s")
        if self.most_queued > _QUEUE_LIMIT:
            found.append(f"{self.most_queued} bytes waited for a peer")
        if self.after > _MEMORY_LIMIT * self.before:
            found.append(f"memory grew from {self.before} to {self.after} KiB")
        return found


def run(lab: Lab) -> Figures:
    """Let the peers connect, restart again and again, and settle."""
    daemon, target = _daemon(lab)
    crowd = Crowd(target, [f"p{number:02d}" for number in range(_PEERS)], _SEED)
    crowd.connect()
    crowd.calm_down()
    crowd.idle(2 * _PING_INTERVAL)
    before = usage(daemon.pid)
    watcher = Watcher(target)
    connect = 0.0
    for _ in range(_ROUNDS):
        crowd.restart()
        connect = max(connect, crowd.connect())
        crowd.calm_down()
    pings, worst = watcher.stop()
    cpu = usage(daemon.pid).cpu - before.cpu
    crowd.idle(2 * _PING_INTERVAL)
    after = usage(daemon.pid)
    counters = _counters(daemon)
    crowd.restart()
    daemon.stop()
    memory = before.resident, after.peak, after.resident
    return Figures(connect, pings, worst, cpu, *memory, counters)


def _daemon(lab: Lab) -> tuple[TincNode, Target]:
    """Start a daemon of ours, and say how those call it that it knows."""
    server = (f"PingInterval = {_PING_INTERVAL}",)
    plans = [
        Plan(name="daemon", kind=Kind.OURS, server=server, debug=0, subnets=()),
        Plan(name="watcher", kind=Kind.OURS, subnets=()),
    ]
    daemon, other = Mesh(lab, plans)
    text = (daemon.etc / "hosts" / "watcher").read_text()
    for number in range(_PEERS):
        (daemon.etc / "hosts" / f"p{number:02d}").write_text(text)
    daemon.start()
    keys = lab.keys.pair(1), lab.keys.pair(0)
    return daemon, Target.of(daemon, other.namespace.name, *keys)


def _counters(daemon: TincNode) -> dict[str, int]:
    mark = daemon.log.mark()
    daemon.signal(signal.SIGUSR2)
    daemon.log.wait(r"^End of counters\.$", 10, mark)
    block = daemon.log.text(mark).partition("\nCounters:\n")[2]
    found = re.findall(r"^ (.+): (\d+)$", block, re.M)
    return {name: int(count) for name, count in found}


class Watcher:
    """A process of its own that asks for PONGs as ``watcher``."""

    def __init__(self, target: Target) -> None:
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_watch, args=(target, theirs))
        self._process.start()
        theirs.close()
        self._ours.recv()

    def stop(self) -> tuple[int, float]:
        """Return how many PINGs were answered, and the longest time that took.

        Failed if the daemon has given the watcher up.
        """
        self._ours.send("stop")
        count, worst, problem = self._ours.recv()
        self._process.join()
        if problem is not None:
            raise Failed(f"watcher: {problem}")
        return count, worst


def _watch(target: Target, parent: Connection) -> None:
    answered: list[float] = []

    def heard(message: Message, line: bytes) -> None:
        if isinstance(message, Pong):
            answered.append(time.monotonic())

    worst, problem = 0.0, None
    try:
        peer = Peer(target, "watcher", heard)
        peer.connect()
        parent.send("ready")
        while not parent.poll(_ASK_EVERY):
            asked, before = time.monotonic(), len(answered)
            peer.ping()
            peer.exchange(partial(_longer, answered, before), "PONG", _ANSWER_LIMIT)
            worst = max(worst, answered[-1] - asked)
    except Failed as error:
        problem = str(error)
        parent.send("failed")
    parent.send((len(answered), worst, problem))


def _longer(answered: list[float], before: int) -> bool:
    return len(answered) > before
