"""A whole daemon without a kernel, and everything around it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.config.samples import private_pem
from tests.daemon.descriptors import FakeDevice, FakeUdp
from tests.daemon.fakes import PLACES, SilentLog, start_options
from tests.daemon.logged import shown
from tests.transport.fakes import FakeLoop, FakeSocket
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.parser import read_server_config
from tincd_compat.config.settings import Settings
from tincd_compat.daemon import control_listener, parts
from tincd_compat.daemon import daemon as module
from tincd_compat.daemon.daemon import Daemon
from tincd_compat.daemon.listening import Pair
from tincd_compat.daemon.statusline import PROGRAM
from tincd_compat.device.base import Device
from tincd_compat.errors import DeviceError
from tincd_compat.service import privileges
from tincd_compat.service.control_socket import ControlSocket, Peer
from tincd_compat.service.notify import Notifier
from tincd_compat.service.scripts import ScriptRunner

Interpreter = Callable[[], str | None]


class Scripts(ScriptRunner):
    """Writes down the scripts; they take until ``over`` is set."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(Path("/nowhere"), {})
        self._log = log
        self.over = asyncio.Event()
        self.over.set()

    def absent(self, name: str) -> bool:
        return False

    def run(self, name: str, variables: Mapping[str, str]) -> None:
        subnet = variables.get("SUBNET")
        self._log.append(name if subnet is None else f"{name} {subnet}")

    def hide(self, variable: str) -> None:
        self._log.append(f"without {variable}")

    async def drain(
        self, seconds: float | None = None, hurry: asyncio.Event | None = None
    ) -> bool:
        self._worker = (
            None if self.over.is_set() else asyncio.ensure_future(self._end())
        )
        return await super().drain(seconds, hurry)

    async def _end(self) -> None:
        await self.over.wait()
        self._worker = None

    def drop(self) -> None:
        self._log.append("dropped")
        self._worker = None


class FakeWatch:
    """A watch of the host's network; :meth:`change` is what the kernel would tell."""

    def __init__(self) -> None:
        self.index: int | None = None
        self.watching = False
        self._changed: Callable[[], None]

    def __call__(self, index: int, changed: Callable[[], None]) -> FakeWatch:
        """Be made by the daemon, as the real one is."""
        self.index, self._changed = index, changed
        return self

    def start(self) -> None:
        self.watching = True

    def stop(self) -> None:
        self.watching = False

    def change(self) -> None:
        """Let the network be another one, for those who look."""
        if self.watching:
            self._changed()


