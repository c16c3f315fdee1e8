"""Ends of sessions for tests: those in Python, whose insides can be looked at."""

from __future__ import annotations

from typing import Final

from tincd_compat.crypto.replay import DEFAULT_WINDOW
from tincd_compat.crypto.sptps.datagram import DatagramSession, Ends
from tincd_compat.tunnel.sptpspure import PureSptpsOpener, PureSptpsSealer

ENDS: Final = Ends(
    lambda key, number: PureSptpsSealer(key, False, number),
    lambda key: PureSptpsOpener(key, False, DEFAULT_WINDOW),
)


def sealer_of(session: DatagramSession) -> PureSptpsSealer:
    """Return the sealer of a session that has keys."""
    assert isinstance(session.sealer, PureSptpsSealer)
    return session.sealer


def opener_of(session: DatagramSession) -> PureSptpsOpener:
    """Return the opener of a session that has keys."""
    assert isinstance(session.opener, PureSptpsOpener)
    return session.opener


def incoming(session: DatagramSession) -> int:
    """Return how many keys open datagrams."""
    return len(opener_of(session)._ciphers)
