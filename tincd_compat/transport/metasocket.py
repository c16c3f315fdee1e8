"""The glue that moves bytes between a socket and its MetaConnection.

Nothing here decides about the protocol: bytes go in, events come out, and whoever owns
the link is told about both.  When there is time for that is for the
:class:`~tincd_compat.transport.turns.Turns` to say, which all links share.  What waits
for it is one read at most: the socket is not read any further meanwhile, and so TCP
slows the peer down.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from tincd_compat import logs
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import Event, MetaConnection
from tincd_compat.meta.messages import MAX_LINE
from tincd_compat.transport.turns import Turns

#: Most that is read from a connection at a time; until it is active a line at most.
READ_SIZE: Final = 65536
#: Most that is encrypted and sent before others get their turn.
WRITE_SIZE: Final = 1 << 18

#: Bytes of output that may wait: more than it takes to tell of a mesh as large as may
#: be.  For whom more is waiting, more has been said than its line takes.
MOST_QUEUED: Final = 32 * 1024 * 1024


def _fault(error: OSError) -> Fault:
    if error.errno == errno.EPIPE:
        return Fault.CLOSED
    return Fault.RESET if error.errno == errno.ECONNRESET else Fault.IO_ERROR


class LinkOwner(Protocol):
    """Who is told what happens on a MetaSocket."""

    def link_event(self, event: Event) -> None:
        """Handle one event; the link may be closed meanwhile."""

    def link_failed(
        self, severity: int, logger_line: str, fault: Fault, *, quiet: bool
    ) -> None:
        """The connection cannot go on; ``quiet`` lines belong to debug level 1."""

    def link_error(self, error: PeerError) -> None:
        """The peer broke the protocol or a time limit."""

    def link_overflowed(self) -> None:
        """More is waiting for the peer than may wait."""

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
        turns: Turns | None = None,
    ) -> None:
        self._socket = sock
        self._connection = connection
        self._owner = owner
        self._loop = loop or asyncio.get_running_loop()
        self._turns = turns or Turns(self._loop)
        self._out = memoryview(b"")
        self._reading = False
        self._writing = False
        self._flush_planned = False
        #: There may be something to read.
        self._unread = False
        #: The connection has input that it has not looked at, or events that wait.
        self._unprocessed = False
        self._failure: PeerError | None = None
        self.closed = False
        #: Since when the socket has taken nothing; None while it takes everything.
        self.blocked_since: float | None = None
        #: The most bytes that have waited here.
        self.most_queued = 0
        self._want_read(True)

    @property
    def queued(self) -> int:
        """Bytes waiting to be sent."""
        return len(self._out) + self._connection.queued

    @property
    def unheard(self) -> bool:
        """Whether the peer may have said something that nobody has looked at."""
        return self._unprocessed or self._unread

    def fileno(self) -> int:
        return -1 if self.closed else self._socket.fileno()

    # Turns.

    def plan_flush(self) -> None:
        """Send what is queued in the next turn."""
        if not self._flush_planned and not self.closed:
            self._flush_planned = True
            self._turns.join(self)

    def feed(self, step: Callable[[], None]) -> None:
        """Let the connection work; what it found out before an error still counts.

        Input that had to wait for that follows.
        """
        with self._last_resort():
            self._step(step)
        if not self.closed:
            self._turns.begin(self)

    def _readable(self) -> None:
        self._unread = True
        if not self._turns.begin(self):
            self._want_read(False)

    def _writable(self) -> None:
        self._want_write(False)
        self._flush_planned = True
        self._turns.begin(self)

    def work(self, until: float) -> bool:
        """Send what is planned, act on what comes; True if input has to wait."""
        with self._last_resort():
            if self._flush_planned:
                self._flush_planned = False
                self.flush(until)
                self._judge_queue()
            while self.unheard and not self.closed:
                if not self._unprocessed:
                    self._read()
                self._act(until)
                if self._loop.time() >= until:
                    break
        if self.closed:
            return False
        self._want_read(not self.unheard)
        return self.unheard

    @contextlib.contextmanager
    def _last_resort(self) -> Iterator[None]:
        """Give the connection up if what is done for it fails unforeseen."""
        try:
            yield
        except Exception as error:
            if self.closed:
                raise
            self._owner.link_broken(error)

    # Input.

    def _read(self) -> None:
        """Read once; less than is asked for is all there is."""
        self._unread = False
        size = READ_SIZE if self._connection.active else MAX_LINE
        try:
            data = self._socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            line = f"Metadata socket read error for {{peer}}: {error.strerror}"
            self._owner.link_failed(40, line, _fault(error), quiet=False)
            return
        if not data:
            line = "Connection closed by {peer}"
            self._owner.link_failed(logs.NOTICE, line, Fault.CLOSED, quiet=True)
            return
        self._unread = len(data) == size
        self._step(lambda: self._connection.receive_data(data))

    def _act(self, until: float) -> None:
        """Hand over what the connection finds in its input, and send the answers."""
        if not self._unprocessed:
            return
        while self._hand_over(until) and self._failure is None and self._unprocessed:
            self._step(self._process)
        if not self.closed:
            self.flush(until)

    def _step(self, step: Callable[[], None]) -> None:
        """Let the connection work.  Its error waits for the events before it."""
        self._unprocessed = True
        try:
            step()
        except PeerError as error:
            self._failure = error

    def _process(self) -> None:
        self._unprocessed = self._connection.process(self._loop.time())

    def _hand_over(self, until: float) -> bool:
        """Hand over events, and the error behind them; False if something is left."""
        while not self.closed:
            event = self._connection.next_event()
            if event is None:
                break
            self._owner.link_event(event)
            if self._loop.time() >= until:
                self._unprocessed = True
                return False
        if self._failure is not None and not self.closed:
            self._owner.link_error(self._failure)
        return not self.closed

    # Output.

    def flush_now(self) -> None:
        """Send what the socket takes at once; the connection may end by it."""
        with self._last_resort():
            self.flush()

    def flush(self, until: float = -math.inf) -> None:
        """Send what the socket takes, at least one piece and more until then.

        The rest follows when the socket can be written again, or in the next turn.
        """
        self.most_queued = max(self.most_queued, self.queued)
        if self._writing or self.closed:
            return
        try:
            while self._take():
                self._out = self._out[self._socket.send(self._out) :]
                self.blocked_since = None
                if self._out or not self._connection.has_output:
                    continue
                if self._loop.time() >= until:
                    self.plan_flush()
                    break
        except (BlockingIOError, InterruptedError):
            if self.blocked_since is None:
                self.blocked_since = self._loop.time()
            self._want_write(True)
        except OSError as error:
            quiet, fault = error.errno == errno.EPIPE, _fault(error)
            line = f"Flushing meta data to {{peer}} failed: {error.strerror}"
            if quiet:
                line = "Connection closed by {peer}"
            severity = logs.NOTICE if quiet else 40
            self._owner.link_failed(severity, line, fault, quiet=quiet)

    def _judge_queue(self) -> None:
        """Note whether more is waiting than a connection may cost."""
        if self.queued > MOST_QUEUED and not self.closed:
            self._owner.link_overflowed()

    def _take(self) -> bool:
        """Refill the output from the connection; False when nothing is left."""
        if not self._out and self._connection.has_output:
            self._out = memoryview(self._connection.data_to_send(WRITE_SIZE))
        return bool(self._out)

    # The loop.

    def _want_read(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._loop.add_reader(self._socket.fileno(), self._readable)
            else:
                self._loop.remove_reader(self._socket.fileno())

    def _want_write(self, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            if wanted:
                self._loop.add_writer(self._socket.fileno(), self._writable)
            else:
                self._loop.remove_writer(self._socket.fileno())

    def detach(self) -> socket.socket:
        """Stop reading and writing and give the socket away, to be closed or held."""
        if not self.closed:
            self._want_write(False)
            self._want_read(False)
            self.closed = True
            # The owner has us too: both and their buffers are to go at once, without
            # the collector of cyclic garbage, which comes late.
            del self._owner
        return self._socket
