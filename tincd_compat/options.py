"""The option bits that ACK and ADD_EDGE carry in hexadecimal (tinc 1.0.36).

The field is an unsigned 32-bit number.  Its top byte is the minor version of the
protocol (17.7, tinc 1.1 behaviour): a node announces its own in ACK, and an edge has
that of the node it leads to.  Bits not named here belong to newer peers and are
preserved.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

#: Only the direct neighbour may send UDP straight to this node.
INDIRECT: Final = 0x1
#: Packets travel as PACKET over the meta connection.
TCPONLY: Final = 0x2
#: Path MTU discovery is used on this link.
PMTU_DISCOVERY: Final = 0x4
#: The MSS option of TCP segments is lowered to what the path carries.
CLAMP_MSS: Final = 0x8


class Minor(IntEnum):
    """Minor versions of the protocol, by what a node does from there on."""

    #: Sessions with other nodes.
    SESSIONS = 2
    #: Probe replies that have not the length of the probe.
    SHORT_REPLIES = 3
    #: The IDs of two nodes in front of datagrams, and relaying by these.
    NODE_IDS = 4


_MINOR_SHIFT: Final = 24
_BITS: Final = (1 << _MINOR_SHIFT) - 1


def minor(options: int) -> int:
    """Return the minor version that options announce, 0 to 255."""
    return options >> _MINOR_SHIFT


def with_minor(options: int, version: int) -> int:
    """Return options that announce another minor version, 0 to 255."""
    return options & _BITS | version << _MINOR_SHIFT


def combine(ours: int, theirs: int) -> int:
    """Return the options of a link; PMTU discovery needs both, the rest either.

    They are those of our edge to the peer, so the minor version is the peer's alone.
    """
    both = ours & theirs & PMTU_DISCOVERY
    bits = ((ours | theirs) & ~PMTU_DISCOVERY) | both
    return with_minor(bits, minor(theirs))
