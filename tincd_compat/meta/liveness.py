"""Liveness of one peer: when a PING is due, and when the peer is given up.

The peer has ``timeout`` seconds for the handshake and for the answer to a PING; the
``interval`` between two PINGs is longer.  These are PingTimeout and PingInterval of
tinc.conf(5).  All times are monotonic seconds, given by the caller.
"""

from __future__ import annotations

import logging

from tincd_compat.errors import Fault
from tincd_compat.meta.events import ConnectionLost
from tincd_compat.roundtrip import RoundTrip


class Liveness:
    """Times of the PINGs and PONGs of one meta connection that begins at ``now``."""

    def __init__(self, now: float, *, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        #: When the connection began or the last PING left, later by all delays of ours.
        self._since = now
        #: Whether a PING waits for its answer.
        self.pinged = False
        #: PINGs without a PONG, and when the only one of them left.
        self._unanswered = 0
        self._left: float | None = None
        #: Times from PING to PONG.
        self.round_trip = RoundTrip()

    @property
    def timed(self) -> bool:
        """Whether a PONG would be the answer to one certain PING, and have a time."""
        return self._left is not None

    def ping_sent(self, now: float) -> None:
        """Wait for the answer to a PING from now on."""
        self.pinged = True
        self._since = now
        self._unanswered += 1
        self._left = now if self._unanswered == 1 else None

    def pong_received(self, now: float) -> None:
        """Take the time of a PONG, if the PONG cannot be one to another PING."""
        self.pinged = False
        if self._left is not None:
            self.round_trip.add(max(0.0, now - self._left))
            self._left = None
        self._unanswered = max(0, self._unanswered - 1)

    def delay(self, seconds: float) -> None:
        """Give the peer the seconds that our own private key has taken."""
        self._since += seconds

    def deadline(self, *, active: bool, paused: bool) -> float:
        """Return when the next PING is due or the peer is given up.

        The handshake is ``active`` when it is complete and ``paused`` while it waits
        for our own private key, which it may for as long as another PingTimeout.
        """
        if active and not self.pinged:
            return self._since + self._interval
        return self._since + self._timeout * (2 if paused else 1)

    def lost(self, now: float, *, active: bool) -> ConnectionLost:
        """Return the error about a peer whose time is over."""
        if not active:
            line = "Timeout from {peer} during authentication"
            return ConnectionLost(line, logging.WARNING, Fault.AUTH_TIMEOUT)
        silent = now - self._since
        line = f"{{peer}} didn't respond to PING in {silent:.0f} seconds"
        return ConnectionLost(line, logging.INFO, Fault.PING_TIMEOUT)
