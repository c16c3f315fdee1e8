"""One meta connection as the daemon sees it: protocol, socket, node and host file."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import Activated, Event, MetaConnection
from tincd_compat.meta.messages import Message, Request
from tincd_compat.observe.words import LinkEnd
from tincd_compat.transport.metasocket import MetaSocket
from tincd_compat.transport.turns import Turns
from tincd_compat.tunnel.traffic import NOTHING, Traffic

if TYPE_CHECKING:
    from tincd_compat.config.hosts import HostSettings
    from tincd_compat.control.outgoing import Outgoing
    from tincd_compat.mesh.node import Node


#: Bytes of the line in front of a frame that is sent as PACKET, mostly.
_PACKET_LINE: Final = 8
#: Letters of a line about the end of a link that are kept, and shown to operators.  A
#: peer may have written the line; the log has all of it.
MOST_LETTERS: Final = 256


class End(NamedTuple):
    """The end of a link: its reason as a word, and as a line."""

    reason: LinkEnd
    text: str


class Link:
    """A connection with a peer, from accept or connect until it ends.

    :param handle: acts on an event of the connection
    :param lost: ends the link for an error, a PeerError unless the fault is ours
    :param patience: seconds for which the peer may read nothing
    """

    def __init__(
        self,
        connection: MetaConnection,
        sock: socket.socket,
        address: SocketAddress,
        outgoing: Outgoing | None,
        handle: Callable[[Link, Event], None],
        lost: Callable[[Link, Exception], None],
        loop: asyncio.AbstractEventLoop | None = None,
        turns: Turns | None = None,
        *,
        patience: float = math.inf,
    ) -> None:
        self.connection = connection
        #: Option bits of the link, those of both ACKs combined; 0 until it is active.
        self.options = 0
        self.address = address
        self.outgoing = outgoing
        #: What hosts/NAME says, once the peer is identified.
        self.host: HostSettings | None = None
        #: The peer's node, once the handshake is complete.
        self.node: Node | None = None
        #: Set when the connection is gone, and why it is.
        self.ended = asyncio.Event()
        self.end: End | None = None
        #: The block of the peer's METAKEY, until our private key has decrypted it.
        self.block: asyncio.Future[bytes] | None = None
        #: When the link became active; until then, when it began.
        self.since = (loop or asyncio.get_running_loop()).time()
        #: What both ACKs said, once the link is active; bits of the peer's key.
        self.said: Activated | None = None
        self.rsa_bits: int | None = None
        #: A PONG has arrived: the connection works both ways.
        self.proven = False
        #: Frames that went and came as PACKET.
        self.sent = self.received = NOTHING
        self.socket = MetaSocket(
            sock,
            connection,
            partial(handle, self),
            partial(lost, self),
            loop,
            turns,
            patience=patience,
        )
        self.backlog = self.socket.backlog

    def __str__(self) -> str:
        return self.connection.peer

    @property
    def active(self) -> bool:
        return self.connection.active and not self.socket.closed

    def send(self, message: Message) -> None:
        self.connection.send(message)
        self.socket.plan_flush()

    def send_dump(self, messages: Iterator[Message]) -> None:
        """Send many messages, each made when the peer can take it."""
        self.connection.send_dump(messages)
        self.socket.plan_flush()

    def send_line(self, line: bytes, request: Request | None = None) -> None:
        """Send a line as received, or one encoded for several links.

        It is logged if its request is named.
        """
        self.connection.send_line(line, request)
        self.socket.plan_flush()

    def has_room(self, limit: int) -> bool:
        """Tell whether to send one more packet, at random while many bytes wait."""
        waiting = self.backlog.queued
        if self.socket.closed or waiting >= limit:
            return False
        refusal = 2 * waiting / limit - 1
        return not (self.backlog.blocked and refusal > random.random())

    def offer_packets(
        self, frames: Sequence[bytes | bytearray], limit: int
    ) -> tuple[int, int]:
        """Send frames, each the less likely the more bytes of ``limit`` are waiting.

        Returns how many were dropped for that, and how many are left because the link
        has ended.
        """
        dropped = 0
        backlog, chunk = self.backlog, list[bytes | bytearray]()
        waiting, blocked = backlog.queued, backlog.blocked
        for done, frame in enumerate(frames):
            # A burst is no backlog: what counts is what the system does not take.
            # Until it refuses something it is offered as much as may wait at all.
            if waiting >= limit or (blocked and 2 * waiting > limit):
                self.send_packets(chunk)
                waiting, blocked, chunk = backlog.queued, backlog.blocked, []
            if self.socket.closed:
                return dropped, len(frames) - done
            if blocked and 2 * waiting / limit - 1 > random.random():
                dropped += 1
            else:
                chunk.append(frame)
                waiting += len(frame) + _PACKET_LINE
        self.send_packets(chunk)
        return dropped, 0

    def send_packets(self, frames: Sequence[bytes | bytearray]) -> None:
        """Send frames at once, as far as the system takes them."""
        if not self.socket.closed:
            self.sent += Traffic(len(frames), sum(map(len, frames)))
            self.connection.send_packets(frames)
            self.socket.flush_now()

    def feed(self, step: Callable[[], None]) -> None:
        if not self.socket.closed:
            self.socket.feed(step)

    def log_error(self, error: PeerError) -> End:
        """Log why the link is lost, at the level and with the logger of the error."""
        logger: logging.Logger = getattr(error, "logger", logs.always)
        severity: int = getattr(error, "severity", logging.ERROR)
        lines = error.text(str(self)).splitlines()
        for line in lines:
            logger.log(severity, "%s", line)
        return End(LinkEnd(error.fault.value), lines[0][:MOST_LETTERS])
