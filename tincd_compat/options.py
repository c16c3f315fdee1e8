"""The option bits that ACK and ADD_EDGE carry in hexadecimal (tinc 1.0.36).

The field is an unsigned 32-bit number.  Bits not named here belong to newer peers
(tinc 1.1 keeps its minor version in the top byte) and are preserved.
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


def combine(ours: int, theirs: int) -> int:
    """Return the options of a link; PMTU discovery needs both, the rest either."""
    both = ours & theirs & PMTU_DISCOVERY
    return ((ours | theirs) & ~PMTU_DISCOVERY) | both