class FakeControl:
    """The control socket; ``peer`` is who asks, ``places`` where it was opened."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.peer = Peer(1, 0, 0)
        self.places: list[tuple[Path, int | None]] = []
        self.error: OSError | None = None
        self.listening: FakeSocket

    def open(self, path: Path, group: int | None) -> ControlSocket:
        self.places.append((path, group))
        if self.error is not None:
            raise self.error
        self.listening = FakeSocket(self._loop.new_descriptor(), socket.AF_UNIX)
        return ControlSocket(path, self.listening.socket, (0, 0))

    def come(self) -> FakeSocket:
        """Let an operator connect."""
        client = FakeSocket(self._loop.new_descriptor(), socket.AF_UNIX)
        self.listening.callers.append((client, ()))
        self._loop.readable(self.listening.descriptor)
        return client

    def ask(self, target: str, method: str = "GET") -> tuple[int, list[Any]]:
        """Ask once; return the status and the records of the answer."""
        client = self.come()
        request = f"{method} {target} HTTP/1.0\r\nHost: d\r\n\r\n"
        client.incoming.append(request.encode())
        self._loop.readable(client.descriptor)
        head, _, body = bytes(client.sent).partition(b"\r\n\r\n")
        return int(head.split()[1]), [json.loads(line) for line in body.splitlines()]


class Life:
    """A daemon called us, and everything around it.

    ``log`` has what the outside sees, in order.
    """

    def __init__(self, loop: FakeLoop, directory: Path) -> None:
        self.loop = loop
        self.directory = directory
        self.log: list[str] = []
        self.scripts = Scripts(self.log)
        self.device = FakeDevice(loop.new_descriptor())
        self.device.close = lambda: self.log.append("device closed")  # type: ignore[method-assign]
        self.tcp = FakeSocket(loop.new_descriptor())
        self.udp = FakeUdp(loop.new_descriptor())
        self.notifier = Notifier(self.log.append, None)
        self.watch = FakeWatch()
        self.control = FakeControl(loop)
        self.silent_log = SilentLog()
        self.device_error: DeviceError | None = None
        self.listen_error: Exception | None = None
        self.dropped: list[tuple[str | None, Path | None]] = []
        self.daemon: Daemon
        self.interpreter: Interpreter
        self.result: asyncio.Task[int]
        self.write("")
        key = directory / "rsa_key.priv"
        key.write_bytes(private_pem())
        key.chmod(0o600)

    def surround(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put all this in the place of what a daemon opens and changes."""
        monkeypatch.setattr(module, "open_device", self.open_device)
        monkeypatch.setattr(module, "open_pairs", self.open_pairs)
        monkeypatch.setattr(module, "open_notifier", lambda *_: self.notifier)
        monkeypatch.setattr(parts, "ScriptRunner", self.make_scripts)
        monkeypatch.setattr(module, "NetworkWatch", self.watch)
        monkeypatch.setattr(parts, "original_environment", dict)
        monkeypatch.setattr(module, "wall_time", lambda: 1.7e9 + self.loop.now)
        monkeypatch.setattr(module, "boot_time", self.loop.time)
        monkeypatch.setattr(control_listener, "open_control_socket", self.control.open)
        monkeypatch.setattr(control_listener, "peer_of", lambda _: self.control.peer)
        monkeypatch.setattr(
            privileges, "drop", lambda *given: self.dropped.append(given)
        )
        monkeypatch.setattr(
            privileges, "allow_growth", lambda: self.log.append("memory may grow")
        )
        monkeypatch.setattr(
            privileges, "set_priority", lambda nice: self.log.append(f"nice {nice}")
        )

    def write(self, text: str, host: str = "Subnet = 10.1.0.0/24\n") -> None:
        """Write tinc.conf and our own host file."""
        (self.directory / "hosts").mkdir(exist_ok=True)
        (self.directory / "tinc.conf").write_text(f"Name = us\n{text}")
        (self.directory / "hosts" / "us").write_text(host)

    def start(self, **options: Any) -> None:
        values = {"log": self.silent_log, "ready": lambda: self.log.append("released")}
        given = start_options(self.directory, **{**values, **options})
        entries = read_server_config(self.directory, ())
        self.daemon = self.loop.call(Daemon, given, entries)
        self.result = self.loop.create_task(self.daemon.run())
        self.loop.settle()

    def open_device(self, _options: object) -> Device:
        if self.device_error is not None:
            raise self.device_error
        self.log.append("device open")
        return self.device

    def open_pairs(self, _settings: Settings) -> list[Pair]:
        if self.listen_error is not None:
            raise self.listen_error
        self.log.append("listening")
        address = SocketAddress("10.0.0.1", 4711)
        return [Pair(address, self.tcp.socket, self.udp)]  # type: ignore[arg-type]

    def make_scripts(
        self, _directory: Path, _environment: object, interpreter: Interpreter
    ) -> Scripts:
        self.interpreter = interpreter
        return self.scripts

    def signal(self, name: str) -> None:
        self.loop.signal(getattr(signal, f"SIG{name}"))

    def take(self) -> list[str]:
        log = self.log[:]
        self.log.clear()
        return log

    def end(self) -> int:
        self.signal("TERM")
        return self.loop.run_until_complete(self.result)

    def call(self) -> FakeSocket:
        """Let somebody connect."""
        caller = FakeSocket(self.loop.new_descriptor())
        self.tcp.callers.append((caller, ("10.0.0.2", 40000)))
        self.loop.readable(self.tcp.descriptor)
        return caller

    def find_a_peer_in_a_storm(self) -> None:
        """Let edges with a peer be known while the run for its path is put off."""
        mesh, runs = self.daemon.parts.mesh, self.daemon.parts.control.runs
        runs.change(loss=False)
        runs.batch_done()
        ends = mesh.myself, mesh.get_or_add("peer")
        for source, target in (ends, ends[::-1]):
            mesh.add_edge(source, target, PLACES[target.name], 0xC, 1)
        runs.change(loss=False)
        runs.batch_done()
        assert not ends[1].reachable

    def tasks(self) -> list[str]:
        """Return the names of the ConnectTo that are pursued."""
        names = (task.get_name() for task in asyncio.all_tasks(self.loop))
        return sorted(name for name in names if name.startswith("ConnectTo"))


START = [
    "device open",
    "released",
    "tinc-up",
    "subnet-up 10.1.0.0/24",
    "listening",
    f"READY=1\nSTATUS={PROGRAM}: ready, listening on 1 addresses",
]
END = ["STOPPING=1", "subnet-down 10.1.0.0/24", "tinc-down", "device closed"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Take the lines that are shown at debug level 0, without the dumps."""
    return shown(caplog, logs.always)
