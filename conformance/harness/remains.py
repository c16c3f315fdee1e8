"""Containers that have outlived their worker: found by their files, and ended.

The init of a container belongs to no process group of ours, and lives on when the
systemd-nspawn that has started it is killed.  But its root directory is an overlay
whose upper layer is in the directory of its case.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ROOT: Final = re.compile(r"^\d+ \d+ \S+ \S+ / .* - overlay .*[ ,]upperdir=([^,\n]+)")
_PLACE: Final = re.compile(r"^\d+ \d+ \S+ \S+ (\S+) ", re.M)
_LIMIT: Final = 20.0


def end_containers(directory: Path) -> list[str]:
    """End what runs on files below a directory; return names of what did.

    The mounts below it are gone afterwards.
    """
    found = dict(_processes(directory))
    deadline = time.monotonic() + _LIMIT
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(True for _ in _processes(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for place in mounts_below((_PROC / "self/mountinfo").read_text(), directory):
        subprocess.run(["umount", "--lazy", place], check=False)
    return [f"{name} in a container" for name in found.values()]


def _processes(directory: Path) -> Iterator[tuple[int, str]]:
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if runs_below((process / "mountinfo").read_text(), directory):
                    yield int(process.name), (process / "comm").read_text().strip()


def runs_below(mountinfo: str, directory: Path) -> bool:
    """Tell whether a process with these mounts has its root directory below another.

    Its own root is the first line that ``/proc/PID/mountinfo`` has for ``/``.
    """
    for line in mountinfo.splitlines():
        if (found := _ROOT.match(line)) is not None:
            return Path(found[1]).is_relative_to(directory)
    return False


def mounts_below(mountinfo: str, directory: Path) -> list[str]:
    """Return where something is mounted below a directory, the innermost first."""
    places = reversed(_PLACE.findall(mountinfo))
    return [place for place in places if Path(place).is_relative_to(directory)]
