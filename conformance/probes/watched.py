"""A daemon that knows 1000 nodes and is scraped each second, beside itself unscraped.

How long the loop is at work between a PING and its PONG, by the clock of its process,
may grow by little when it is scraped; ``status --json`` and ``health`` are timed with
the start of their program.
"""

from __future__ import annotations

import compileall
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import tincd_compat
from conformance.harness import filled
from conformance.harness.asking import socket_of
from conformance.harness.lab import Lab
from conformance.harness.member import joined
from conformance.harness.operator import Operator
from conformance.harness.scraping import scrape
from conformance.harness.watcher import Watcher
from conformance.probes.probe import OURS, PURE, Contender, Figure, Probe
from conformance.probes.scene import scene

_NODES: Final = 1000
_ASK_EVERY: Final = 0.004
_SECONDS: Final = 5
_TO_SETTLE: Final = 3.0
_LIMIT: Final = 60.0
#: Milliseconds: what scrapes add to the work of a loop in one piece, and verbs.
_MOST_WORK: Final = 2.0
_MOST_STATUS: Final = 150.0
_MOST_VERB: Final = 100.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    made = scene(lab, contender, server=("PingInterval = 3600",))
    subject = made.subject
    watcher = Watcher(made.target, every=_ASK_EVERY, pid=subject.pid)
    member = joined(made.target, "member")
    numbers = range(_NODES)
    member.say(filled.mesh("member", numbers))
    member.introduce()
    member.say(filled.keys(subject.name, numbers))
    member.settle(_LIMIT)
    time.sleep(_TO_SETTLE)
    watcher.lap()
    operator, took, work = Operator(subject), list[float](), list[float]()
    for watched in (False, True):
        word = "scraped" if watched else "unscraped"
        for _ in range(_SECONDS):
            due = time.monotonic() + 1
            if watched:
                took.append(scrape(socket_of(subject)))
            time.sleep(max(0.0, due - time.monotonic()))
        found = watcher.lap()
        work.append(found.most_work * 1000)
        yield Figure(f"{word}: loop at work", work[-1], "ms")
        yield Figure(f"{word}: median PONG", found.median * 1000, "ms")
    added = max(0.0, work[1] - work[0])
    yield Figure("scrapes add to the loop's work", added, "ms", _MOST_WORK)
    yield Figure("a scrape, median", statistics.median(took) * 1000, "ms")
    # An installation has bytecode, whatever this environment says of writing any.
    compileall.compile_dir(Path(tincd_compat.__file__).parent, quiet=1)
    for words, most in (("status --json", _MOST_STATUS), ("health", _MOST_VERB)):
        verb = words.split()
        yield Figure(words, _milliseconds(partial(operator.says, *verb)), "ms", most)
    watcher.stop()
    member.close()


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call that is made a few times."""
    times = []
    for _ in range(7):
        started = time.monotonic()
        call()
        times.append(time.monotonic() - started)
    return statistics.median(times) * 1000


PROBE: Final = Probe(
    name="watched",
    summary="1000 nodes, scraped each second: the loop, the scrapes, the verbs",
    measure=_measure,
    contenders=(OURS, PURE),
    note="C tincd has no control socket.",
)
