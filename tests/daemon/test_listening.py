from __future__ import annotations

import errno
import re
import socket
from typing import Any

import pytest

from tests.transport.fakes import FakeSocket, oserror
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.settings import Settings
from tincd_compat.config.values import AddressFamily
from tincd_compat.daemon import listening
from tincd_compat.daemon.listening import (
    MAX_SOCKETS,
    Pair,
    adopt_pairs,
    announced_port,
    open_pairs,
    socket_family,
    udp_options,
)
from tincd_compat.errors import ConfigError
from tincd_compat.transport.udp_options import UdpOptions

V4 = (socket.AF_INET, ("0.0.0.0", 655))
V6 = (socket.AF_INET6, ("::", 655, 0, 0))


class System:
    """What the system says to look-ups, listeners and descriptors."""

    def __init__(self) -> None:
        self.found: list[tuple[int, Any]] = [V4, V6]
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.tcp: list[FakeSocket] = []
        self.udp: list[FakeSocket] = []
        #: Addresses that are taken, as ``(kind, host)``.
        self.taken: set[tuple[str, str]] = set()
        self.interfaces: list[str | None] = []
        self.free: list[bool] = []
        self.handed: dict[int, FakeSocket] = {}

    def getaddrinfo(self, host: str | None, port: str, **how: int) -> list[Any]:
        self.asked.append((host, port, how["family"]))
        assert how["flags"] == socket.AI_PASSIVE
        if self.error is not None:
            raise self.error
        return [(family, 1, 6, "", address) for family, address in self.found]

    def open_listener(
        self, family: int, sockaddr: Any, interface: str | None, *, free_bind: bool
    ) -> FakeSocket | None:
        self.interfaces.append(interface)
        self.free.append(free_bind)
        if ("tcp", sockaddr[0]) in self.taken:
            return None
        self.tcp.append(FakeSocket(10, family, sockaddr))
        return self.tcp[-1]

    def open_socket(
        self, address: SocketAddress, options: UdpOptions
    ) -> FakeSocket | None:
        self.interfaces.append(options.interface)
        self.free.append(options.free_bind)
        if ("udp", address.host) in self.taken:
            return None
        self.udp.append(FakeSocket(20))
        return self.udp[-1]

    def descriptor(self, *, fileno: int) -> FakeSocket:
        if fileno not in self.handed:
            raise oserror(errno.EBADF)
        return self.handed[fileno]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    system = System()
    monkeypatch.setattr(socket, "getaddrinfo", system.getaddrinfo)
    monkeypatch.setattr(socket, "socket", system.descriptor)
    monkeypatch.setattr(listening, "open_listener", system.open_listener)
    monkeypatch.setattr(listening, "open_socket", system.open_socket)
    return system


def test_all_addresses_by_default(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = open_pairs(Settings(name="us"))
    assert system.asked == [(None, "655", socket.AF_UNSPEC)]
    assert [pair.address for pair in pairs] == [
        SocketAddress("0.0.0.0", 655),
        SocketAddress("::", 655),
    ]
    assert [pair.tcp for pair in pairs] == [sock.socket for sock in system.tcp]
    assert [pair.udp for pair in pairs] == [sock.socket for sock in system.udp]
    assert caplog.messages == [
        "Listening on 0.0.0.0 port 655",
        "Listening on :: port 655",
    ]


def test_what_the_configuration_asks_for(system: System) -> None:
    settings = Settings(
        name="us",
        port="700",
        address_family=AddressFamily.IPV4,
        bind_to_interface="eth0",
        bind_to_address=(("10.0.0.1", None), (None, "7777"), ("10.0.0.2", "1")),
    )
    system.found = [V4]
    assert len(open_pairs(settings)) == 3
    assert system.asked == [
        ("10.0.0.1", "700", socket.AF_INET),
        (None, "7777", socket.AF_INET),
        ("10.0.0.2", "1", socket.AF_INET),
    ]
    assert set(system.interfaces) == {"eth0"}


@pytest.mark.parametrize("free", [True, False])
def test_an_address_to_come(system: System, free: bool) -> None:
    open_pairs(Settings(name="us", free_bind=free))
    assert system.free == [free] * 4


def test_the_port_is_the_one_really_bound(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bound(family: int, sockaddr: Any, _: str | None, **__: bool) -> FakeSocket:
        return FakeSocket(10, family, (sockaddr[0], 4711))

    system.found = [V4]
    monkeypatch.setattr(listening, "open_listener", bound)
    (pair,) = open_pairs(Settings(name="us", port="0"))
    assert pair.address == SocketAddress("0.0.0.0", 4711)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_one_address_less(system: System, kind: str) -> None:
    system.taken = {(kind, "::")}
    (pair,) = open_pairs(Settings(name="us"))
    assert pair.address.host == "0.0.0.0"
    assert [sock.closed for sock in system.tcp] == [False, True][: len(system.tcp)]


def test_no_address_at_all(system: System) -> None:
    system.taken = {("tcp", "::"), ("udp", "0.0.0.0")}
    with pytest.raises(ConfigError, match="Unable to create any listening socket!"):
        open_pairs(Settings(name="us"))
    assert all(sock.closed for sock in system.tcp)


def test_too_many_addresses(system: System) -> None:
    system.found = [V4] * (MAX_SOCKETS + 1)
    with pytest.raises(ConfigError, match="Too many listening sockets"):
        open_pairs(Settings(name="us"))
    assert all(sock.closed for sock in system.tcp + system.udp)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
    ],
)
def test_an_address_that_is_none(system: System, error: Exception, reason: str) -> None:
    system.error = error
    with pytest.raises(ConfigError) as caught:
        open_pairs(Settings(name="us"))
    assert str(caught.value) == (
        f"System call `getaddrinfo' failed: {reason} (Port = 655)"
    )


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("nowhere", "Error looking up localhost port nowhere: no such service"),
        ("655abc", "System call `getaddrinfo' failed: no such service"),
    ],
)
def test_a_port_that_is_none(system: System, port: str, text: str) -> None:
    system.error = socket.gaierror(socket.EAI_SERVICE, "no such service")
    with pytest.raises(ConfigError) as caught:
        open_pairs(Settings(name="us", port=port))
    assert str(caught.value) == f"{text} (Port = {port})"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ((("no.such.host", None),), "BindToAddress = no.such.host"),
        (((None, "655abc"),), "BindToAddress = * 655abc"),
    ],
)
def test_the_address_that_is_none_is_named(
    system: System, given: tuple[tuple[str | None, str | None]], place: str
) -> None:
    system.error = socket.gaierror(-2, "Name or service not known")
    with pytest.raises(ConfigError, match=rf" \({re.escape(place)}\)$"):
        open_pairs(Settings(name="us", bind_to_address=given))


