"""TCP: listening sockets, the accept limit, the tarpit, and connecting."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.local import allow_any, from_sockaddr, why_unbound

#: Accepted connections per second before the rest goes to the tarpit (tinc 1.0.36).
ACCEPT_BURST: Final = 10
#: Further connections a second for callers from other addresses, one each.
ACCEPT_RESERVE: Final = 10
#: Sockets held open in silence; one more closes the oldest (tinc 1.0.36).
TARPIT_SLOTS: Final = 10
#: Length of the accept queue (tinc 1.0.36).
BACKLOG: Final = 3
#: Pause in accepting when descriptors have run out, seconds.
EXHAUSTED_PAUSE: Final = 1.0

#: Errors of accept() that show that descriptors or memory have run out.
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOW_DELAY = 0x10


def configure(sock: socket.socket) -> None:
    """Set what every meta socket has: non-blocking, no Nagle, low-delay TOS."""
    sock.setblocking(False)
    # No option is worth a connection; on one that is dead already an option may fail.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _LOW_DELAY)
    if sock.family == socket.AF_INET6:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _LOW_DELAY)


def bind_to_interface(sock: socket.socket, interface: str) -> bool:
    """Restrict a socket to one interface; a failure is logged and gives False."""
    try:
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(interface) + b"\0"
        )
    except OSError as error:
        logs.always.error("Can't bind to interface %s: %s", interface, error.strerror)
        return False
    return True


def open_listener(
    family: int,
    sockaddr: tuple[str, int] | tuple[str, int, int, int],
    interface: str | None,
    *,
    free_bind: bool = False,
) -> socket.socket | None:
    """Listen on one address; a failure is logged and gives None.

    ``free_bind``: it may be one that no interface has yet.
    """
    place = str(from_sockaddr(sockaddr))
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except OSError as error:
        logs.status.error("Creating metasocket failed: %s", error.strerror)
        return None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if interface is not None and not bind_to_interface(sock, interface):
            sock.close()
            return None
        if free_bind:
            allow_any(sock)
        sock.bind(sockaddr)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        logs.always.error("Can't bind to %s/tcp: %s", place, why_unbound(error))
        sock.close()
        return None
    return sock


class AcceptLimit:
    """At most ``ACCEPT_BURST`` connections a second are served, whoever calls.

    One caller can take all of them, again each second, and is not to keep others out.
    So there is a reserve for whom none of that second's connections came from.
    """

    def __init__(self) -> None:
        self._second = -1
        self._served = 0
        self._throttling = False
        #: The addresses of the callers that are served in this second.
        self._networks: set[bytes] = set()

    def admit(self, caller: SocketAddress, now: float) -> bool:
        """Count one connection; False sends it to the tarpit."""
        if int(now) != self._second:
            self._second, self._served, self._throttling = int(now), 0, False
            self._networks.clear()
        network = caller.network
        most = ACCEPT_BURST
        if network not in self._networks:
            most += ACCEPT_RESERVE
        if self._served < most:
            self._served += 1
            self._networks.add(network)
            return True
        if not self._throttling:
            self._throttling = True
            logs.connections.warning("Throttling incoming connections")
        return False


class Tarpit:
    """A ring of sockets neither read nor closed, so that probing costs time."""

    def __init__(self) -> None:
        self._slots: deque[socket.socket] = deque()

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, sock: socket.socket) -> None:
        if len(self._slots) >= TARPIT_SLOTS:
            self._slots.popleft().close()
        self._slots.append(sock)

    def close(self) -> None:
        while self._slots:
            self._slots.popleft().close()


class Listener:
    """Accepts connections on one socket and hands them out within the limit."""

    def __init__(
        self,
        sock: socket.socket,
        limit: AcceptLimit,
        tarpit: Tarpit,
        accepted: Callable[[socket.socket, SocketAddress], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.socket = sock
        self.address = from_sockaddr(sock.getsockname())
        self._limit = limit
        self._tarpit = tarpit
        self._accepted = accepted
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._loop = loop or asyncio.get_running_loop()
        self._resume()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self.socket.fileno(), self._readable)

    def _readable(self) -> None:
        """Accept one connection per turn, as tincd does."""
        try:
            sock, sockaddr = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._failed(error)
            return
        self._exhausted = False
        caller = from_sockaddr(sockaddr, _own_host(sock))
        if not self._limit.admit(caller, self._loop.time()):
            self._tarpit.add(sock)
            return
        configure(sock)
        self._accepted(sock, caller)

    def _failed(self, error: OSError) -> None:
        if error.errno not in EXHAUSTED:
            logs.always.error("Accepting a new connection failed: %s", error.strerror)
            return
        # The waiting connection keeps the socket readable: without a pause the loop
        # would spin, and the same line fill the log.
        self._loop.remove_reader(self.socket.fileno())
        self._pause = self._loop.call_later(EXHAUSTED_PAUSE, self._resume)
        if not self._exhausted:
            self._exhausted = True
            logs.always.error("Accepting a new connection failed: %s", error.strerror)

    def close(self) -> None:
        """Stop listening."""
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self.socket.fileno())
        self.socket.close()


def _own_host(sock: socket.socket) -> str:
    """Return the address of ours that a caller has dialled."""
    with contextlib.suppress(OSError):
        host: str = sock.getsockname()[0]
        return host
    return ""


async def connect(
    address: SocketAddress,
    *,
    interface: str | None,
    source: SocketAddress | None,
    patience: float,
) -> socket.socket:
    """Open a meta connection to ``address``; OSError or TimeoutError if it fails.

    ``source`` is the local address to come from, if there is only one to choose.
    """
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        configure(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if interface is not None:
            bind_to_interface(sock, interface)
        if source is not None:
            _bind_source(sock, source)
        target: tuple[str, int] | tuple[str, int, int, int]
        target = (address.host, address.port)
        if address.is_ipv6:
            target = (address.host, address.port, 0, address.scope)
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_source(sock: socket.socket, source: SocketAddress) -> None:
    place = (source.host, 0, 0, source.scope) if source.is_ipv6 else (source.host, 0)
    try:
        sock.bind(place)
    except OSError as error:
        logs.always.error("Can't bind to %s/tcp: %s", source, error.strerror)


def source_address(
    listening: Sequence[SocketAddress], ipv6: bool
) -> SocketAddress | None:
    """Return the address to dial from: that of the only listener of the family."""
    same = [address for address in listening if address.is_ipv6 == ipv6]
    return same[0] if len(same) == 1 else None
