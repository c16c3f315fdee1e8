"""Signals for the C daemon, at a moment when it can take them.

C logs and dumps from within its signal handlers. A handler that interrupts libc while
it holds a lock waits for that lock for ever: seen as a daemon asleep in ``futex`` after
some 60 to 200 signals under traffic, with nothing but C daemons around. While it waits
for its sockets the daemon holds none, so that is when it is signalled.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

#: select and pselect6 on x86-64, pselect6 on arm64.
_WAITING: Final = frozenset({"23", "270", "72"})
_PATIENCE: Final = 5.0
_RETRY: Final = 0.001


def signal_idle(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process of ours while it waits for its sockets.

    Being stopped, it cannot leave the call between the look and the signal. After five
    seconds without such a moment the signal is sent all the same.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        try:
            if _stopped(pid) and _system_call(pid) in _WAITING:
                os.kill(pid, number)
                return
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(_RETRY)
    os.kill(pid, number)


def _stopped(pid: int) -> bool:
    """Wait until a stop has taken effect; False if the process is ending."""
    while True:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "T":
            return True
        if state in ("Z", "X"):
            return False
        time.sleep(_RETRY / 10)


def _system_call(pid: int) -> str:
    return Path(f"/proc/{pid}/syscall").read_text().split()[0]
