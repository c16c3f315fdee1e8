"""A syslogd that has stopped reading /dev/log."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import NETNAME, TincNode, daemon_environment
from conformance.harness.deaf import Deaf
from conformance.harness.kinds import command
from conformance.harness.lab import Lab
from conformance.harness.waits import wait_for
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

#: Seconds in which nothing is read.
_DEAF: Final = 7.5

#: Run as ``sh -c SETUP sh DIRECTORY TINCD...``, with a /dev of its own.  The shell
#: stays, since the end of the process number 1 ends the daemon.
_SETUP: Final = """
set -e
cd "$1"
shift
for node in null zero urandom random tty; do
  : > $node
  mount --bind /dev/$node $node
done
mkdir net
mount --bind /dev/net net
mount --rbind . /dev
cd /
"$@"
exec sleep 600
"""


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    place = lab.directory / "dev"
    place.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def start(node: TincNode) -> None:
        words = [*command(node.kind), "-c", str(node.etc), "-n", NETNAME]
        words += [f"-d{node.debug}", f"--pidfile={node.pidfile}"]
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        argv += ["--mount-proc", "sh", "-c", _SETUP, "sh", str(place), *words]
        child = lab.processes.start(
            node.namespace.command(*argv),
            what=node.name,
            env={**daemon_environment(), **node.environment},
        )
        started.append(child)
        wait_for("it is ready", lambda: syslogd.hears(b"Ready", 0.1), 20)

    with Deaf(place / "log") as syslogd:
        # Each PING is worth a line.
        made = scene(lab, contender, debug=3, start=start)
        watcher = Watcher(made.target)
        syslogd.fill()
        time.sleep(_DEAF)
        syslogd.read_all()
        # What has waited comes first.
        syslogd.hears(b"never said", 1.0)
        silent = not syslogd.hears(b"PONG", 0.5)
        found = watcher.stop()
        started[0].kill()
    return [*answers(found), Figure("silent afterwards", silent, "times", 0)]


PROBE: Final = Probe(
    name="syslog",
    summary="a syslogd that does not read /dev/log for 7.5 s",
    measure=_measure,
)
