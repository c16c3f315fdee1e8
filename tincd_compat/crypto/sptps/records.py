"""Records of a session: kinds, and how many of them a session may have.

Kinds up to 127 are the application's, 128 is the handshake's.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tincd_compat.errors import Fault, PeerError

HANDSHAKE: Final = 128
#: The highest kind that is the application's.
LAST_KIND: Final = 127

#: Numbers are 32 bits wide and must not wrap, or a key stream is used twice.  From here
#: on the owner of a session is to start another one.
WORN: Final = 1 << 31
#: The session refuses records, its own and the peer's, from here on.
LIMIT: Final = 3 << 30


class SptpsRecord(NamedTuple):
    """A record that has arrived: its kind, 0 to 127, and what it carries."""

    kind: int
    data: bytes


def checked_number(number: int) -> int:
    """Return a record's number; PeerError if the session has had too many records."""
    if number >= LIMIT:
        raise used_up()
    return number


def used_up() -> PeerError:
    """Return the error for a session that has had too many records."""
    return PeerError("The SPTPS session with {peer} has used up its numbers")


def refused(what: str, fault: Fault = Fault.PROTOCOL) -> PeerError:
    """Return the error for a peer that sent ``what``."""
    return PeerError(f"Got {what} from {{peer}}", fault)
