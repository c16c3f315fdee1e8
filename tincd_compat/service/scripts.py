"""The administrator's scripts: tinc-up, host-up, subnet-up, and what they are told.

They run one after the other in the order of the events, each to its end or until its
kind's patience is over, while the daemon goes on with its packets.  Their results are
logged and never acted upon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, Subnet

#: Seconds after which a script that still runs is complained about.
SLOW_SCRIPT: Final = 30.0

#: Seconds for which a script of each kind keeps the next one from running.  Its order
#: must hold, but a script that never ends would keep all others back for ever.  It is
#: not killed: nobody but its author knows what it waits for.  tinc-up may wait for the
#: host's network, and keeps back the whole start.
SCRIPT_PATIENCE: Final[Mapping[str, float]] = {
    "tinc-up": 300.0,
    "tinc-down": 60.0,
    "host-up": 60.0,
    "host-down": 60.0,
    "hosts/NAME-up": 60.0,
    "hosts/NAME-down": 60.0,
    "subnet-up": 60.0,
    "subnet-down": 60.0,
}

#: Scripts that may go on beside the others when their patience is over.  With one more
#: the oldest is killed, or a script that always hangs would fill the process table.
MAX_LEFT: Final = 16

#: Scripts that may wait for their turn: all nodes of the largest mesh may come up at
#: once.  Peers cause them, so there is an end.
QUEUE_LIMIT: Final = 65_536

#: Seconds between looks at a script where the kernel has no pidfd_open (before 5.3).
_POLL_INTERVAL: Final = 0.05

#: The shell's status if a script is missing, or the shell itself inside a chroot.
_STATUS_NOT_FOUND: Final = 127
#: The shell's status for a script that it may not run.
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


def kind_of(name: str) -> str:
    """Return the kind of a script, a key of :data:`SCRIPT_PATIENCE`."""
    if name.startswith("hosts/"):
        return f"hosts/NAME-{name.rpartition('-')[2]}"
    return name


class ScriptWatcher(Protocol):
    """Hears what becomes of scripts.

    One that is overdue runs beside the next of its name: the number of its process says
    which run is meant.
    """

    def began(self, name: str, pid: int) -> None:
        """A script runs now."""

    def ended(self, name: str, pid: int, status: int) -> None:
        """A script has ended, with a negative status by a signal."""

    def not_started(self, name: str) -> None:
        """A script could not be started."""

    def overdue(self, name: str, pid: int) -> None:
        """The patience with a script is over, and it runs still."""

    def left_out(self, name: str) -> None:
        """There was no room for a script to wait."""


class _NoScriptListener:
    def began(self, name: str, pid: int) -> None: ...

    def ended(self, name: str, pid: int, status: int) -> None: ...

    def not_started(self, name: str) -> None: ...

    def overdue(self, name: str, pid: int) -> None: ...

    def left_out(self, name: str) -> None: ...


class LeftOut:
    """Counts scripts that are left out for want of room; a line tells of the first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        """Count so many scripts of the kind of ``name``."""
        if number and not self._counts:
            logs.always.error("Too many scripts are waiting, leaving out %s", name)
        if number:
            self._counts[kind_of(name)] += number

    def tell(self) -> None:
        """Say how many of each kind there were since the last time, if any."""
        if self._counts:
            logs.always.error("Scripts left out: %s", _counted(self._counts))
            self._counts.clear()


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


