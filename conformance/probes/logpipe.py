"""``tincd -D -d3 |& less``: nobody reads the pipe that is the log."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import NETNAME, TincNode, daemon_environment
from conformance.harness.kinds import command
from conformance.harness.lab import Lab
from conformance.harness.waits import wait_for
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

#: Seconds in which nothing is read.
_DEAF: Final = 7.5
#: Bytes that the pipe takes, the least there can be.
_PIPE_SIZE: Final = 4096


def _pipe(lab: Lab, contender: Contender) -> Iterable[Figure]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return unread(lab, contender, reading, writing)


def unread(
    lab: Lab, contender: Contender, reading: int, writing: int
) -> Iterable[Figure]:
    """Let ``writing`` be standard error, and read nothing at ``reading`` for long."""
    os.set_blocking(reading, False)

    def start(node: TincNode) -> None:
        argv = [*command(node.kind), "-D", "-c", str(node.etc), "-n", NETNAME]
        argv += [f"-d{node.debug}", f"--pidfile={node.pidfile}"]
        lab.processes.start(
            node.namespace.command(*argv),
            what=node.name,
            env={**daemon_environment(), **node.environment},
            stderr=writing,
        )
        os.close(writing)
        wait_for("it is ready", lambda: b"Ready" in _read(reading), 20)

    # Each PING is worth a line.
    made = scene(lab, contender, debug=3, start=start)
    watcher = Watcher(made.target)
    time.sleep(_DEAF)
    _heard(reading, 1.0)
    silent = b"PONG" not in _heard(reading, 0.5)
    found = watcher.stop()
    os.close(reading)
    return [*answers(found), Figure("silent afterwards", silent, "times", 0)]


def _heard(descriptor: int, seconds: float) -> bytes:
    """Return what comes out of a pipe in so many seconds."""
    heard, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        heard += _read(descriptor)
        time.sleep(0.01)
    return heard


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return b""


PROBE: Final = Probe(
    name="logpipe",
    summary="a pipe as the log that is not read for 7.5 s",
    measure=_pipe,
)
