"""The option bits that ACK and ADD_EDGE carry in hexadecimal (tinc 1.0.36).

The field is an unsigned 32-bit number.  Its top byte is the minor version of the
protocol (17.7, tinc 1.1 behaviour): a node announces its own in ACK, and an edge has
that of the node it leads to.  Bits not named here belong to newer peers and are
preserved.
"""

from __future__ import annotations

from typing import Final

#: Only the direct neighbour may send UDP straight to this node.
INDIRECT: Final = 0x1
#: Packets travel as PACKET over the meta connection.
TCPONLY: Final = 0x2
#: Path MTU discovery is used on this link.
PMTU_DISCOVERY: Final = 0x4
#: The MSS option of TCP segments is lowered to what the path carries.
CLAMP_MSS: Final = 0x8


#: The minor version from which on a node has sessions, the one from which on it
#: understands short probe replies, and that with node IDs in front of datagrams.
SESSIONS: Final = 2
SHORT_REPLIES: Final = 3
NODE_IDS: Final = 4

#: The minor version that a daemon with an Ed25519 key announces: it has not the
#: requests 21 to 23.
OWN_MINOR: Final = NODE_IDS

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