class ScriptRunner:
    """Runs scripts in the order in which they were asked for, one at a time."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        interpreter: Callable[[], str | None] = lambda: None,
    ) -> None:
        """``environment`` is the daemon's, to which a script's variables are added.

        ``interpreter`` returns the program that runs scripts, None for the kernel's
        choice; it is asked at each script.
        """
        #: The directory of the scripts; changes with a chroot.
        self.directory = directory
        #: ScriptsInterpreter; changes with a reload.
        self._interpreter = interpreter
        self._environment = {
            key: value for key, value in environment.items() if key not in VARIABLES
        }
        #: Hears of each script that begins, and of each that has come to something.
        self.watcher: ScriptWatcher = _NoScriptListener()
        self._queue: deque[tuple[str, Mapping[str, str]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._left_out = LeftOut()
        #: The script that runs: its name, its process, the event that ends the wait.
        self._current: (
            tuple[str, subprocess.Popen[bytes], asyncio.Future[None]] | None
        ) = None
        #: Scripts that are past their patience, the oldest first.
        self._left: dict[asyncio.Task[None], tuple[str, subprocess.Popen[bytes]]] = {}
        #: Scripts looked for since the loop last had control, and whether they exist.
        self._looked: dict[str, bool] = {}

    def absent(self, name: str) -> bool:
        """Tell whether :meth:`run` would do nothing about this script."""
        return not self._exists(name)

    def hide(self, variable: str) -> None:
        """Keep a variable of the daemon's from the scripts that follow."""
        self._environment.pop(variable, None)

    def run(self, name: str, variables: Mapping[str, str]) -> None:
        """Queue the script ``name``, e.g. ``hosts/beta-up``, unless it is absent."""
        if not self._exists(name):
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._left_out.add(name)
            self.watcher.left_out(name)
            return
        self._queue.append((name, variables))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def drain(
        self, seconds: float | None = None, hurry: asyncio.Event | None = None
    ) -> bool:
        """Wait until all scripts have ended, or their patience has.

        False if that takes longer than ``seconds``, or until ``hurry`` is set.
        """
        if self._worker is None:
            return True
        hurried = asyncio.ensure_future((hurry or asyncio.Event()).wait())
        try:
            await asyncio.wait(
                {self._worker, hurried},
                timeout=seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            hurried.cancel()
        return self._worker is None

    def drop(self) -> None:
        """Leave out waiting scripts, stop waiting for the running one; log both."""
        what = []
        if self._current is not None:
            name, process, enough = self._current
            what.append(f"{name} (pid {process.pid}) still runs")
            if not enough.done():
                enough.set_result(None)
        if self._queue:
            waiting = Counter(kind_of(name) for name, _ in self._queue)
            what.append(f"{len(self._queue)} left out ({_counted(waiting)})")
            self._queue.clear()
        if what:
            logs.always.warning(
                "Not waiting any longer for scripts to finish: %s", "; ".join(what)
            )

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
        if self._interpreter() is not None or executable:
            return ""
        return f" (`chmod +x {path}' makes it executable)"

    async def _work(self) -> None:
        try:
            while self._queue:
                name, variables = self._queue.popleft()
                if len(self._queue) <= QUEUE_LIMIT // 2:
                    self._left_out.tell()
                # Looked for again, since an earlier script may have taken it away.
                if self._exists(name):
                    await self._execute(name, variables)
        finally:
            self._worker = None

    async def _execute(self, name: str, variables: Mapping[str, str]) -> None:
        logs.status.info("Executing script %s", name)
        process = self._start(name, variables)
        if process is None:
            self.watcher.not_started(name)
            return
        self.watcher.began(name, process.pid)
        loop = asyncio.get_running_loop()
        attending = loop.create_task(self._attend(name, process))
        enough = loop.create_future()
        self._current = name, process, enough
        slow = loop.call_later(SLOW_SCRIPT, _complain_slow, name)
        patience = SCRIPT_PATIENCE[kind_of(name)]
        try:
            await asyncio.wait(
                {attending, enough},
                timeout=patience,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._current = None
            slow.cancel()
        if attending.done():
            attending.result()
            return
        if not enough.done():
            logs.always.warning(
                "Script %s (pid %d) has not finished after %d seconds, going on "
                "without it",
                name,
                process.pid,
                patience,
            )
            self.watcher.overdue(name, process.pid)
        self._leave(attending, name, process)

    def _leave(
        self, attending: asyncio.Task[None], name: str, process: subprocess.Popen[bytes]
    ) -> None:
        """Let a script go on by itself, and kill the oldest of too many such."""
        self._left[attending] = name, process
        attending.add_done_callback(self._left.pop)
        if len(self._left) > MAX_LEFT:
            oldest, victim = next(iter(self._left.values()))
            logs.always.error(
                "Killing script %s (pid %d): %d others have not finished either",
                oldest,
                victim.pid,
                MAX_LEFT,
            )
            _kill(victim)

    def _start(
        self, name: str, variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | None:
        command = script_command(self._path(name), self._interpreter())
        try:
            # Not asyncio's subprocess: that kills what still runs when the loop ends,
            # and a tinc-down that outlasts the daemon has to finish.  Standard streams
            # are the daemon's, all other descriptors are closed.
            return subprocess.Popen(command, env={**self._environment, **variables})
        except FileNotFoundError:
            _log_result(name, _STATUS_NOT_FOUND)
        except OSError as error:
            logs.always.error("System call `system' failed: %s", error.strerror)
        return None

    async def _attend(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a script and log what came of it."""
        try:
            status = await _ended(process)
        except asyncio.CancelledError:
            # It outlasts the daemon, which Popen need not warn of.
            process.returncode = 0
            raise
        self.watcher.ended(name, process.pid, status)
        denied = status == _STATUS_NOT_EXECUTABLE
        _log_result(name, status, self._advice(name) if denied else "")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a script: the child of the shell, which then says so, or what is left."""
    task = f"/proc/{process.pid}/task/{process.pid}"
    try:
        children = Path(f"{task}/children").read_text().split()
    except OSError:
        children = []
    for child in children or (process.pid,):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


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
