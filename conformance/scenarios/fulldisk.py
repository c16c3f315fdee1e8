"""A full disk for log and pid file, 64 KiB of it: packets go on all the same."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.logfile import Log
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing, expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, wait_for

_SIZE: Final = 65536
#: The disk is the daemon's alone, so that it goes when the daemon does.
_MOUNT: Final = 'mount -t tmpfs -o size=64k none "$0"; exec "$@"'
_FILL: Final = (
    'mount -t tmpfs -o size=64k none "$0"; head -c 65536 /dev/zero > "$0/fill"; '
    'exec "$@"'
)
#: Level 5 logs some 300 bytes for each of these and its answer.
_PINGS: Final = 500


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    plans = [
        Plan(name="subject", kind=kind, connect_to=("peer",), debug=5),
        Plan(name="peer", kind=Kind.C, debug=0),
    ]
    mesh = Mesh(lab, plans)
    subject, peer = mesh
    peer.start()
    disk = lab.directory / "disk"
    disk.mkdir()
    _fills_up(lab, subject, peer, disk)
    _is_full_at_start(subject, peer, disk)


def _start(node: TincNode, disk: Path, script: str) -> Path:
    """Start it with a disk of its own; return where that is seen from here."""
    node.wrapper = ("unshare", "--mount", "sh", "-c", script, str(disk))
    node.log, node.pidfile = Log(disk / "log"), disk / "pid"
    node.start(wait=False)
    seen = Path(f"/proc/{node.pid}/root{disk}")
    node.log = Log(seen / "log")
    return seen


def _fills_up(lab: Lab, subject: TincNode, peer: TincNode, disk: Path) -> None:
    seen = _start(subject, disk, _MOUNT)
    subject.wait_ready()
    wait_ping(subject, peer.address)
    expect_equal("pid file", (seen / "pid").read_text(), f"{subject.pid}\n")
    steady = SteadyPing(lab, subject, peer.address, count=_PINGS, interval=0.01)
    wait_for("the disk is full", lambda: _used(seen) >= _SIZE - 4096, 30)
    result = steady.finish()
    expect(result.lost == 0, f"packets were lost with a full disk: {result}")
    expect_ping(subject, peer.address, count=20)

    # Rotated away, there is room again, in a new file.
    (seen / "log").unlink()
    subject.signal(signal.SIGHUP)
    wait_for("the new log", (seen / "log").exists, SOON)
    wait_ping(subject, peer.address)
    subject.log.wait(r"^Writing packet of \d+ bytes", SOON)
    subject.signal(signal.SIGTERM)
    wait_for("it ends", lambda: not subject.alive, SOON)


def _is_full_at_start(subject: TincNode, peer: TincNode, disk: Path) -> None:
    seen = _start(subject, disk, _FILL)
    wait_ping(subject, peer.address)
    expect_equal("pid file", (seen / "pid").read_text(), "")
    expect_equal("log", (seen / "log").read_text(), "")
    (seen / "fill").unlink()
    wait_ping(subject, peer.address)
    subject.log.wait(r"^Writing packet of \d+ bytes", SOON)
    subject.signal(signal.SIGTERM)
    wait_for("it ends", lambda: not subject.alive, SOON)


def _used(seen: Path) -> int:
    return sum(path.stat().st_size for path in seen.iterdir())


SCENARIO: Final = Scenario(
    name="full-disk",
    summary="a full disk for log and pid file, while running and at the start",
    placements=ONE,
    play=play,
    seconds=3,
    needs_c=True,
)
