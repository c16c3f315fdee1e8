"""SIGHUP, as a log rotation sends it, while a member has announced 12 000 stations."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from typing import Final

from conformance.harness import filled
from conformance.harness.lab import Lab
from conformance.harness.member import joined
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

_STATIONS: Final = 12_000
_SIGNALS: Final = 5
_LIMIT: Final = 60.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    made = scene(lab, contender, server=("Mode = switch",))
    watcher = Watcher(made.target)
    member = joined(made.target, "member")
    stations = (filled.station(2, number) for number in range(_STATIONS))
    member.say(filled.subnet("member", each) for each in stations)
    member.settle(_LIMIT)
    time.sleep(1.0)
    watcher.lap()
    for _ in range(_SIGNALS):
        made.subject.signal(signal.SIGHUP)
        time.sleep(1.0)
        member.settle(_LIMIT)
    found = watcher.stop()
    member.close()
    made.subject.stop()
    return answers(found)


PROBE: Final = Probe(
    name="reload",
    summary="SIGHUP to a daemon that knows 12 000 stations of a member",
    measure=_measure,
)
