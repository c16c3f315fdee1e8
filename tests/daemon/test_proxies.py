"""The way through a proxy as the daemon goes it: lines, targets, commands."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.daemon.fakes import World
from tests.transport.fakes import FakeSocket, oserror
from tests.transport.talking import TalkingLoop
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.values import (
    Proxy,
    ProxyCommand,
    ProxyServer,
    ProxyType,
)
from tincd_compat.daemon.dialer import Dialer
from tincd_compat.daemon.proxies import (
    Proxies,
    command_environment,
    dialogue_with,
    left_to_proxy,
)
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.meta.proxydialogues import HostName, Target
from tincd_compat.transport.proxy import ProxyPassage

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link

TARGET = SocketAddress("10.0.0.2", 655)
NAME = HostName("no.such.host", 655)
HTTP = ProxyServer(ProxyType.HTTP, "proxy", "8080")
GRANTED = b"HTTP/1.1 200 OK\r\n\r\n"
ID = b"0 us 17\n"


@pytest.fixture
def loop() -> Iterator[TalkingLoop]:
    loop = TalkingLoop()
    yield loop
    loop.shut()


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("no.such.host", "655", HostName("no.such.host", 655)),
        ("No-Such", "65535", HostName("No-Such", 65535)),
        ("no.such.host", "https", HostName("no.such.host", 443)),
        ("no_such.host", "655", None),
        ("fd00::2", "655", None),
        ("two words", "655", None),
        ("", "655", None),
        ("no.such.host", "", None),
        ("no.such.host", "6 5", None),
        ("no.such.host", "65536", None),
        ("no.such.host", "nosuchservice", None),
    ],
)
def test_names_that_are_left_to_the_proxy(
    host: str, port: str, expected: HostName | None
) -> None:
    assert left_to_proxy(host, port) == expected


@pytest.mark.parametrize(
    ("type_", "target", "beginning"),
    [
        (ProxyType.SOCKS4, TARGET, b"\4\1\x02\x8f\x0a\0\0\2me\0"),
        (ProxyType.SOCKS4A, NAME, b"\4\1\x02\x8f\0\0\0\1me\0no.such.host\0"),
        (ProxyType.SOCKS5, TARGET, b"\5\1\2\1\2me\1x\5\1\0\1"),
        (ProxyType.HTTP, NAME, b"CONNECT no.such.host:655 HTTP/1.1\r\n\r\n"),
    ],
)
def test_each_type_has_its_dialogue(
    type_: ProxyType, target: Target, beginning: bytes
) -> None:
    proxy = ProxyServer(type_, "h", "1", "me", "x")
    assert dialogue_with(proxy, target).request.startswith(beginning)


class Fixture:
    """Proxies whose name leads to ``places``, and the sockets they get."""

    def __init__(self, loop: TalkingLoop) -> None:
        self.loop = loop
        self.places = [SocketAddress("10.0.0.9", 8080)]
        self.looked_up: list[tuple[str, str]] = []
        self.refusing: dict[str, OSError] = {}
        self.sock = FakeSocket(7)
        self.proxies = Proxies({}, resolve=self._resolve, connect=self._connect)

    async def _resolve(self, host: str, port: str) -> list[SocketAddress]:
        self.looked_up.append((host, port))
        return self.places

    async def _connect(self, address: SocketAddress) -> socket.socket:
        if address.host in self.refusing:
            raise self.refusing[address.host]
        return self.sock.socket

    def connect(
        self, target: Target = TARGET, proxy: Proxy = HTTP
    ) -> ProxyPassage | None:
        connecting = self.proxies.connect_through(proxy, target, "beta", 5)
        return self.loop.run(connecting)


@pytest.fixture
def fixture(loop: TalkingLoop) -> Fixture:
    return Fixture(loop)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    return [
        (record.name, record.levelno, record.getMessage())
        for record in caplog.records
        if record.name.startswith("tincd")
    ]


def test_lines_in_the_order_of_tincd(
    fixture: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    fixture.sock.incoming.append(GRANTED + ID)
    passage = fixture.connect()
    assert passage == ProxyPassage(fixture.sock.socket, TARGET, TARGET, ID)
    assert fixture.looked_up == [("proxy", "8080")]
    assert fixture.sock.sent == b"CONNECT 10.0.0.2:655 HTTP/1.1\r\n\r\n"
    name = "tincd.connections"
    assert lines(caplog) == [
        (name, logging.INFO, "Using proxy at proxy port 8080"),
        (name, logging.INFO, "Connected to beta (10.0.0.2 port 655)"),
        (name, logging.DEBUG, "Proxy request granted"),
    ]


def test_a_name_becomes_an_address(fixture: Fixture) -> None:
    fixture.sock.incoming.append(GRANTED)
    passage = fixture.connect(NAME)
    assert passage is not None
    assert passage.address == SocketAddress("0.0.0.1", 655)
    assert passage.proxied == NAME


def test_a_refusal(fixture: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    fixture.sock.incoming.append(b"HTTP/1.1 403 No\r\n")
    assert fixture.connect() is None
    assert fixture.sock.closed
    assert lines(caplog)[2:] == [
        ("tincd", logging.ERROR, "Proxy request rejected: 403 No"),
        (
            "tincd.connections",
            logs.NOTICE,
            "Closing connection with beta (10.0.0.2 port 655)",
        ),
    ]


def test_silence(fixture: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    assert fixture.connect() is None
    assert fixture.loop.now == 1005
    line = "Timeout from beta (10.0.0.2 port 655) during authentication"
    assert lines(caplog)[2] == ("tincd.connections", logging.WARNING, line)


def test_what_cannot_be_asked_for(
    fixture: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    assert fixture.connect(NAME, ProxyServer(ProxyType.SOCKS4, "h", "1")) is None
    assert fixture.looked_up == []
    line = "Can only connect to numeric IPv4 addresses through a SOCKS 4 proxy!"
    assert lines(caplog) == [("tincd", logging.ERROR, line)]


def test_an_unknown_proxy(fixture: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    fixture.places = []
    assert fixture.connect() is None
    assert caplog.messages == []


def test_every_address_of_the_proxy_is_tried(fixture: Fixture) -> None:
    fixture.places = [SocketAddress("::1", 8080), SocketAddress("127.0.0.1", 8080)]
    fixture.refusing["::1"] = oserror(errno.ECONNREFUSED)
    fixture.sock.incoming.append(GRANTED)
    assert fixture.connect() is not None
    fixture.refusing["127.0.0.1"] = oserror(errno.ENETUNREACH)
    with pytest.raises(OSError, match="Network is unreachable"):
        fixture.connect()


# Commands.


@pytest.mark.parametrize(
    ("netname", "expected"),
    [
        ("vpn", {"PATH": "/bin", "NAME": "us", "NETNAME": "vpn"}),
        (None, {"PATH": "/bin", "NAME": "us"}),
    ],
)
def test_the_environment_of_commands(
    netname: str | None, expected: dict[str, str]
) -> None:
    assert command_environment({"PATH": "/bin", "NAME": "x"}, "us", netname) == expected


@pytest.mark.parametrize(
    ("target", "place", "address"),
    [
        (TARGET, "10.0.0.2 655", TARGET),
        (NAME, "no.such.host 655", SocketAddress("0.0.0.1", 655)),
    ],
)
def test_a_command(
    target: Target,
    place: str,
    address: SocketAddress,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def unused(*_: object) -> Any:
        raise AssertionError

    async def run() -> None:
        environment = {"PATH": os.environ["PATH"], "NAME": "us"}
        proxies = Proxies(environment, resolve=unused, connect=unused)
        command = 'echo "$NAME $NODE $REMOTEADDRESS $REMOTEPORT"; exec cat'
        proxy = ProxyCommand(command)
        passage = await proxies.connect_through(proxy, target, "beta", 5)
        assert passage is not None
        assert passage.process is not None
        assert (passage.address, passage.proxied) == (address, target)
        with passage.socket as sock:
            greeting = f"us beta {place}\n".encode()
            said = b""
            while len(said) < len(greeting):
                said += await asyncio.get_running_loop().sock_recv(sock, 100)
            assert said == greeting
            await passage.process.end()
        name = "tincd.connections"
        assert lines(caplog) == [
            (name, logging.DEBUG, f"Using proxy {command}"),
            (name, logging.INFO, f"Connected to beta ({target})"),
        ]

    asyncio.run(run())


class FakeProcess:
    """Ends when its connection does."""

    def __init__(self) -> None:
        self.ended = False

    async def end_with(self, ended: asyncio.Event) -> None:
        await ended.wait()
        self.ended = True


def test_a_command_ends_with_its_link(fixture: Fixture, loop: TalkingLoop) -> None:
    process: Any = FakeProcess()
    link: Any = SimpleNamespace(ended=asyncio.Event())
    passage = ProxyPassage(fixture.sock.socket, TARGET, TARGET, process=process)
    loop.call(fixture.proxies.attend, passage, cast("Link", link))
    assert not process.ended
    link.ended.set()
    loop.settle()
    assert process.ended


# With the dialer and the links.


def dial(
    loop: TalkingLoop,
    world: World,
    sock: FakeSocket,
    host: str,
    port: str | None = None,
) -> Dialer:
    """Start pursuing ``peer`` at ``host``; ``sock`` leads to 10.0.0.9 port 8080."""

    async def resolve(host: str, port: str, family: int) -> list[SocketAddress]:
        if host in ("no.such.host", "no_such_host"):
            raise OSError(-3, "Temporary failure in name resolution")
        return [SocketAddress(host, int(port))]

    async def connect(address: SocketAddress, **_settings: object) -> socket.socket:
        assert address == SocketAddress("10.0.0.9", 8080)
        return sock.socket

    world.files.hosts["peer"] = HostSettings(addresses=((host, port),), weight=10)
    dialer = Dialer(
        CurrentSettings(world.settings),
        world.links,
        UnexpectedErrors(),
        resolve=resolve,
        connect=connect,
    )
    loop.call(dialer.start)
    return dialer


PROXY = ProxyServer(ProxyType.HTTP, "10.0.0.9", "8080")


@pytest.mark.parametrize(
    ("host", "hostname", "address"),
    [
        ("10.0.0.2", "10.0.0.2 port 655", TARGET),
        ("no.such.host", "no.such.host port 655", SocketAddress("0.0.0.1", 655)),
    ],
)
def test_a_link_through_a_proxy(
    loop: TalkingLoop, host: str, hostname: str, address: SocketAddress
) -> None:
    world = World(loop, connect_to=("peer",), proxy=PROXY)
    sock = FakeSocket(loop.new_descriptor())
    sock.incoming.append(GRANTED)
    dialer = dial(loop, world, sock, host)
    (link,) = world.links
    assert sock.sent == f"CONNECT {host}:655 HTTP/1.1\r\n\r\n".encode() + ID
    assert str(link) == f"peer ({hostname})"
    assert link.address == address
    assert link.connection.status_word() == 0x200
    loop.call(dialer.stop)


def test_what_came_early_is_handled(loop: TalkingLoop) -> None:
    world = World(loop, connect_to=("peer",), proxy=PROXY)
    sock = FakeSocket(loop.new_descriptor())
    sock.incoming.append(GRANTED + b"0 peer 17\n")
    dialer = dial(loop, world, sock, "10.0.0.2")
    assert ID + b"1 429 " in sock.sent
    loop.call(dialer.stop)


def test_without_a_proxy_a_link_is_straight(loop: TalkingLoop) -> None:
    world = World(loop, connect_to=("peer",))
    sock = FakeSocket(loop.new_descriptor())
    dialer = dial(loop, world, sock, "10.0.0.9", port="8080")
    (link,) = world.links
    assert sock.sent == ID
    assert link.address == SocketAddress("10.0.0.9", 8080)
    assert link.connection.status_word() == 0
    loop.call(dialer.stop)


@pytest.mark.parametrize(
    ("host", "proxy"), [("no_such_host", PROXY), ("no.such.host", None)]
)
def test_other_names_stay_unknown(
    loop: TalkingLoop, caplog: pytest.LogCaptureFixture, host: str, proxy: Proxy | None
) -> None:
    world = World(loop, connect_to=("peer",), proxy=proxy)
    dialer = dial(loop, world, FakeSocket(loop.new_descriptor()), host)
    reason = "Temporary failure in name resolution"
    assert caplog.messages[:2] == [
        f"Error looking up {host} port 655: {reason}",
        "Could not set up a meta connection to peer",
    ]
    assert not list(world.links)
    loop.call(dialer.stop)
