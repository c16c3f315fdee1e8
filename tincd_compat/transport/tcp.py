"""TCP: listening sockets, the accept limit, the tarpit, connecting, and the glue that
moves bytes between a socket and its MetaConnection.

Nothing here decides about the protocol: bytes go in, events come out, and whoever owns
the link is told about both.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import Event, MetaConnection
from tincd_compat.transport.local import from_sockaddr, why_unbound

#: Accepted connections per second before the rest goes to the tarpit (tinc 1.0.36).
ACCEPT_BURST: Final = 10
#: Sockets held open in silence; one more closes the oldest (tinc 1.0.36).
TARPIT_SLOTS: Final = 10
#: Length of the accept queue (tinc 1.0.36).
BACKLOG: Final = 3
#: Most that is read from a connection before others get their turn.
READ_SIZE: Final = 65536
#: What is read at least, and seconds of work that are too many for one read: packets
#: wait meanwhile.
LEAST_READ: Final = 4096
LONG_TURN: Final = 0.01
#: Pause in accepting when descriptors have run out, seconds.
EXHAUSTED_PAUSE: Final = 1.0

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOW_DELAY = 0x10


def configure(sock: socket.socket) -> None:
    """Set what every meta socket has: non-blocking, no Nagle, low-delay TOS."""
    sock.setblocking(False)
    # None of these is worth a connection; on one that is dead already they may fail.
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
) -> socket.socket | None:
    """Listen on one address; a failure is logged and gives None."""
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
        sock.bind(sockaddr)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        logs.always.error("Can't bind to %s/tcp: %s", place, why_unbound(error))
        sock.close()
        return None
    return sock


class AcceptLimit:
    """At most ``ACCEPT_BURST`` connections a second are served, whoever calls."""

    def __init__(self) -> None:
        self._second = -1
        self._count = 0

    def admit(self, now: float) -> bool:
        """Count one connection; False sends it to the tarpit."""
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        else:
            self._count += 1
        if self._count == ACCEPT_BURST:
            logs.connections.warning("Throttling incoming connections")
        return self._count < ACCEPT_BURST


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
        if not self._limit.admit(self._loop.time()):
            self._tarpit.add(sock)
            return
        configure(sock)
        self._accepted(sock, from_sockaddr(sockaddr))

    def _failed(self, error: OSError) -> None:
        if error.errno not in _EXHAUSTED:
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
    try:
        sock.bind((source.host, 0))
    except OSError as error:
        logs.always.error("Can't bind to %s/tcp: %s", source, error.strerror)


def source_address(
    listening: Sequence[SocketAddress], ipv6: bool
) -> SocketAddress | None:
    """Return the address to dial from: that of the only listener of the family."""
    same = [address for address in listening if address.is_ipv6 == ipv6]
    return same[0] if len(same) == 1 else None


class LinkOwner(Protocol):
    """Who is told what happens on a MetaSocket."""

    def link_event(self, event: Event) -> None:
        """Handle one event; the link may be closed meanwhile."""

    def link_batch_done(self) -> None:
        """All events of one read have been handed over."""

    def link_failed(self, severity: int, logger_line: str, *, quiet: bool) -> None:
        """The connection cannot go on; ``quiet`` lines belong to debug level 1."""

    def link_error(self, error: PeerError) -> None:
        """The peer broke the protocol or a time limit."""

    def link_broken(self, error: Exception) -> None:
        """An error of ours came up; it shall cost this connection and no other."""


class MetaSocket:
    """Moves bytes between a connected socket and its MetaConnection.

    Output is taken from the connection only as fast as the socket takes it, so that
    ``queued`` tells the whole backlog.
    """

    def __init__(
        self,
        sock: socket.socket,
        connection: MetaConnection,
        owner: LinkOwner,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._socket = sock
        self._connection = connection
        self._owner = owner
        self._loop = loop or asyncio.get_running_loop()
        self._out = memoryview(b"")
        self._writing = False
        self._read_size = READ_SIZE
        self._flush_planned = False
        self.closed = False
        #: Since when the socket has taken nothing; None while it takes everything.
        self.blocked_since: float | None = None
        #: The most bytes that have waited here.
        self.most_queued = 0
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def queued(self) -> int:
        """Bytes waiting to be sent."""
        return len(self._out) + self._connection.queued

    def fileno(self) -> int:
        return -1 if self.closed else self._socket.fileno()

    def plan_flush(self) -> None:
        """Send what is queued at the end of this turn of the loop."""
        if not self._flush_planned and not self.closed:
            self._flush_planned = True
            self._loop.call_soon(self._planned_flush)

    def dispatch(self) -> None:
        """Hand over the events the connection has ready, then send the answers."""
        while not self.closed and (event := self._connection.next_event()) is not None:
            self._owner.link_event(event)
        if not self.closed:
            self._owner.link_batch_done()
            self.flush()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(self._read_size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            line = f"Metadata socket read error for {{peer}}: {error.strerror}"
            self._owner.link_failed(40, line, quiet=False)
            return
        if not data:
            line = "Connection closed by {peer}"
            self._owner.link_failed(logs.NOTICE, line, quiet=True)
            return
        before = self._loop.time()
        self.feed(lambda: self._connection.receive_data(data, before))
        if self._loop.time() - before > LONG_TURN:
            self._read_size = max(LEAST_READ, self._read_size // 2)
        elif len(data) == self._read_size:
            self._read_size = min(READ_SIZE, self._read_size * 2)

    def feed(self, step: Callable[[], None]) -> None:
        """Let the connection work; what it found out before an error still counts."""
        failure: PeerError | None = None
        with self._last_resort():
            try:
                step()
            except PeerError as error:
                failure = error
            self.dispatch()
            if failure is not None and not self.closed:
                self._owner.link_error(failure)

    @contextlib.contextmanager
    def _last_resort(self) -> Iterator[None]:
        """Give the connection up if what is done for it fails unforeseen."""
        try:
            yield
        except Exception as error:
            if self.closed:
                raise
            self._owner.link_broken(error)

    def _planned_flush(self) -> None:
        self._flush_planned = False
        self.flush_now()

    def flush_now(self) -> None:
        """Send what the socket takes at once; the connection may end by it."""
        with self._last_resort():
            self.flush()

    def _writable(self) -> None:
        with self._last_resort():
            self._write()

    def flush(self) -> None:
        """Send as much as the socket takes; the rest follows when it is writable."""
        self.most_queued = max(self.most_queued, self.queued)
        if self._writing or self.closed:
            return
        self._write()

    def _write(self) -> None:
        try:
            while self._take():
                sent = self._socket.send(self._out)
                self._out = self._out[sent:]
                self.blocked_since = None
        except (BlockingIOError, InterruptedError):
            if self.blocked_since is None:
                self.blocked_since = self._loop.time()
            self._want_write(True)
            return
        except OSError as error:
            self._want_write(False)
            quiet = error.errno == errno.EPIPE
            line = f"Flushing meta data to {{peer}} failed: {error.strerror}"
            if quiet:
                line = "Connection closed by {peer}"
            self._owner.link_failed(logs.NOTICE if quiet else 40, line, quiet=quiet)
            return
        self._want_write(False)

    def _take(self) -> bool:
        """Refill the output from the connection; False when nothing is left."""
        if not self._out:
            if not self._connection.queued:
                return False
            self._out = memoryview(self._connection.data_to_send())
        return bool(self._out)

    def _want_write(self, wanted: bool) -> None:
        if wanted == self._writing:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._writable)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def detach(self) -> socket.socket:
        """Stop reading and writing and give the socket away, to be closed or held."""
        if not self.closed:
            self._want_write(False)
            self._loop.remove_reader(self._socket.fileno())
            self.closed = True
            # The owner has us too: both and their buffers are to go at once, without
            # the collector of cyclic garbage, which comes late.
            del self._owner
        return self._socket
