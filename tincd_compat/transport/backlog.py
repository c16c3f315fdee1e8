"""Output that waits for one peer: how much, since when, and what follows from it.

A peer that does not read costs memory here.  Whoever has something for it asks this
object alone: news that can wait does so while the peer is ``congested``; packets are
dropped while it is ``blocked``; and the connection ends if its socket has taken nothing
for PingTimeout, or if more is waiting than any mesh has to tell.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.errors import Fault
from tincd_compat.meta.events import ConnectionLost

if TYPE_CHECKING:
    from tincd_compat.meta.connection import MetaConnection

#: Most that is encrypted and sent before others get their turn.
WRITE_SIZE: Final = 1 << 18
#: Bytes that wait for a peer; what can be told later had better be.
CONGESTION: Final = 64 * 1024
#: Bytes of output that may wait: more than it takes to tell of a mesh as large as may
#: be.  For whom more is waiting, more has been said than its line takes.
MOST_QUEUED: Final = 32 * 1024 * 1024


class Backlog:
    """The queue between a MetaConnection and its socket.

    ``patience`` are the seconds for which the socket of an active connection may take
    nothing.
    """

    def __init__(self, connection: MetaConnection, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._piece = memoryview(b"")
        #: Since when the socket has taken nothing; None while it takes everything.
        self.blocked_since: float | None = None
        #: The most bytes that have waited here.
        self.most_queued = 0

    @property
    def queued(self) -> int:
        """Bytes that wait for the socket."""
        return len(self._piece) + self._connection.queued

    @property
    def blocked(self) -> bool:
        """Whether the socket has refused to take more."""
        return self.blocked_since is not None

    @property
    def congested(self) -> bool:
        """Whether the queue in front of a new message is long."""
        return self.queued > CONGESTION

    def measure(self) -> None:
        """Note how much is waiting now."""
        self.most_queued = max(self.most_queued, self.queued)

    # What the socket takes.

    def next_piece(self) -> memoryview:
        """Return what is to be sent next; empty if nothing is."""
        if not self._piece and self._connection.has_output:
            self._piece = memoryview(self._connection.data_to_send(WRITE_SIZE))
        return self._piece

    def taken(self, count: int) -> bool:
        """Note that the socket took so many bytes; tell whether the piece is done."""
        self._piece = self._piece[count:]
        self.blocked_since = None
        return not self._piece

    def refused(self, now: float) -> None:
        """Note that the socket takes nothing at present."""
        if self.blocked_since is None:
            self.blocked_since = now

    # What follows for the connection.

    def next_timer(self) -> float:
        """Return when the patience with the peer is over; never is infinite.

        The time for the handshake is the connection's matter.
        """
        if self.blocked_since is None or not self._connection.active:
            return math.inf
        return self.blocked_since + self._patience

    def check(self, now: float) -> None:
        """Raise ConnectionLost if the peer reads too little or has not read too long.

        Memory that a peer costs concerns whoever looks after us, so it shows at level
        0.
        """
        if self.queued > MOST_QUEUED:
            raise self._lost(now, logging.WARNING, Fault.OVERFLOW, logs.always)
        if now >= self.next_timer():
            raise self._lost(now, logging.INFO, Fault.NOT_FLUSHED, logs.connections)

    def _lost(
        self, now: float, level: int, fault: Fault, logger: logging.Logger
    ) -> ConnectionLost:
        since = now if self.blocked_since is None else self.blocked_since
        return ConnectionLost(
            f"{{peer}} could not flush for {int(now - since)} seconds"
            f" ({self.queued} bytes remaining)",
            level,
            fault,
            logger,
        )
