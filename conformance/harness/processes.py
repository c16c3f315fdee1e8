"""The processes of one case, so that none of them outlives it.

Only processes that were started here are ever signalled, each by its own number.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

#: For programs that need the standard library alone: a third of a start is the search
#: for what else there is.
PLAIN_PYTHON: Final = (sys.executable, "-I", "-S")


class Processes:
    """A list of children with an end."""

    def __init__(self) -> None:
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._services: set[int] = set()

    def start(
        self,
        argv: Sequence[str],
        *,
        what: str,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        service: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a child named ``what``; a service may run until ``end``."""
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
        )
        self._children.append((what, child))
        if service:
            self._services.add(child.pid)
        return child

    def running(self) -> list[str]:
        """Return what should have ended by itself, and has not."""
        return [
            what
            for what, child in self._children
            if child.pid not in self._services and child.poll() is None
        ]

    def end(self) -> None:
        """Kill and reap what is still running."""
        for _, child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
        self._children.clear()
