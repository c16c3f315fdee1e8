from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

import pytest

from tests.transport.fakes import FakeSocket, oserror
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.local import (
    IP_FREEBIND,
    IPV6_FREEBIND,
    allow_any,
    from_sockaddr,
    local_address,
    why_unbound,
)


class Routing(FakeSocket):
    """A UDP socket whose connecting asks a routing table."""

    def __init__(self, family: int, name: tuple[Any, ...]) -> None:
        super().__init__(5, family, name)
        self.targets: list[Any] = []

    def connect(self, target: Any) -> None:
        self._fail("connect")
        self.targets.append(target)

    def __enter__(self) -> Routing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@pytest.mark.parametrize(
    ("remote", "ours", "family"),
    [
        ("10.0.0.2", "10.0.0.1", socket.AF_INET),
        ("fd00::2", "fd00::1", socket.AF_INET6),
        ("fe80::2", "fe80::1%eth0", socket.AF_INET6),
    ],
)
def test_the_address_we_would_speak_from(
    monkeypatch: pytest.MonkeyPatch, remote: str, ours: str, family: int
) -> None:
    sock = Routing(family, (ours, 4711))

    def make(wanted: int, kind: int) -> Routing:
        assert (wanted, kind) == (family, socket.SOCK_DGRAM)
        return sock

    monkeypatch.setattr(socket, "socket", make)
    assert local_address(packed(remote)) == packed(ours.partition("%")[0])
    assert [target[0] for target in sock.targets] == [remote]
    assert sock.closed


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.EADDRNOTAVAIL, "`FreeBind = yes'"),
        (errno.EADDRINUSE, "`ss -lntup'"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_the_error_says_what_to_do(code: int, hint: str) -> None:
    assert hint in why_unbound(oserror(code))


@pytest.mark.parametrize(
    ("family", "option"),
    [
        (socket.AF_INET, (socket.IPPROTO_IP, IP_FREEBIND)),
        (socket.AF_INET6, (socket.IPPROTO_IPV6, IPV6_FREEBIND)),
    ],
)
def test_an_address_to_come(family: int, option: tuple[int, int]) -> None:
    sock = FakeSocket(5, family)
    allow_any(sock.socket)
    assert sock.options == {option: 1}


def test_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = Routing(socket.AF_INET, ("0.0.0.0", 0))
    sock.failing["connect"] = oserror(errno.ENETUNREACH)
    monkeypatch.setattr(socket, "socket", lambda *_: sock)
    assert local_address(packed("10.0.0.2")) is None
    assert sock.closed


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EMFILE])
def test_no_socket(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def make(*_: object) -> socket.socket:
        raise oserror(code)

    monkeypatch.setattr(socket, "socket", make)
    assert local_address(packed("fd00::2")) is None


@pytest.mark.parametrize(
    ("sockaddr", "expected"),
    [
        (("10.0.0.2", 655), SocketAddress("10.0.0.2", 655)),
        (("fd00::2", 655, 0, 0), SocketAddress("fd00::2", 655)),
        (("::ffff:10.0.0.2", 655, 0, 0), SocketAddress("10.0.0.2", 655)),
    ],
)
def test_addresses_of_sockets(sockaddr: Any, expected: SocketAddress) -> None:
    assert from_sockaddr(sockaddr) == expected


@pytest.mark.parametrize("host", ["fe80::2", "fe80::2%eth0"])
def test_a_link_local_address_keeps_its_scope(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(socket, "if_indextoname", {3: "eth0"}.__getitem__)
    address = from_sockaddr((host, 655, 0, 3))
    assert (address.host, address.scope) == ("fe80::2", 3)
    assert str(address) == "fe80::2%eth0 port 655"


def test_an_interface_that_is_gone_is_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(scope: int) -> str:
        raise oserror(errno.ENXIO)

    monkeypatch.setattr(socket, "if_indextoname", gone)
    assert str(from_sockaddr(("fe80::2", 655, 0, 3))) == "fe80::2%3 port 655"
