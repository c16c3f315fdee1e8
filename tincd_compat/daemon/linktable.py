"""The table of links: all of them, and by node those that are active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.mesh.node import Node
    from tincd_compat.meta.messages import Request


class LinkTotals(NamedTuple):
    """What the meta connections have moved, those that have ended included."""

    #: Requests to all peers by kind, with those of handshakes.
    sent: Counter[Request]
    bytes_sent: int
    bytes_received: int
    #: Bytes that wait for peers, and the most that have waited for one.
    queued: int
    most_queued: int


class LinkTable:
    """Links as the planes see them, which send over links but make and end none."""

    def __init__(self) -> None:
        #: Links in the order of their beginnings; a dictionary, since each may end any
        #: time.
        self._all: dict[Link, None] = {}
        self._by_node: dict[Node, Link] = {}
        #: Requests so far of active links, by kind.
        self.received: Counter[Request] = Counter()
        self._most_queued = 0
        #: Requests to links that have ended, and lines to everyone, by kind.
        self._sent_before: Counter[Request] = Counter()
        #: Bytes that links which have ended have sent and received.
        self._bytes_before = 0, 0

    def __iter__(self) -> Iterator[Link]:
        return iter(tuple(self._all))

    def active(self) -> list[Link]:
        """Return the links whose handshake is complete."""
        return [link for link in self._all if link.active]

    def of(self, node: Node) -> Link | None:
        """Return the active link with a node."""
        return self._by_node.get(node)

    @property
    def congested(self) -> bool:
        """Tell whether some peer has a long queue in front of a new message."""
        return any(link.backlog.congested for link in self.active())

    @property
    def most_queued(self) -> int:
        """The most bytes that have waited for one peer so far."""
        links = (link.backlog.most_queued for link in self._all)
        return max(self._most_queued, *links, 0)

    @property
    def active_count(self) -> int:
        """The number of active links."""
        return len(self._by_node)

    def totals(self) -> Generator[None, None, LinkTotals]:
        """Return what all links have moved so far; one of them is added each step."""
        sent, (out, into) = Counter(self._sent_before), self._bytes_before
        queued, most = 0, self._most_queued
        for link in self:
            sent.update(link.connection.sent)
            out += link.connection.bytes_sent
            into += link.connection.bytes_received
            queued += link.backlog.queued
            most = max(most, link.backlog.most_queued)
            yield
        return LinkTotals(sent, out, into, queued, most)

    def told_everyone(self, request: Request, count: int) -> None:
        """Count one request that was sent over ``count`` links in one piece."""
        self._sent_before[request] += count

    def _keep_counts(self, link: Link) -> None:
        """Keep what a link has counted, which is about to end."""
        connection, (sent, received) = link.connection, self._bytes_before
        self._sent_before += connection.sent
        self._bytes_before = (
            sent + connection.bytes_sent,
            received + connection.bytes_received,
        )
        self._most_queued = max(self._most_queued, link.backlog.most_queued)
