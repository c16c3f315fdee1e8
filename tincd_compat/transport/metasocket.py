"""The glue that moves bytes between a socket and its MetaConnection.

Nothing here decides about the protocol: bytes go in, events come out, and whoever owns
the link is told about both.  The timers of the connection and of its
:class:`~tincd_compat.transport.backlog.Backlog` are kept here.  When there is time for
all that is for the :class:`~tincd_compat.transport.turns.Turns` to say, which all links
share.  What waits for it is one read at most: the socket is not read any further
meanwhile, and so TCP slows the peer down.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import socket
from collections.abc import Callable, Iterator
from typing import Final

from tincd_compat import logs
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import ConnectionLost, Event, MetaConnection
from tincd_compat.meta.messages import MAX_LINE
from tincd_compat.transport.backlog import Backlog
from tincd_compat.transport.interest import SocketInterest
from tincd_compat.transport.turns import Turns

#: Most that is read from a connection at a time; until it is active a line at most.
READ_SIZE: Final = 65536


def _lost(error: OSError, line: str) -> ConnectionLost:
    """Return what an error of the socket means for the connection."""
    if error.errno == errno.EPIPE:
        return _closed()
    fault = Fault.RESET if error.errno == errno.ECONNRESET else Fault.IO_ERROR
    text = f"{line}: {error.strerror}"
    return ConnectionLost(text, logging.ERROR, fault, logs.always)


def _closed() -> ConnectionLost:
    return ConnectionLost("Connection closed by {peer}", logs.NOTICE, Fault.CLOSED)


class MetaSocket:
    """Moves bytes between a connected socket and its MetaConnection.

    Output is taken from the connection only as fast as the socket takes it, so that
    its backlog is all that waits.

    :param handle: acts on an event; the socket may be detached meanwhile
    :param lost: hears why the connection cannot go on, which is a PeerError unless the
        error is ours, and detaches the socket
    :param patience: seconds for which the peer may read nothing
    """

    def __init__(
        self,
        sock: socket.socket,
        connection: MetaConnection,
        handle: Callable[[Event], None],
        lost: Callable[[Exception], None],
        loop: asyncio.AbstractEventLoop | None = None,
        turns: Turns | None = None,
        *,
        patience: float = math.inf,
    ) -> None:
        self._socket = sock
        self._connection = connection
        self._handle = handle
        self._lost = lost
        self._loop = loop or asyncio.get_running_loop()
        self._turns = turns or Turns(self._loop)
        self.backlog = Backlog(connection, patience)
        self._timer: asyncio.TimerHandle | None = None
        self._interest = SocketInterest(self._loop, sock)
        self._flush_planned = False
        #: There may be something to read.
        self._unread = False
        #: The connection has input that it has not looked at, or events that wait.
        self._unprocessed = False
        self._failure: PeerError | None = None
        self.closed = False
        self._interest.read(self._readable)
        self._plan_timer()

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
            self._interest.read(None)

    def _writable(self) -> None:
        self._interest.write(None)
        self._flush_planned = True
        self._turns.begin(self)

    def work(self, until: float) -> bool:
        """Send what is planned, act on what comes; True if input has to wait."""
        with self._last_resort():
            if self._flush_planned:
                self._flush_planned = False
                self.flush(until)
            while self.unheard and not self.closed:
                if not self._unprocessed:
                    self._read()
                self._act(until)
                if self._loop.time() >= until:
                    break
            if not self.closed:
                self._handle_timers()
        if self.closed:
            return False
        self._interest.read(None if self.unheard else self._readable)
        self._plan_timer()
        return self.unheard

    @contextlib.contextmanager
    def _last_resort(self) -> Iterator[None]:
        """Give the connection up if what is done for it fails unforeseen."""
        try:
            yield
        except Exception as error:
            if self.closed:
                raise
            self._lost(error)

    # Timers.

    def _next_timer(self) -> float:
        return min(self._connection.next_timer(), self.backlog.next_timer())

    def _plan_timer(self) -> None:
        """See to it that the next timer is not missed.

        A timer that comes too early plans the next one.  While input waits for a turn,
        that turn looks at the time.
        """
        due, timer = self._next_timer(), self._timer
        if self.unheard or due == math.inf:
            return
        if timer is None or due < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(due, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        self._turns.begin(self)

    def _handle_timers(self) -> None:
        """Let the connection act on the time, and judge what waits for the peer."""
        now = self._loop.time()
        try:
            if now >= self._connection.next_timer():
                self._connection.handle_timer(now, unheard=self.unheard)
                self.plan_flush()
            self.backlog.check(now)
        except PeerError as error:
            self._lost(error)

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
            self._lost(_lost(error, "Metadata socket read error for {peer}"))
            return
        if not data:
            self._lost(_closed())
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
            self._handle(event)
            if self._loop.time() >= until:
                self._unprocessed = True
                return False
        if self._failure is not None and not self.closed:
            self._lost(self._failure)
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
        backlog = self.backlog
        backlog.measure()
        if self._interest.writing or self.closed:
            return
        try:
            while piece := backlog.next_piece():
                done = backlog.taken(self._socket.send(piece))
                if not (done and self._connection.has_output):
                    continue
                if self._loop.time() >= until:
                    self.plan_flush()
                    break
        except (BlockingIOError, InterruptedError):
            backlog.refused(self._loop.time())
            self._interest.write(self._writable)
            self._plan_timer()
        except OSError as error:
            self._lost(_lost(error, "Flushing meta data to {peer} failed"))

    # The end.

    def detach(self) -> socket.socket:
        """Stop reading and writing and give the socket away, to be closed or held."""
        if not self.closed:
            self._interest.write(None)
            self._interest.read(None)
            self.closed = True
            if self._timer is not None:
                self._timer.cancel()
            # The owner has us too: both and their buffers are to go at once, without
            # the collector of cyclic garbage, which comes late.
            del self._handle, self._lost
        return self._socket
