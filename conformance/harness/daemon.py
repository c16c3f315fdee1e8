"""One tincd, ours or the C one, with everything it may touch in one directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from conformance.harness.checks import (
    expect,
    expect_equal,
    footprint,
    key_complaints,
    log_complaints,
)
from conformance.harness.dumps import (
    CONNECTIONS_BLOCK,
    TABLES_BLOCK,
    Dump,
    NodeRow,
    parse_dump,
)
from conformance.harness.kinds import Kind, command
from conformance.harness.logfile import Log
from conformance.harness.netns import Namespace
from conformance.harness.processes import Processes
from conformance.harness.signals import signal_idle
from conformance.harness.waits import Failed, say, wait_for

#: The netname of every node; it also names the device inside the namespace.
NETNAME: Final = "vpn"

READY_LIMIT: Final = 60.0
STOP_LIMIT: Final = 15.0
#: A dump of thousands of nodes on a busy machine.
ANSWER_LIMIT: Final = 20.0
#: A handshake, its first retry and a busy machine.
REACHABLE_LIMIT: Final = 30.0
#: Discovery may take its full 30 steps of a second.
PMTU_LIMIT: Final = 45.0


def daemon_environment() -> dict[str, str]:
    """Return the same small environment for both kinds.

    Scripts inherit it, so nothing of the caller's shell may be in it. Switches of our
    daemon (TINCD_COMPAT_...) pass, so the suite can run against either data plane.
    """
    passed = {k: v for k, v in os.environ.items() if k.startswith("TINCD_COMPAT_")}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONWARNINGS": "default::ResourceWarning",
        "PYTHONFAULTHANDLER": "1",
        **passed,
    }


class TincNode:
    """A daemon that can be started, asked, hurt and stopped.

    :param directory: holds ``etc`` (the configuration, given with ``-c``), the pid
        file, the log and what the process wrote to stderr
    :param outer: its addresses on the networks under the tunnel
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        namespace: Namespace,
        directory: Path,
        processes: Processes,
        *,
        outer: Sequence[str],
        address: str,
        address6: str,
        debug: int,
    ) -> None:
        self.name = name
        self.kind = kind
        self.namespace = namespace
        self.directory = directory
        self.outer = tuple(outer)
        self.address = address
        self.address6 = address6
        self.debug = debug
        self.etc = directory / "etc"
        self.pidfile = directory / "pid"
        #: Words before the command: a program that ends by becoming the daemon.
        self.wrapper: tuple[str, ...] = ()
        #: Variables that it gets beside the usual ones.
        self.environment: dict[str, str] = {}
        #: ``time.monotonic()`` of the last start.
        self.started = 0.0
        self.log = Log(directory / f"{name}.log")
        self._stderr = directory / f"{name}.err"
        self._processes = processes
        self._child: subprocess.Popen[bytes] | None = None
        self._before: Mapping[str, object] = {}

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self, *options: str, wait: bool = True) -> None:
        """Start it in the foreground, and wait for its ``Ready``."""
        if self.alive:
            raise Failed(f"{self.name} is already running")
        self._before = footprint(self.namespace, self.etc)
        mark = self.log.mark()
        argv = [
            *self.wrapper,
            *command(self.kind),
            "-D",
            *("-c", str(self.etc)),
            *("-n", NETNAME),
            f"-d{self.debug}",
            f"--pidfile={self.pidfile}",
            f"--logfile={self.log.path}",
            *options,
        ]
        self.started = time.monotonic()
        with self._stderr.open("ab") as stderr:
            self._child = self._processes.start(
                self.namespace.command(*argv),
                what=f"{self.name} ({self.kind})",
                stdout=stderr,
                stderr=stderr,
                env={**daemon_environment(), **self.environment},
                cwd=Path("/"),
            )
        if wait:
            self.wait_ready(mark)

    def wait_ready(self, since: int = 0) -> None:
        """Wait for ``Ready``; a daemon that has died by then fails at once."""

        def ready() -> bool:
            if self.log.has(r"^Ready$", since):
                return True
            self._running()
            return False

        wait_for(f"{self.name}: Ready", ready, READY_LIMIT)

    def stop(self) -> None:
        """End it by SIGTERM: status 0, pid file gone, nothing left behind."""
        child = self._running()
        self.signal(signal.SIGTERM)
        started = time.monotonic()
        try:
            status = child.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            raise Failed(
                f"{self.name} still runs {STOP_LIMIT:g} s after SIGTERM; "
                f"its log ends with:\n{self.log.tail()}"
            ) from None
        say(f"  {time.monotonic() - started:6.2f} s  {self.name} stopped")
        expect_equal(f"exit status of {self.name}", status, 0)
        expect(not self.pidfile.exists(), f"{self.name} left its pid file")
        self._check_footprint()

    def kill(self) -> None:
        """End it by SIGKILL; the pid file stays behind, as it would in the field."""
        child = self._running()
        child.kill()
        child.wait(STOP_LIMIT)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; to C when it can take one."""
        child = self._running()
        if self.kind is Kind.C:
            signal_idle(child.pid, number)
        else:
            child.send_signal(number)

    def descriptors(self) -> int:
        """Return how many file descriptors it holds open."""
        return len(self._descriptors())

    def highest_descriptor(self) -> int:
        return max(self._descriptors())

    def complaints(self) -> list[str]:
        """Return what in the output of our own daemon is a fault by itself."""
        if self.kind is Kind.C:
            return []
        paths = [self.log.path, self._stderr]
        private = self.etc / "rsa_key.priv"
        return [
            *log_complaints(self.name, paths),
            *key_complaints(self.name, paths, private),
        ]

    def dump(self) -> Dump:
        """Ask with SIGUSR1 and SIGUSR2, and read the answers from the log."""
        mark = self.log.mark()
        self.signal(signal.SIGUSR1)
        connections = self._answer(CONNECTIONS_BLOCK.search, mark, "SIGUSR1")
        self.signal(signal.SIGUSR2)
        tables = self._answer(TABLES_BLOCK.search, mark, "SIGUSR2")
        return parse_dump(connections, tables)

    def row(self, peer: str) -> NodeRow | None:
        """Return what it knows of a node now, None if nothing."""
        return self.dump().nodes.get(peer)

    def wait_dump(
        self, what: str, condition: Callable[[Dump], bool], limit: float
    ) -> None:
        """Wait until what it dumps satisfies a condition."""
        wait_for(
            f"{self.name}: {what}", lambda: condition(self.dump()), limit, every=0.1
        )

    def wait_row(
        self,
        peer: str,
        what: str,
        condition: Callable[[NodeRow], bool],
        limit: float,
    ) -> NodeRow:
        """Wait until the table row of a node satisfies a condition."""

        def look() -> NodeRow | None:
            row = self.row(peer)
            return row if row is not None and condition(row) else None

        return wait_for(f"{self.name}: {peer} {what}", look, limit, every=0.2)

    def wait_reachable(self, *peers: str, limit: float = REACHABLE_LIMIT) -> None:
        for peer in peers:
            self.wait_row(peer, "reachable", lambda row: row.reachable, limit)

    def wait_unreachable(self, peer: str, limit: float = REACHABLE_LIMIT) -> None:
        """Wait until a node is unreachable or forgotten."""

        def gone() -> bool:
            row = self.row(peer)
            return row is None or not row.reachable

        wait_for(f"{self.name}: {peer} unreachable", gone, limit, every=0.2)

    def wait_pmtu(self, *peers: str, limit: float = PMTU_LIMIT) -> int:
        """Wait until data to the nodes rides UDP at a settled size; return the last.

        C probes once a second, with sizes that it draws by lot: five seconds or more.
        """
        mtu = 0
        for peer in peers:
            row = self.wait_row(
                peer, "path MTU fixed", lambda row: row.mtu_fixed, limit
            )
            mtu = row.mtu
        return mtu

    def wait_connected(self, peers: Sequence[str], limit: float) -> None:
        """Wait until exactly these connections are active."""
        wait_for(
            f"{self.name}: connected to {', '.join(peers) or 'nobody'}",
            lambda: self.dump().peers() == sorted(peers),
            limit,
            every=0.2,
        )

    def _answer(
        self,
        search: Callable[[str], re.Match[str] | None],
        mark: int,
        what: str,
    ) -> re.Match[str]:
        limit = time.monotonic() + ANSWER_LIMIT
        while (found := search(self.log.text(mark))) is None:
            if not self.alive:
                raise Failed(f"{self.name} died; its log ends with:\n{self.log.tail()}")
            if time.monotonic() > limit:
                raise Failed(f"{self.name} gave no complete answer to {what}")
            time.sleep(0.01)
        return found

    def note_files(self) -> None:
        """Take the files of its directory for those that were there at its start.

        An administrator has added some meanwhile.
        """
        what = "the configuration directory"
        found = footprint(self.namespace, self.etc)[what]
        self._before = {**self._before, what: found}

    def _check_footprint(self) -> None:
        after = footprint(self.namespace, self.etc)
        for what, value in self._before.items():
            expect_equal(f"{what} after {self.name} has stopped", after[what], value)

    def _descriptors(self) -> list[int]:
        return [int(path.name) for path in Path(f"/proc/{self.pid}/fd").iterdir()]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            status = None if self._child is None else self._child.returncode
            raise Failed(
                f"{self.name} is not running (exit status {status}); its log ends "
                f"with:\n{self.log.tail()}\n{self._stderr_tail()}"
            )
        return self._child

    def _stderr_tail(self) -> str:
        return Log(self._stderr).tail()
