"""The nets that run on this host, by the sockets of their daemons."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tincd_compat.admin import client
from tincd_compat.admin.client import Client, Unanswered
from tincd_compat.config.paths import instance_paths

#: Where daemons have their pid files, and sockets beside them.
RUNTIME: Final = Path("/run")


def socket_of(net: str, runtime: Path = RUNTIME) -> Path:
    """Return the socket beside the pid file of a net; "" is tincd without one."""
    return runtime / instance_paths(net or None).pid_file.with_suffix(".sock").name


def net_of(path: Path) -> str | None:
    """Return the net whose socket this is by its name, None if it is of no daemon."""
    if path.name == "tinc.sock":
        return ""
    if path.name.startswith("tinc.") and path.name.endswith(".sock"):
        return path.name[len("tinc.") : -len(".sock")]
    return None


def running(runtime: Path = RUNTIME) -> list[str]:
    """Return the nets that have a socket, in the order of their names."""
    found = (net_of(path) for path in runtime.glob("tinc*.sock"))
    return sorted(net for net in found if net is not None)


def chosen(
    net: str | None,
    path: Path | None,
    runtime: Path = RUNTIME,
    alive: Callable[[int], bool] | None = None,
) -> list[Client]:
    """Return a client for each net that is meant.

    That is the one named, the one at ``path``, or else all that run.  Unanswered if
    there is none, with what is there instead.
    """
    if path is not None:
        name = net if net is not None else net_of(path) or ""
        return [Client(name, client.over(path, name))]
    if net is not None:
        name = "" if net == "." else net
        place = socket_of(name, runtime)
        if not os.path.lexists(place):
            raise Unanswered(_absent(name, place, alive or _alive))
        return [Client(name, client.over(place, name))]
    nets = running(runtime)
    if not nets:
        raise Unanswered(_nothing(runtime, alive or _alive))
    return [Client(name, client.over(socket_of(name, runtime), name)) for name in nets]


def _absent(net: str, place: Path, alive: Callable[[int], bool]) -> str:
    pid = _pid(place.with_suffix(".pid"))
    if pid is not None and alive(pid):
        return (
            f"process {pid} runs this net, but has no control socket at {place}: it is "
            "C tincd, or has ControlSocket = no, or another path (--socket FILE)"
        )
    return client.trouble(2, place, net)


def _nothing(runtime: Path, alive: Callable[[int], bool]) -> str:
    for path in sorted(runtime.glob("tinc*.pid")):
        net = net_of(path.with_suffix(".sock"))
        if net is not None and (pid := _pid(path)) is not None and alive(pid):
            return _absent(net, path.with_suffix(".sock"), alive)
    return (
        f"no tincd is running: there is no {runtime}/tinc*.sock "
        "(systemctl start tinc@NET; for another path use --socket FILE)"
    )


def _pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _alive(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()