# Socket activation.


def test_descriptors_that_are_handed_over(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    system.handed = {
        3: FakeSocket(3, name=("10.0.0.1", 655)),
        4: FakeSocket(4, socket.AF_INET6, ("::", 655, 0, 0)),
    }
    pairs = adopt_pairs(Settings(name="us"), 2)
    handed = list(system.handed.values())
    assert [pair.tcp for pair in pairs] == [sock.socket for sock in handed]
    assert [pair.udp for pair in pairs] == [sock.socket for sock in system.udp]
    for sock in handed:
        assert (sock.blocking, sock.inheritable) == (False, False)
    assert caplog.messages == [
        "Listening on 10.0.0.1 port 655",
        "Listening on :: port 655",
    ]


@pytest.mark.parametrize(
    ("handed", "reason"),
    [
        ({}, "Bad file descriptor"),
        ({3: FakeSocket(3, socket.AF_UNIX, ())}, "it is no TCP socket"),
    ],
)
def test_descriptors_that_are_no_use(
    system: System, handed: dict[int, FakeSocket], reason: str
) -> None:
    system.handed = handed
    with pytest.raises(ConfigError) as caught:
        adopt_pairs(Settings(name="us"), 1)
    assert str(caught.value) == f"Could not get address of listen fd 3: {reason}"


def test_a_descriptor_without_a_udp_socket_beside_it(system: System) -> None:
    system.handed = {3: FakeSocket(3), 4: FakeSocket(4, name=("10.0.0.9", 655))}
    system.taken = {("udp", "10.0.0.1")}
    (pair,) = adopt_pairs(Settings(name="us"), 2)
    assert pair.tcp is system.handed[4].socket
    assert system.handed[3].closed


def test_no_descriptor_at_all(system: System) -> None:
    with pytest.raises(ConfigError, match="Unable to create any listening socket!"):
        adopt_pairs(Settings(name="us"), 0)


# Settings of sockets.


@pytest.mark.parametrize(
    ("port", "port_set", "expected"),
    [
        ("655", False, "4711"),
        ("0", True, "4711"),
        ("655", True, "655"),
        ("tinc", True, "655"),
        ("no-such-service", True, "4711"),
    ],
)
def test_the_port_of_our_ack(
    monkeypatch: pytest.MonkeyPatch, port: str, port_set: bool, expected: str
) -> None:
    def services(name: str, protocol: str) -> int:
        if (name, protocol) != ("tinc", "udp"):
            raise OSError("service/proto not found")
        return 655

    monkeypatch.setattr(socket, "getservbyname", services)
    sock = FakeSocket(10).socket
    pair = Pair(SocketAddress("10.0.0.1", 4711), sock, sock)
    settings = Settings(name="us", port=port, port_set=port_set)
    assert announced_port(settings, [pair]) == expected


def test_settings_of_udp_sockets() -> None:
    settings = Settings(
        name="us",
        pmtu_discovery=False,
        udp_rcvbuf=1,
        udp_sndbuf=2,
        bind_to_interface="eth0",
    )
    assert udp_options(settings) == UdpOptions(
        pmtu_discovery=False, receive_buffer=1, send_buffer=2, interface="eth0"
    )


@pytest.mark.parametrize(
    ("family", "number"),
    [
        (AddressFamily.ANY, socket.AF_UNSPEC),
        (AddressFamily.IPV4, socket.AF_INET),
        (AddressFamily.IPV6, socket.AF_INET6),
    ],
)
def test_address_families(family: AddressFamily, number: int) -> None:
    assert socket_family(family) == number
