"""Pings that operators ask for: one question to one node, and the time to its answer.

A node with direct UDP gets an MTU probe, which C tincd answers, too; a neighbour whose
packets go over TCP gets a PING over its link.  No link has two PINGs under way, since a
PONG does not say which one it is to: where one is under way already, its PONG counts.

Each ping holds one of the few clients of the control socket, and all of them together
send no more than one question each ``SPACING``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat.observe.answers import PingRecord
from tincd_compat.observe.pings import carrier_to, ping_record
from tincd_compat.observe.words import Carrier, PingResult

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.daemon.links import Links
    from tincd_compat.mesh.node import Node
    from tincd_compat.observe.views import Views

#: Seconds between two questions, whoever asks for them: twenty a second.
SPACING: Final = 0.05
#: Seconds for which a ping may have to wait for its turn, or it is refused.
MAX_DELAY: Final = 1.0
#: Seconds for which an answer is waited for: PingTimeout, but no more than these, since
#: whoever asked has less patience than some PingTimeouts.
MAX_WAIT: Final = 8.0

#: Yields None while there is something to wait for, in the end the record.
Pinging: TypeAlias = Iterator[PingRecord | None]


class Pings:
    """Asks nodes; ``wake`` lets whoever waits for a ping look again.

    :param look: returns the daemon as it is now
    :param probe: sends a node one MTU probe, and tells when it is answered; False
        if there is no key to do so
    """

    def __init__(
        self,
        look: Callable[[], Views],
        probe: Callable[[Node, Callable[[float], None]], bool],
        links: Links,
        settings: CurrentSettings,
        wake: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._look = look
        self._probe = probe
        self._links = links
        self._settings = settings
        self._wake = wake
        self._loop = loop
        self._free_at = 0.0
        links.answered = wake

    def book(self) -> float | None:
        """Take the next free time for a question; None if that is too far away."""
        now = self._loop.time()
        at = max(now, self._free_at)
        if at - now > MAX_DELAY:
            return None
        self._free_at = at + SPACING
        return at

    def ping(self, node: Node, at: float) -> Pinging:
        """Ask a node at that time of the loop."""
        yield from self._until(at, lambda: False)
        carrier = carrier_to(self._look(), node)
        if carrier is Carrier.TCP:
            yield from self._by_link(node)
        elif carrier is Carrier.UDP or carrier is PingResult.NO_KEY:
            yield from self._by_probe(node)
        else:
            yield ping_record(self._look(), node, carrier)

    def _by_probe(self, node: Node) -> Pinging:
        heard: list[float] = []
        sent, waited = self._loop.time(), self._patience

        def hear(now: float) -> None:
            heard.append(now)
            self._wake()

        if not self._probe(node, hear):
            yield ping_record(self._look(), node, PingResult.NO_KEY)
            return
        yield from self._until(sent + waited, lambda: bool(heard))
        result = PingResult.ANSWERED if heard else PingResult.LOST
        rtt = max(0.0, heard[0] - sent) if heard else None
        yield ping_record(
            self._look(), node, result, carrier=Carrier.UDP, rtt=rtt, waited=waited
        )

    def _by_link(self, node: Node) -> Pinging:
        link, waited = self._links.of(node), self._patience
        if link is None or not link.active:
            yield ping_record(self._look(), node, PingResult.UNREACHABLE)
            return
        connection = link.connection
        if not connection.pinged:
            self._links.ping(link)
        timed = connection.ping_timed
        end = self._loop.time() + waited
        yield from self._until(end, lambda: not (connection.pinged and link.active))
        answered = link.active and not connection.pinged
        yield ping_record(
            self._look(),
            node,
            PingResult.ANSWERED if answered else PingResult.LOST,
            carrier=Carrier.TCP,
            rtt=connection.round_trip.last if answered and timed else None,
            waited=waited,
        )

    @property
    def _patience(self) -> float:
        return min(self._settings.current.ping_timeout, MAX_WAIT)

    def _until(self, end: float, over: Callable[[], bool]) -> Iterator[None]:
        """Wait until that time of the loop, or until it is over before."""
        if over() or self._loop.time() >= end:
            return
        timer = self._loop.call_at(end, self._wake)
        try:
            while not over() and self._loop.time() < end:
                yield None
        finally:
            timer.cancel()
