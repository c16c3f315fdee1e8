"""What a process has used up, as /proc tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time in seconds, user and system together; resident memory in KiB."""

    cpu: float
    resident: int
    #: The most it has been so far.
    peak: int


def usage(pid: int) -> Usage:
    """Return what a living process has used up to now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    resident, peak = (
        int(status.partition(f"{name}:")[2].split()[0]) for name in ("VmRSS", "VmHWM")
    )
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, resident, peak)
