"""The life of a daemon, without a kernel: start, time, signals, reload, end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.config.samples import private_pem
from tests.daemon.descriptors import FakeDevice, FakeUdp
from tests.daemon.fakes import SilentLog, start_options
from tests.transport.fakes import FakeLoop, FakeSocket
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.parser import Entry, read_server_config
from tincd_compat.config.settings import Settings
from tincd_compat.daemon import daemon as module
from tincd_compat.daemon import run
from tincd_compat.daemon.daemon import STOP_PATIENCE, Daemon
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.listening import Pair
from tincd_compat.device.base import Device
from tincd_compat.errors import ConfigError, DeviceError
from tincd_compat.service import privileges
from tincd_compat.service.notify import Notifier
from tincd_compat.service.scripts import ScriptRunner
from tincd_compat.service.start import StartOptions


class Scripts(ScriptRunner):
    """Writes down the scripts; they take as long as ``busy`` is set."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(Path("/nowhere"), {})
        self._log = log
        self.busy = False

    def absent(self, name: str) -> bool:
        return False

    def run(self, name: str, variables: Mapping[str, str]) -> None:
        subnet = variables.get("SUBNET")
        self._log.append(name if subnet is None else f"{name} {subnet}")

    async def drain(self, seconds: float | None = None) -> bool:
        if not self.busy:
            return True
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return False
        raise AssertionError


class NoWatch:
    """Nothing happens in the host's network."""

    def __init__(self, _index: int, changed: Callable[[], None]) -> None:
        self.changed = changed

    def start(self) -> None:
        """Nothing to watch."""

    async def stop(self) -> None:
        """Nothing was watched."""


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
        self.silent_log = SilentLog()
        self.device_error: DeviceError | None = None
        self.listen_error: Exception | None = None
        self.dropped: list[tuple[str | None, Path | None]] = []
        self.daemon: Daemon
        self.result: asyncio.Task[int]
        self.write("")
        key = directory / "rsa_key.priv"
        key.write_bytes(private_pem())
        key.chmod(0o600)

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

    def tasks(self) -> list[str]:
        """Return the names of the ConnectTo that are pursued."""
        names = (task.get_name() for task in asyncio.all_tasks(self.loop))
        return sorted(name for name in names if name.startswith("ConnectTo"))


