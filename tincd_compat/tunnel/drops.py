"""What becomes of a datagram that is opened."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Drop(Enum):
    """Why a datagram is refused."""

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
