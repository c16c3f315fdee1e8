"""The administrator's scripts: tinc-up, host-up, subnet-up, and what they are told.

They run one after the other in the order of the events, each to its end, while the
daemon goes on with its packets.  Their results are logged and never acted upon.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, Subnet

#: Seconds after which a script that still runs is complained about.  It is not killed:
#: nobody but its author knows what it waits for, and the order must hold.
SLOW_SCRIPT: Final = 30.0

#: Events that may wait for a slow script.  Peers cause them, so there is an end.
QUEUE_LIMIT: Final = 16384

#: Seconds between looks at a script where the kernel has no pidfd_open (before 5.3).
_POLL_INTERVAL: Final = 0.05

#: What the shell answers when there is nothing to run, e.g. itself inside a chroot.
_STATUS_NOT_FOUND: Final = 127
#: Its answer to what it may not run.
_STATUS_NOT_EXECUTABLE: Final = 126

VARIABLES: Final = (
    "NETNAME",
    "NAME",
    "DEVICE",
    "INTERFACE",
    "NODE",
    "REMOTEADDRESS",
    "REMOTEPORT",
    "SUBNET",
    "WEIGHT",
)


def script_environment(
    *,
    netname: str | None,
    name: str,
    device: str | None,
    interface: str | None,
    node: str | None = None,
    address: SocketAddress | None = None,
    subnet: Subnet | None = None,
) -> dict[str, str]:
    """Return the variables of one script (tinc.conf(5), SCRIPTS).

    ``node`` and ``address`` belong to the host and subnet scripts, the address not to
    those about the own node; ``subnet`` only to the subnet scripts.
    """
    variables = {
        "NETNAME": netname or "",
        "NAME": name,
        "DEVICE": device or "",
        "INTERFACE": interface or "",
    }
    if node is not None:
        variables["NODE"] = node
    if address is not None:
        variables["REMOTEADDRESS"] = address.host
        variables["REMOTEPORT"] = str(address.port)
    if subnet is not None:
        variables["SUBNET"] = subnet.net
        variables["WEIGHT"] = str(subnet.weight)
    return variables


def script_command(path: Path, interpreter: str | None) -> list[str]:
    """Return the command that runs ``path``.

    The shell is there for files without ``#!``, which the kernel refuses and the shell
    runs itself.  It gets the path as a value, so that no character in it means
    anything; an interpreter is the administrator's own piece of shell.
    """
    prefix = f"{interpreter} " if interpreter else ""
    return ["/bin/sh", "-c", f'{prefix}"$0"', str(path)]


class ScriptRunner:
    """Runs scripts in the order in which they were asked for, one at a time."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        interpreter: str | None = None,
    ) -> None:
        """``environment`` is the daemon's, to which a script's variables are added."""
        #: Where the scripts are; changes with a chroot.
        self.directory = directory
        #: ScriptsInterpreter; changes with a reload.
        self.interpreter = interpreter
        self._environment = {
            key: value for key, value in environment.items() if key not in VARIABLES
        }
        self._queue: deque[tuple[str, Mapping[str, str]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._overflowed = False
        #: What was found since control was last given back to the loop.
        self._looked: dict[str, bool] = {}

    def absent(self, name: str) -> bool:
        """Tell whether :meth:`run` would do nothing about this script."""
        return self._worker is None and not self._exists(name)

    def hide(self, variable: str) -> None:
        """Keep a variable of the daemon's from the scripts that follow."""
        self._environment.pop(variable, None)

    def run(self, name: str, variables: Mapping[str, str]) -> None:
        """Queue the script ``name``, e.g. ``hosts/beta-up``; it may be absent."""
        if self._worker is None:
            if not self._exists(name):
                return
            self._queue.append((name, variables))
            self._worker = asyncio.get_running_loop().create_task(self._work())
        elif len(self._queue) < QUEUE_LIMIT:
            self._queue.append((name, variables))
        elif not self._overflowed:
            self._overflowed = True
            logs.always.error("Too many scripts are waiting, leaving out %s", name)

    async def drain(self, seconds: float | None = None) -> bool:
        """Wait until all scripts have ended; False if they have not in ``seconds``."""
        if self._worker is None:
            return True
        await asyncio.wait({self._worker}, timeout=seconds)
        return self._worker is None

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _exists(self, name: str) -> bool:
        """Look for a script, once for all events that one message or run brings.

        There may be tens of thousands, which take no time in which a file could come
        or go.  What cannot be looked at, as after a change of user, counts as absent.
        """
        found = self._looked.get(name)
        if found is None:
            if not self._looked:
                asyncio.get_running_loop().call_soon(self._looked.clear)
            found = self._looked[name] = os.path.exists(f"{self.directory}/{name}")
        return found

    def _advice(self, name: str) -> str:
        """Return what to do about a script that could not be run."""
        path = self._path(name)
        try:
            executable = path.stat().st_mode & 0o111
        except OSError:
            return ""
        if self.interpreter is not None or executable:
            return ""
        return f" (`chmod +x {path}' makes it executable)"

    async def _work(self) -> None:
        try:
            while self._queue:
                name, variables = self._queue.popleft()
                # Looked for now, since an earlier script may have put it there.
                if self._exists(name):
                    await self._execute(name, variables)
        finally:
            self._worker = None
            self._overflowed = False

    async def _execute(self, name: str, variables: Mapping[str, str]) -> None:
        logs.status.info("Executing script %s", name)
        command = script_command(self._path(name), self.interpreter)
        loop = asyncio.get_running_loop()
        slow = loop.call_later(SLOW_SCRIPT, _complain_slow, name)
        try:
            # Not asyncio's subprocess: that kills what still runs when the loop ends,
            # and a tinc-down that outlasts the daemon has to finish.  Standard streams
            # are the daemon's, all other descriptors are closed.
            process = subprocess.Popen(  # noqa: ASYNC220
                command, env={**self._environment, **variables}
            )
            status = await _ended(process)
            denied = status == _STATUS_NOT_EXECUTABLE
            _log_result(name, status, self._advice(name) if denied else "")
        except FileNotFoundError:
            _log_result(name, _STATUS_NOT_FOUND)
        except OSError as error:
            logs.always.error("System call `system' failed: %s", error.strerror)
        finally:
            slow.cancel()


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """Return the status once the process has ended; negative means a signal."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        while process.poll() is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_INTERVAL)
        return process.wait()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


def _complain_slow(name: str) -> None:
    logs.always.warning(
        "Script %s has not finished after %d seconds", name, SLOW_SCRIPT
    )


def _log_result(name: str, status: int, advice: str = "") -> None:
    if status > 0:
        logs.always.error(
            "Script %s exited with non-zero status %d%s", name, status, advice
        )
    elif status < 0:
        text = signal.strsignal(-status) or "Unknown signal"
        logs.always.error("Script %s was killed by signal %d (%s)", name, -status, text)