@pytest.fixture
def life(loop: FakeLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    life = Life(loop, tmp_path)
    monkeypatch.setattr(module, "open_device", life.open_device)
    monkeypatch.setattr(module, "open_pairs", life.open_pairs)
    monkeypatch.setattr(module, "open_notifier", lambda *_: life.notifier)
    monkeypatch.setattr(module, "ScriptRunner", lambda *_: life.scripts)
    monkeypatch.setattr(module, "NetworkWatch", NoWatch)
    monkeypatch.setattr(module, "original_environment", dict)
    monkeypatch.setattr(privileges, "drop", lambda *given: life.dropped.append(given))
    monkeypatch.setattr(
        privileges, "set_priority", lambda nice: life.log.append(f"nice {nice}")
    )
    return life


START = [
    "device open",
    "released",
    "tinc-up",
    "subnet-up 10.1.0.0/24",
    "listening",
    "READY=1\nSTATUS=Ready, listening on 1 addresses",
]
END = ["STOPPING=1", "subnet-down 10.1.0.0/24", "tinc-down", "device closed"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Take the lines that are shown at debug level 0, without the dumps."""
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name == logs.always.name and record.levelno > logging.DEBUG
    ]
    caplog.clear()
    return lines


# Start and end.


def test_a_whole_life(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    assert life.take() == START
    assert told(caplog) == ["Ready"]
    assert life.end() == 0
    assert life.take() == END
    assert told(caplog) == ["Got TERM signal", "Terminating"]
    assert life.tcp.closed
    assert life.udp.closed
    assert life.loop.readers == {}


def test_packets_that_are_not_protected(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.write("Cipher = none\nMACLength = 0\n")
    life.start()
    unsafe, forgeable, *rest = told(caplog)
    assert unsafe.startswith("Cipher = none")
    assert forgeable.startswith("MACLength = 0")
    assert rest == ["Ready"]
    life.signal("HUP")
    assert told(caplog) == ["Got HUP signal"]
    life.end()


def test_statistics_at_the_end(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.end()
    assert "Statistics for fake fake:" in caplog.messages


@pytest.mark.parametrize("name", ["TERM", "QUIT"])
def test_signals_that_end_it(life: Life, name: str) -> None:
    life.start()
    life.signal(name)
    life.signal(name)
    assert life.loop.run_until_complete(life.result) == 0


def test_an_end_during_tinc_up(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.scripts.busy = True
    life.start()
    for name in ("HUP", "ALRM", "WINCH", "USR1", "USR2"):
        life.signal(name)
    assert life.end() == 0
    assert life.take() == [*START[:4], *END]
    assert life.loop.now == 1000 + STOP_PATIENCE
    assert told(caplog)[-2:] == [
        "Not waiting any longer for scripts to finish",
        "Terminating",
    ]


def test_a_device_that_cannot_be_opened(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.device_error = DeviceError("Could not open /dev/net/tun: No such file")
    life.start()
    assert life.result.result() == 1
    assert life.take() == ["STOPPING=1"]
    assert told(caplog) == ["Could not open /dev/net/tun: No such file", "Terminating"]


def test_no_socket(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.listen_error = ConfigError("Unable to create any listening socket!")
    life.start()
    assert life.result.result() == 1
    assert life.take() == [*START[:4], *END]
    assert told(caplog) == ["Unable to create any listening socket!", "Terminating"]


def test_a_device_that_breaks(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.device.error = DeviceError("Too many errors from fake, exiting!")
    life.loop.readable(life.device.descriptor)
    assert life.loop.run_until_complete(life.result) == 1
    assert told(caplog)[1:] == ["Too many errors from fake, exiting!", "Terminating"]


def test_an_error_of_ours_at_the_start(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.listen_error = ZeroDivisionError("oops")
    life.start()
    assert life.result.result() == 1
    assert life.take() == [*START[:4], *END]
    assert told(caplog) == ["Start: ZeroDivisionError: oops", "Terminating"]


def test_links_end_with_the_daemon(life: Life) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    caller = life.call()
    assert len(list(life.daemon.links)) == 1
    assert life.end() == 0
    assert caller.closed
    assert life.tasks() == []


def test_priority_and_privileges(life: Life) -> None:
    life.write("ProcessPriority = high\n")
    life.start(user="nobody")
    assert life.take()[-1] == "nice -10"
    assert life.dropped == [("nobody", None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "4711"),
        ("Port = 0\n", "4711"),
        ("Port = 655\n", "655"),
        ("Port = tinc-no-such-service\n", "4711"),
    ],
)
def test_the_port_that_is_announced(
    life: Life, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    announced: list[str] = []
    life.write(text)
    monkeypatch.setattr(
        Links, "announce_port", lambda _links, port: announced.append(port)
    )
    life.start()
    assert announced == [expected]


def test_sockets_that_are_handed_over(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adopt(settings: Settings, count: int) -> list[Pair]:
        assert count == 1
        return life.open_pairs(settings)

    monkeypatch.setattr(module, "adopt_pairs", adopt)
    monkeypatch.setattr(module, "open_pairs", None)
    life.start(listen_fds=1)
    assert life.take() == START


def test_strict_subnets_are_known_from_the_start(life: Life) -> None:
    life.write("StrictSubnets = yes\n")
    (life.directory / "hosts" / "peer").write_text("Subnet = 10.2.0.0/24\n")
    life.start()
    subnets = life.daemon.mesh.subnets
    assert [str(subnet) for subnet, _ in subnets.all()] == [
        "10.1.0.0/24#10",
        "10.2.0.0/24#10",
    ]
    assert life.take() == START


@pytest.mark.parametrize("text", ["Mode = bridge\n", "PrivateKeyFile = /nowhere\n"])
def test_a_configuration_that_will_not_do(
    life: Life, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.write(text)
    given = start_options(life.directory)
    work = run._run(given, read_server_config(life.directory, ()))
    assert life.loop.run(work) == 1
    lines = told(caplog)
    assert len(lines) >= 2
    assert lines[-1] == "Terminating"


@pytest.fixture
def _collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_collector_as_it_was")
def test_the_exit_status_is_that_of_the_daemon(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        def __init__(self, options: StartOptions, entries: list[Entry]) -> None:
            """Nothing to build."""

        async def run(self) -> int:
            return 7

    monkeypatch.setattr(run, "Daemon", Short)
    assert life.loop.run(run._run(start_options(life.directory), [])) == 7


# Time.


def test_strangers_are_given_up_in_time(life: Life) -> None:
    life.start()
    life.call()
    life.loop.advance(4)
    assert len(list(life.daemon.links)) == 1
    life.loop.advance(6)
    assert list(life.daemon.links) == []


def test_the_clock_survives_an_error_of_ours(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ticks: list[float] = []

    def check(now: float) -> None:
        ticks.append(now)
        raise ZeroDivisionError("oops")

    life.start()
    monkeypatch.setattr(life.daemon.links, "check", check)
    caplog.clear()
    life.loop.advance(16)
    assert len(ticks) == 3
    errors = [record for record in caplog.records if "oops" in record.getMessage()]
    assert [bool(record.exc_info) for record in errors] == [True, False, False]
    assert {record.levelname for record in errors} == {"ERROR"}


def test_keys_are_renewed(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.write("KeyExpire = 60\n")
    life.start()
    life.loop.advance(66)
    assert caplog.messages.count("Expiring symmetric keys") == 1


def test_a_node_of_our_name_stops_dialling_for_a_while(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    pauses = [10]
    monkeypatch.setattr(
        life.daemon.control, "tick", lambda _now: pauses.pop() if pauses else 0
    )
    life.loop.advance(5)
    assert life.tasks() == []
    life.loop.advance(9)
    assert life.tasks() == []
    life.loop.advance(1)
    assert life.tasks() == ["ConnectTo peer"]


@pytest.mark.parametrize("ping_timeout", ["5", "60"])
def test_the_watchdog_is_fed_in_time(life: Life, ping_timeout: str) -> None:
    life.write(f"PingTimeout = {ping_timeout}\n")
    life.notifier = Notifier(life.log.append, 30)
    life.start()
    assert life.take()[-1] == "WATCHDOG=1"
    life.loop.advance(60)
    told = life.take()
    assert [line for line in told if "STATUS" not in line] == ["WATCHDOG=1"] * 6


def test_nobody_watches(life: Life) -> None:
    life.start()
    life.take()
    life.loop.advance(60)
    assert "WATCHDOG=1" not in life.take()


def test_the_state_of_the_net_is_told_when_it_changes(life: Life) -> None:
    life.start()
    life.take()
    life.loop.advance(60)
    (line,) = life.take()
    assert line.startswith("STATUS=0 connected, 0 of 0 nodes reachable")


# Signals.


def test_alarm(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    assert "Cannot open config file" in caplog.text
    caplog.clear()
    life.signal("ALRM")
    assert told(caplog)[:2] == ["Got ALRM signal", "Flushing event queue"]


def test_more_and_less_in_the_log(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.signal("INT")
    assert life.silent_log.calls == ["toggle"]
    assert told(caplog)[-1] == "Got INT signal"


@pytest.mark.parametrize(
    ("name", "line"), [("USR1", "Connections:"), ("USR2", "Subnet list:")]
)
def test_dumps(
    life: Life, name: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.start()
    life.signal(name)
    assert line in caplog.messages


def test_purging(life: Life) -> None:
    life.start()
    life.daemon.mesh.get_or_add("ghost")
    life.signal("WINCH")
    assert set(life.daemon.mesh.nodes) == {"us"}


# Reload.


def test_a_reload(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    life.take()
    caplog.clear()
    life.write("ConnectTo = other\nConnectTo = third\n")
    life.signal("HUP")
    assert life.silent_log.calls == ["reopen"]
    assert told(caplog)[0] == "Got HUP signal"
    assert life.tasks() == ["ConnectTo other", "ConnectTo third"]
    assert life.take() == [
        "RELOADING=1\nMONOTONIC_USEC=1000000000",
        "READY=1",
    ]


def test_a_reload_of_our_own_subnets(life: Life) -> None:
    life.start()
    life.take()
    life.write("", host="Subnet = 10.9.0.0/24\n")
    life.signal("HUP")
    assert [line for line in life.take() if "=" not in line] == [
        "subnet-down 10.1.0.0/24",
        "subnet-up 10.9.0.0/24",
    ]


@pytest.mark.parametrize("strict", ["", "StrictSubnets = yes\n"])
def test_another_name_takes_a_restart(life: Life, strict: str) -> None:
    life.write(strict)
    life.start()
    life.take()
    (life.directory / "hosts" / "them").write_text("Subnet = 10.9.0.0/24\n")
    (life.directory / "tinc.conf").write_text(f"Name = them\n{strict}")
    life.signal("HUP")
    own = life.daemon.mesh.subnets.of(life.daemon.mesh.myself)
    assert [str(subnet) for subnet in own] == ["10.1.0.0/24#10"]
    assert [line for line in life.take() if "=" not in line] == []
    assert life.daemon.settings.name == "us"


def test_strict_subnets_are_read_again(life: Life) -> None:
    life.write("StrictSubnets = yes\n")
    life.start()
    (life.directory / "hosts" / "peer").write_text("Subnet = 10.2.0.0/24\n")
    life.signal("HUP")
    subnets = life.daemon.mesh.subnets
    assert len(subnets.all()) == 2


@pytest.mark.parametrize("text", ["Name", "Cipher = rot13\n"])
def test_a_broken_configuration_changes_nothing(
    life: Life, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    before = life.daemon.settings
    life.take()
    caplog.clear()
    (life.directory / "tinc.conf").write_text(f"Name = us\n{text}")
    life.signal("HUP")
    assert told(caplog)[-1] == (
        "Unable to reread configuration file, keeping the old configuration."
    )
    assert life.daemon.settings is before
    assert life.tasks() == ["ConnectTo peer"]
    assert life.take()[-1] == "READY=1"
    assert life.end() == 0


def test_many_reloads_dial_once(life: Life) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    for _ in range(20):
        life.loop.call_soon(life.loop.signals[signal.SIGHUP])
    life.loop.settle()
    assert life.tasks() == ["ConnectTo peer"]


def test_a_reload_ends_who_has_not_said_a_name(life: Life) -> None:
    life.start()
    life.call()
    life.signal("HUP")
    assert list(life.daemon.links) == []


def test_a_reload_in_a_chroot(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.start(chroot=True)
    assert life.dropped == [(None, life.directory)]
    assert life.daemon.files.directory == Path("/")
    assert life.scripts.directory == Path("/")
    read: list[Path] = []

    def load_again(options: StartOptions) -> Settings:
        read.append(options.directory)
        raise ConfigError("nothing there")

    monkeypatch.setattr(module, "load_again", load_again)
    life.signal("HUP")
    assert read == [Path("/")]


# The last resort.


def test_an_error_of_ours_is_told(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    def oops() -> None:
        raise ZeroDivisionError("oops")

    life.start()
    caplog.clear()
    life.loop.call_soon(oops)
    life.loop.settle()
    (record,) = caplog.records
    assert record.getMessage().endswith(": ZeroDivisionError: oops")
    assert record.exc_info is not None
    assert life.end() == 0
