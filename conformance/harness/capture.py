"""Verdicts from the wire: tcpdump on a device, and counting afterwards."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Final

from conformance.harness.netns import Namespace
from conformance.harness.processes import Processes
from conformance.harness.waits import Failed, wait_for

_SNAP_LENGTH: Final = 256


class Capture:
    """A tcpdump that listens from construction on, until ``stop``."""

    def __init__(
        self,
        processes: Processes,
        namespace: Namespace,
        device: str,
        expression: str,
        path: Path,
    ) -> None:
        self.path = path
        self._messages = path.with_suffix(".tcpdump")
        argv = namespace.command(
            *("tcpdump", "-i", device, "-n", "-p", "-U", "--immediate-mode"),
            *("-s", str(_SNAP_LENGTH), "-Z", "root", "-w", str(path)),
            expression,
        )
        with self._messages.open("wb") as stderr:
            self._child = processes.start(argv, what="tcpdump", stderr=stderr)
        wait_for("tcpdump listens", self._listens, limit=10)

    def stop(self) -> None:
        """End the capture; what passed before this call is in it."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            self._child.wait(10)

    def count(self, expression: str = "") -> int:
        """Return how many captured packets match a filter expression."""
        return len(self.lines(expression))

    def lines(self, expression: str = "") -> list[str]:
        """Return the matching packets as tcpdump prints them, one line each."""
        done = subprocess.run(
            ["tcpdump", "-r", str(self.path), "-n", "-t", expression],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"tcpdump: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def _listens(self) -> bool:
        text = self._messages.read_text(errors="replace")
        if self._child.poll() is not None:
            raise Failed(f"tcpdump ended: {text.strip()}")
        return "listening on" in text
