"""The requests by number, and how long they may be."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from tincd_compat.errors import PeerError
from tincd_compat.meta.fields import INT

#: Longest line a tincd 1.0 accepts, LF included (its receive buffer).
MAX_LINE: Final = 2176
#: Largest PACKET body that is delivered (tinc's MAXSIZE).
MAX_PACKET_BODY: Final = 1661


class Request(IntEnum):
    """Request numbers; 5 to 7 exist in name only and end a connection."""

    # Requests are counted by kind with every message, and that of Enum is a function in
    # Python.
    __hash__ = int.__hash__

    ID = 0
    METAKEY = 1
    CHALLENGE = 2
    CHAL_REPLY = 3
    ACK = 4
    STATUS = 5
    ERROR = 6
    TERMREQ = 7
    PING = 8
    PONG = 9
    ADD_SUBNET = 10
    DEL_SUBNET = 11
    ADD_EDGE = 12
    DEL_EDGE = 13
    KEY_CHANGED = 14
    REQ_KEY = 15
    ANS_KEY = 16
    PACKET = 17


_NUMBER = re.compile(INT)


def request_number(line: bytes) -> int:
    """Return the number a line starts with; PeerError if it does not start with one."""
    match = _NUMBER.match(line)
    if match is None:
        raise PeerError("Bogus data received from {peer}")
    return int(match[1][:32])
