"""The options of a UDP socket, and how one is opened.

Answers to the part of tincd's net_socket that prepares UDP sockets.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import Any, Final, Protocol

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.dataclass import dataclass
from tincd_compat.transport.local import allow_any, why_unbound

#: The buffer asked for when the configuration names none.  The system's default holds
#: some 180 datagrams, less than one burst of a fast peer.  Half of what is asked here
#: still loses a per cent of a TCP stream that fills the machine.
RECEIVE_BUFFER: Final = 2 << 20

# Linux numbers that Python 3.11's socket module does not name.
IP_MTU_DISCOVER: Final = 10
IPV6_MTU_DISCOVER: Final = 23
PMTUDISC_DO: Final = 2
IP_PKTINFO: Final = 8
IPV6_RECVPKTINFO: Final = 49
IPV6_PKTINFO: Final = 50
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33


class DatagramSocket(Protocol):
    """The part of ``socket.socket`` used here."""

    @property
    def family(self) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...
    def getsockname(self) -> Any: ...
    def getsockopt(self, level: int, option: int, /) -> int: ...
    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...
    def sendto(self, data: bytes, address: tuple[Any, ...], /) -> int: ...
    def sendmsg(
        self,
        buffers: Iterable[bytes],
        ancdata: Iterable[tuple[int, int, bytes]],
        flags: int,
        address: tuple[Any, ...],
        /,
    ) -> int: ...
    def recvmsg_into(
        self, buffers: Iterable[memoryview], ancbufsize: int, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpOptions:
    """What the configuration says about UDP sockets; None leaves the choice to us."""

    pmtu_discovery: bool = True
    receive_buffer: int | None = None
    send_buffer: int | None = None
    interface: str | None = None
    free_bind: bool = False


def to_sockaddr(address: SocketAddress) -> tuple[Any, ...]:
    """Return the tuple that Python's sockets of the address's family want."""
    if address.is_ipv6:
        return (address.host, address.port, 0, address.scope)
    return (address.host, address.port)


def open_socket(address: SocketAddress, options: UdpOptions) -> socket.socket | None:
    """Return a socket bound to ``address``; a failure is logged and gives None."""
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        configure(sock, options)
        if options.interface is not None and not _bind_to(sock, options.interface):
            sock.close()
            return None
        if options.free_bind:
            allow_any(sock)
        sock.bind(to_sockaddr(address))
        _tell_destinations(sock, address)
    except OSError as error:
        logs.always.error("Can't bind to %s/udp: %s", address, why_unbound(error))
        if sock is not None:
            sock.close()
        return None
    logs.connections.info("UDP buffers of %s: %s", address, granted_buffers(sock))
    return sock


def _tell_destinations(sock: DatagramSocket, address: SocketAddress) -> None:
    """Let a socket at all addresses say which one a datagram was for."""
    if not any(address.packed):
        with contextlib.suppress(OSError):
            if address.is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _bind_to(sock: socket.socket, interface: str) -> bool:
    name = interface.encode(errors="surrogateescape") + b"\0"
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
    except OSError as error:
        reason = error.strerror
        logs.always.error("Can't bind to interface %s: %s", interface, reason)
        return False
    return True


def configure(sock: DatagramSocket, options: UdpOptions) -> None:
    """Set the options a UDP socket of tincd has before it is bound."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    ipv6 = sock.family == socket.AF_INET6
    if ipv6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if options.pmtu_discovery:
        level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
        option = IPV6_MTU_DISCOVER if ipv6 else IP_MTU_DISCOVER
        sock.setsockopt(level, option, PMTUDISC_DO)
    _ask_buffer(
        sock, "SO_RCVBUF", SO_RCVBUFFORCE, options.receive_buffer, RECEIVE_BUFFER
    )
    # What is sent waits here as long as the network is slow: see transport.buffers.
    if options.send_buffer is not None:
        _ask_buffer(sock, "SO_SNDBUF", SO_SNDBUFFORCE, options.send_buffer, 0)


def granted_buffers(sock: DatagramSocket) -> str:
    """Return in words how large the buffers are, as UDPRcvBuf and UDPSndBuf count."""
    receive, send = (
        # The kernel doubles the size for its own book-keeping and reports that.
        sock.getsockopt(socket.SOL_SOCKET, option) // 2
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF)
    )
    return f"{receive} bytes to receive, {send} bytes to send"


def _ask_buffer(
    sock: DatagramSocket, name: str, force: int, size: int | None, default: int
) -> None:
    """Set a buffer's size, past the system's limit if we may; never shrink unasked."""
    option: int = getattr(socket, name)
    wanted = default if size is None else size
    try:
        # The kernel reports twice the size that was asked for.
        if size is None and sock.getsockopt(socket.SOL_SOCKET, option) >= 2 * wanted:
            return
        sock.setsockopt(socket.SOL_SOCKET, option, wanted)
        if sock.getsockopt(socket.SOL_SOCKET, option) < 2 * wanted:
            _force_buffer(sock, force, wanted)
    except OSError as error:
        reason = error.strerror
        logs.always.warning("Can't set UDP %s to %d: %s", name, wanted, reason)


def _force_buffer(sock: DatagramSocket, force: int, wanted: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, wanted)
    except PermissionError:
        # Without CAP_NET_ADMIN the system's limit is what we get, as in tincd.
        return
