"""A hundred peers that restart together, and a daemon in the middle that has to cope.

A watcher, which takes no part in it, asks the daemon for PONGs all the time.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Final

from conformance.harness.crowd import Crowd
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.usage import usage
from conformance.harness.watcher import Watcher

_PEERS: Final = 100
_ROUNDS: Final = 2
_SEED: Final = 655
#: Requests are remembered that long, so memory is compared after it.
_PING_INTERVAL: Final = 10

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
    answers = watcher.stop()
    cpu = usage(daemon.pid).cpu - before.cpu
    crowd.idle(2 * _PING_INTERVAL)
    after = usage(daemon.pid)
    counters = _counters(daemon)
    crowd.restart()
    daemon.stop()
    memory = before.resident, after.peak, after.resident
    return Figures(connect, answers.count, answers.worst, cpu, *memory, counters)


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
