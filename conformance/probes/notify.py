"""A service manager that has stopped reading what it is notified of."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.deaf import Deaf
from conformance.harness.lab import Lab
from conformance.harness.watcher import Watcher
from conformance.probes.probe import OURS, PURE, Contender, Figure, Probe
from conformance.probes.scene import answers, scene

#: Seconds in which nothing is read, of five intervals of the watchdog.
_DEAF: Final = 7.5
_INTERVAL: Final = 1_500_000


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    place = lab.directory / "notify"

    def start(node: TincNode) -> None:
        node.environment["NOTIFY_SOCKET"] = str(place)
        node.environment["WATCHDOG_USEC"] = str(_INTERVAL)
        node.start()

    with Deaf(place) as manager:
        made = scene(lab, contender, start=start)
        watcher = Watcher(made.target)
        manager.fill()
        time.sleep(_DEAF)
        manager.read_all()
        found = watcher.stop()
        heard = manager.hears(b"WATCHDOG=1", _INTERVAL / 1e6)
        made.subject.stop()
    return [
        *answers(found),
        Figure("watchdog starved afterwards", not heard, "times", 0),
    ]


PROBE: Final = Probe(
    name="notify",
    summary="a service manager that does not read its notifications for 7.5 s",
    measure=_measure,
    contenders=(OURS, PURE),
)
