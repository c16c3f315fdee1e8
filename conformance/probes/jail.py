"""``-R -U``: descriptors by which the daemon could still leave its new root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.descriptors import ways_out
from conformance.harness.lab import Lab
from conformance.harness.waits import say
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import scene


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    # Somebody else has to find the host files.
    lab.directory.chmod(0o711)

    def start(node: TincNode) -> None:
        node.start("-U", "nobody", "-R")

    made = scene(lab, contender, start=start)
    # With a neighbour everything is open that ever will be.
    watcher = Watcher(made.target)
    watcher.stop()
    found = ways_out(made.subject.pid, [made.subject.log.path])
    say(f"leads out: {found}")
    made.subject.kill()
    return [Figure("descriptors that lead out", len(found), "number", 0)]


PROBE: Final = Probe(
    name="jail",
    summary="what is open outside the new root after -R -U nobody",
    measure=_measure,
)
