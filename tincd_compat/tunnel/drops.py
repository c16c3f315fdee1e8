"""Why packets go nowhere, and what becomes of a datagram that is opened.

The vocabulary is closed: a packet is counted under a reason of the router, of an
opener, or of the rest of the data plane.  Each is the text that dumps show; the word
for programs is made of it (``observe.words.DropReason``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Loss(StrEnum):
    """A reason to lose a packet beside those of the router and of openers."""

    # Super-packets of the device.
    BEYOND_TURN = "beyond a turn"
    BROKEN_SUPER_PACKET = "broken super-packet"
    # Sending.
    UNREACHABLE = "unreachable"
    NO_VALID_KEY = "no valid key"
    LARGER_THAN_MTU = "larger than the path MTU"
    META_FULL = "meta connection is full"
    NO_META = "no meta connection"
    SEND_BUFFER_FULL = "send buffer is full"
    # Receiving.
    UNKNOWN_SOURCE = "unknown source"
    NO_KEY_FROM_US = "has no key from us"
    TOO_LONG = "too long"
    INVALID_SIZE = "invalid size"
    PROBE_BY_TCP = "probe over TCP"
    UNASKED_REPLY = "unasked probe reply"


class Drop(StrEnum):
    """A reason to refuse a datagram."""

    TOO_SHORT = "too short"
    UNAUTHENTICATED = "unauthenticated"
    UNDECRYPTABLE = "undecryptable"
    LATE = "late or replayed"
    FUTURE = "far in the future"
    UNCOMPRESSABLE = "uncompressable"


class Opened(NamedTuple):
    """A datagram after opening.

    ``length`` is that of the body as received, ``last`` the highest number before it.
    ``strays`` counts the packets dropped in a row for FUTURE; ``lost`` the numbers that
    are given up because this packet was accepted.
    """

    frame: bytes
    length: int = 0
    drop: Drop | None = None
    seqno: int = 0
    last: int = 0
    strays: int = 0
    lost: int = 0
