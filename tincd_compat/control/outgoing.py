"""ConnectTo: when to try again, which depends on what became of the tries before."""

from __future__ import annotations

import math
from typing import Final

from tincd_compat import logs

#: Seconds by which each failure lengthens the wait.
STEP: Final = 5
#: Seconds before the planned time at which an attempt is an early one.
EARLY: Final = 1.0


class Outgoing:
    """One ConnectTo.

    Only a PONG proves a connection good and resets the wait.
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
        return self.retry_at

    def _lengthen(self, *, unusable: bool) -> int:
        if unusable:
            self.timeout = self._max_timeout
        wait = max(self.timeout + STEP, self._min_timeout)
        self.timeout = min(wait, self._max_timeout)
        return self.timeout

    def rewind(self) -> None:
        """Note a PONG: there is no wait next time."""
        self.timeout = 0
        self.retry_at = None
