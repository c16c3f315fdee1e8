"""Every message and every signal, where 1000 of everything are known, then 10 000.

A step is a burst of messages or a signal.  Its figures are the worst PONG meanwhile and
for as long after it as what follows may be put off, and the most that the daemon was at
work between a PING and its PONG.  That is what the loop stood still for at most: the
rest others have had, on a machine that is busy with them.

C tincd runs its graph for every line about an edge.  With 10 000 nodes it does not
answer within a minute, so it is measured with 1000 alone.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from conformance.harness import filled
from conformance.harness.bursts import bursts
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.member import joined
from conformance.harness.waits import say
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import scene
from tincd_compat.meta.messages import Request

_FEW: Final = 1000
_MANY: Final = 10_000
_ASK_EVERY: Final = 0.004
#: Seconds after a step.  What follows edges and signals may be put off, for the longer
#: the more is known.
_AFTERWARDS: Final = 0.1
_LONG_AFTERWARDS: Final = {_FEW: 0.4, _MANY: 1.0}
_TO_SETTLE: Final = 2.0
_TO_END: Final = 0.2
_LIMIT: Final = 60.0
#: Milliseconds for which the loop may stand still at once, and a neighbour wait.
_MOST_WORK: Final = 100.0
_MOST: Final = 500.0
#: Seconds until a stop has told everybody.
_MOST_AT_END: Final = 2.0
_SERVER: Final = ("Mode = switch", "PingInterval = 3600")
#: The second SIGINT ends what the first began.
_SIGNALS: Final = ("USR1", "USR2", "INT", "INT", "ALRM", "HUP", "WINCH")


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    perform: Callable[[], None]
    afterwards: float


class _Trial:
    """The daemon, the member that says everything, and who watches."""

    def __init__(self, lab: Lab, contender: Contender) -> None:
        made = scene(lab, contender, server=_SERVER, extra=("guest",))
        self.subject, self._target = made.subject, made.target
        pid = self.subject.pid
        self.watcher = Watcher(made.target, every=_ASK_EVERY, pid=pid)
        self._member = joined(made.target, "member")

    def fill(self, numbers: range) -> None:
        """Let the daemon learn of more nodes, and of all that is theirs.

        Nobody is reachable meanwhile: for C each edge would cost a run of the graph.
        """
        member, name = self._member, self.subject.name
        member.say([filled.no_edge("member", name)])
        member.say(filled.mesh("member", numbers))
        member.introduce()
        member.settle(_LIMIT)
        self._rest(_TO_SETTLE)
        member.say(filled.keys(name, range(numbers.stop)))
        member.settle(_LIMIT)
        self._rest(_TO_SETTLE)
        self.watcher.lap()

    def measure(self, size: int) -> Iterator[Figure]:
        """Make all steps, one after the other."""
        for step in self._steps(size):
            started = time.monotonic()
            step.perform()
            self._rest(step.afterwards)
            found, took = self.watcher.lap(), time.monotonic() - started
            worst, work = found.worst * 1000, found.most_work * 1000
            say(f"{took:8.2f} s {worst:8.1f} ms {work:8.1f} ms  {step.what}")
            yield Figure(f"{size}: {step.what}, PONG", worst, "ms", _MOST)
            yield Figure(f"{size}: {step.what}, loop", work, "ms", _MOST_WORK)

    def _steps(self, size: int) -> Iterator[_Step]:
        long = _LONG_AFTERWARDS[size]
        yield _Step("nothing", lambda: None, long)
        for what, data in bursts(self.subject.name, "member", size):
            afterwards = long if "EDGE" in what else _AFTERWARDS
            yield _Step(what, partial(self._says, data), afterwards)
        yield _Step("a link comes and goes", self._visit, long)
        for name in ("STATUS", "ERROR", "TERMREQ"):
            yield _Step(name, partial(self._visit, b"%d\n" % Request[name]), long)
        for name in _SIGNALS:
            number = signal.Signals[f"SIG{name}"]
            yield _Step(f"SIG{name}", partial(self.subject.signal, number), long)
        yield _Step("all nodes are lost", self._member.close, long)
        yield _Step("all nodes are back", self._come_back, long)

    def _says(self, data: bytes) -> None:
        self._member.say_raw(data)
        self._member.settle(_LIMIT)

    def _visit(self, last_words: bytes = b"") -> None:
        guest = joined(self._target, "guest")
        # C ends a link that has broken the rules, but leaves its socket open.
        guest.say_raw(last_words)
        guest.turn(_TO_END)
        guest.close()

    def _come_back(self) -> None:
        self._member = joined(self._target, "member")

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._member.turn(left)


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    trial = _Trial(lab, contender)
    trial.fill(range(_FEW))
    yield from trial.measure(_FEW)
    if contender.kind is Kind.OURS:
        trial.fill(range(_FEW, _MANY))
        yield from trial.measure(_MANY)
    started = time.monotonic()
    trial.subject.stop()
    yield Figure(
        "SIGTERM until it is gone", time.monotonic() - started, "s", _MOST_AT_END
    )


PROBE: Final = Probe(
    name="stalls",
    summary="every message and every signal, with 1000 and 10 000 of everything known",
    measure=_measure,
    note="C with 1000 only: with 10 000 it does not answer within a minute.",
)
