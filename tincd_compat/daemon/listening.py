"""Listening sockets: one for TCP and one for UDP on every address of BindToAddress."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.settings import Settings
from tincd_compat.config.values import AddressFamily
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError
from tincd_compat.transport.local import from_sockaddr
from tincd_compat.transport.tcp import open_listener
from tincd_compat.transport.udp_options import UdpOptions, open_socket

#: Pairs of sockets at most (tinc 1.0.36).
MAX_SOCKETS: Final = 128

_FAMILIES = {
    AddressFamily.ANY: socket.AF_UNSPEC,
    AddressFamily.IPV4: socket.AF_INET,
    AddressFamily.IPV6: socket.AF_INET6,
}


def socket_family(family: AddressFamily) -> int:
    """Return the number that getaddrinfo wants for AddressFamily."""
    return int(_FAMILIES[family])


@dataclass(frozen=True, slots=True)
class Pair:
    """The two sockets of one address; the port is the one really bound."""

    address: SocketAddress
    tcp: socket.socket
    udp: socket.socket


def open_pairs(settings: Settings) -> list[Pair]:
    """Open every listening address; ConfigError if none can be opened."""
    pairs = []
    for address in _addresses(settings):
        pair = _open_pair(settings, address)
        if pair is not None:
            pairs.append(pair)
    return _checked(pairs)


def adopt_pairs(settings: Settings, count: int) -> list[Pair]:
    """Take over ``count`` listening descriptors from 3 on (socket activation)."""
    pairs = []
    for number in range(3, 3 + count):
        try:
            tcp = socket.socket(fileno=number)
        except OSError as error:
            raise _unusable(number, error.strerror) from error
        if tcp.family not in (socket.AF_INET, socket.AF_INET6):
            tcp.close()
            raise _unusable(number, "it is no TCP socket")
        address = from_sockaddr(tcp.getsockname())
        tcp.setblocking(False)
        tcp.set_inheritable(False)
        udp = open_socket(address, udp_options(settings))
        if udp is None:
            tcp.close()
            continue
        logs.connections.log(logs.NOTICE, "Listening on %s", address)
        pairs.append(Pair(address, tcp, udp))
    return _checked(pairs)


def _unusable(number: int, reason: str | None) -> ConfigError:
    return ConfigError(f"Could not get address of listen fd {number}: {reason}")


def _checked(pairs: list[Pair]) -> list[Pair]:
    if len(pairs) > MAX_SOCKETS:
        for pair in pairs:
            pair.tcp.close()
            pair.udp.close()
        raise ConfigError("Too many listening sockets")
    if not pairs:
        raise ConfigError("Unable to create any listening socket!")
    return pairs


def announced_port(settings: Settings, pairs: Sequence[Pair]) -> str:
    """Return the port for our ACK, which others use for the edge to us.

    It is Port wherever we listen; what is really bound stands in for a Port that says
    nothing, and for a service without a number for UDP.
    """
    port, bound = settings.port, str(pairs[0].address.port)
    if not settings.port_set or port == "0":
        return bound
    if port.isdigit():
        return port
    try:
        return str(socket.getservbyname(port, "udp"))
    except OSError:
        return bound


def udp_options(settings: Settings) -> UdpOptions:
    return UdpOptions(
        pmtu_discovery=settings.pmtu_discovery,
        receive_buffer=settings.udp_rcvbuf,
        send_buffer=settings.udp_sndbuf,
        interface=settings.bind_to_interface,
        free_bind=settings.free_bind,
    )


def _addresses(settings: Settings) -> Iterator[tuple[int, Any]]:
    for host, port in settings.bind_to_address or ((None, None),):
        try:
            found = socket.getaddrinfo(
                host,
                port or settings.port,
                family=socket_family(settings.address_family),
                type=socket.SOCK_STREAM,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_PASSIVE,
            )
        except (OSError, UnicodeError) as error:
            # A name that no resolver can be asked for is a UnicodeError.
            reason = getattr(error, "strerror", None) or error
            what = "System call `getaddrinfo' failed"
            # Text alone is the name of a service; 655abc is an address gone wrong.
            named = not port and not settings.port[:1].isdigit()
            if named and getattr(error, "errno", None) == socket.EAI_SERVICE:
                what = f"Error looking up localhost port {settings.port}"
            given = f"Port = {settings.port}"
            if settings.bind_to_address:
                given = f"BindToAddress = {host or '*'} {port or ''}".rstrip()
            raise ConfigError(f"{what}: {reason} ({given})") from error
        for family, _, _, _, sockaddr in found:
            yield family, sockaddr


def _open_pair(settings: Settings, place: tuple[int, Any]) -> Pair | None:
    free, interface = settings.free_bind, settings.bind_to_interface
    tcp = open_listener(*place, interface, free_bind=free)
    if tcp is None:
        return None
    address = from_sockaddr(tcp.getsockname())
    udp = open_socket(address, udp_options(settings))
    if udp is None:
        tcp.close()
        return None
    logs.connections.log(logs.NOTICE, "Listening on %s", address)
    return Pair(address, tcp, udp)
