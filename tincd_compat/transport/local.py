"""What the kernel says of addresses: our own towards another, and its own notation."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from typing import Any, Final

from tincd_compat.addresses import SocketAddress, format_host

# Linux numbers that Python 3.11's socket module does not name.
IP_FREEBIND: Final = 15
IPV6_FREEBIND: Final = 78


def from_sockaddr(sockaddr: tuple[Any, ...], local: str = "") -> SocketAddress:
    """Convert what the socket module returns; IPv4-mapped addresses become IPv4.

    ``local`` is the address of ours that was spoken to.
    """
    host, port, *rest = sockaddr
    scope = rest[1] if len(rest) == 2 else 0
    name = _interface(scope) if scope else ""
    address = SocketAddress(host.partition("%")[0], port, scope, name).unmapped()
    # A link has one address of that kind, and the scope says which link.
    return address if scope or not local else replace(address, local=_plain(local))


def _plain(host: str) -> str:
    return SocketAddress(host.partition("%")[0], 0).unmapped().host


def _interface(scope: int) -> str:
    """Return the name of an interface, or its number if it is gone (getnameinfo)."""
    try:
        return socket.if_indextoname(scope)
    except OSError:
        return str(scope)


def why_unbound(error: OSError) -> str:
    """Return why an address cannot be had, and who knows more or what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"{error.strerror} (`ss -lntup' shows by whom)"
    if error.errno == errno.EADDRNOTAVAIL:
        advice = "no interface has it, see `ip address'; `FreeBind = yes' does not wait"
        return f"{error.strerror} ({advice})"
    return str(error.strerror)


def allow_any(sock: socket.socket) -> None:
    """Let a socket be bound to an address that no interface has yet."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)


def local_address(remote: bytes) -> bytes | None:
    """Return our packed address towards a packed one; None without a route.

    Connecting a UDP socket asks the routing table and sends nothing.
    """
    family = socket.AF_INET if len(remote) == 4 else socket.AF_INET6
    try:
        # There may be no socket at all: of a family the kernel lacks, or for want of
        # descriptors.
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            # Any port will do; 0 is refused by some kernels.
            sock.connect((format_host(remote), 1))
            host: str = sock.getsockname()[0]
    except OSError:
        return None
    return socket.inet_pton(family, host.partition("%")[0])
