"""ConnectTo: which address to try next, and when to try again.

No socket, no resolver: the daemon resolves the lines this hands out and reports back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress

#: Seconds by which each failure lengthens the wait.
STEP: Final = 5
#: Seconds before the planned time at which an attempt is an early one.
EARLY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lookup:
    """An Address line: a host and a port, each a name or a number."""

    host: str
    port: str


class Outgoing:
    """One ConnectTo.

    Only a PONG proves a connection good and resets the wait, and it makes the iteration
    start over: when the connection ends later, the addresses are read afresh.
    """

    def __init__(
        self, name: str, *, min_timeout: int = 0, max_timeout: int = 900
    ) -> None:
        self.name = name
        self.timeout = 0
        #: When the next attempt is planned; it may come early.  None or past while an
        #: attempt or a connection is to show when.
        self.retry_at: float | None = None
        self._min_timeout = min_timeout
        self._max_timeout = max_timeout
        self._lines: deque[Lookup] = deque()
        self._resolved: deque[SocketAddress] = deque()

    def restart(self, lines: Iterable[Lookup]) -> None:
        """Begin an attempt with the Address lines the host file has now."""
        self._lines = deque(lines)
        self._resolved.clear()

    def next_address(self) -> SocketAddress | Lookup | None:
        """Return what to connect to next.

        A :class:`Lookup` has to be resolved and answered with :meth:`resolved`, then
        this is asked again.  None means that all have been tried: see :meth:`failed`.
        """
        if self._resolved:
            return self._resolved.popleft()
        return self._lines.popleft() if self._lines else None

    def resolved(self, addresses: Iterable[SocketAddress]) -> None:
        """Take the addresses of the last line, in the resolver's order; maybe none."""
        self._resolved = deque(addresses)

    def failed(self, now: float, *, unusable: bool = False) -> float:
        """Give up for now and return when to try again.

        ``unusable`` says that the host file cannot be read or has no Address, which
        waiting a little will not change.

        An attempt that came early, before the one that is planned, takes nothing from
        it: whatever makes attempts come early may do so every few seconds.
        """
        if not unusable:
            logs.connections.error(
                "Could not set up a meta connection to %s", self.name
            )
        if self.retry_at is None or self.retry_at - now < EARLY:
            self.retry_at = now + self._lengthen(unusable=unusable)
        logs.connections.log(
            logs.NOTICE,
            "Trying to re-establish outgoing connection in %d seconds",
            math.ceil(self.retry_at - now),
        )
        self._lines.clear()
        self._resolved.clear()
        return self.retry_at

    def _lengthen(self, *, unusable: bool) -> int:
        if unusable:
            self.timeout = self._max_timeout
        wait = max(self.timeout + STEP, self._min_timeout)
        self.timeout = min(wait, self._max_timeout)
        return self.timeout

    def rewind(self) -> None:
        """Note a PONG: no wait next time, and no further addresses of this list."""
        self.timeout = 0
        self.retry_at = None
        self._lines.clear()
        self._resolved.clear()
