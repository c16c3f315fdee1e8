"""The way that the kernel sends packets to an address: what the daemon does not see."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tincd_compat.admin.text import clean

#: ``ip`` answers at once, or the system is in trouble.
_PATIENCE: Final = 5.0

#: Run a command: arguments to exit status, output and error.
Run = Callable[[Sequence[str]], tuple[int, str, str]]


class Route(NamedTuple):
    """Where the kernel sends packets to an address, as far as that can be told."""

    destination: str
    device: str | None
    gateway: str | None
    trouble: str | None

    def text(self) -> str:
        """Return ``10.0.3.0/24 dev vpn``."""
        words = clean(self.destination)
        if self.gateway:
            words += f" via {clean(self.gateway)}"
        if self.device:
            words += f" dev {clean(self.device)}"
        return words


def run(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a command to its end."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


def route_to(address: str, run: Run = run) -> Route | None:
    """Return the kernel's route to an address; None where ``ip`` cannot tell.

    ``fibmatch`` asks for the route itself, and not for what is remembered of it.
    """
    try:
        status, out, error = run(["ip", "-j", "route", "get", "fibmatch", address])
    except (OSError, subprocess.SubprocessError):
        return None
    if status:
        words = error.strip().removeprefix("RTNETLINK answers: ")
        return Route(address, None, None, clean(words or "no route"))
    try:
        found: Any = json.loads(out)
    except ValueError:
        return None
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return None
    row = found[0]
    kind = row.get("type")
    trouble = None
    if kind in ("unreachable", "blackhole", "prohibit", "throw"):
        trouble = f"the route is of type {kind}"
    return Route(
        str(row.get("dst", address)), row.get("dev"), row.get("gateway"), trouble
    )


def device_trouble(name: str, run: Run = run) -> str | None:
    """Return what is wrong with a network device, None if nothing is seen."""
    try:
        status, out, _ = run(["ip", "-j", "link", "show", "dev", name])
    except (OSError, subprocess.SubprocessError):
        return None
    if status:
        return f"there is no device {clean(name)}"
    try:
        rows: Any = json.loads(out)
        flags = rows[0]["flags"]
    except (ValueError, LookupError, TypeError):
        return None
    if "UP" not in flags:
        return f"{clean(name)} is down: ip link set {clean(name)} up"
    return None
