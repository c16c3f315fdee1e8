"""What a network card does for the kernel: cutting, merging and checksums of segments.

The kernel hands a tun or tap device TCP segments (and UDP datagrams, where it can) of
one flow in one piece, a :class:`SuperPacket`, and takes them so.  :func:`split` cuts
such a piece into frames that fit the path, :func:`coalesce` merges frames into pieces,
:func:`fill_checksum` finishes an ordinary frame.

All three take any bytes.  What is not sound comes back unmerged, or not at all where
only the kernel can have made it.
"""

from __future__ import annotations

from tincd_compat.checksums import checksum, sum16
from tincd_compat.tunnel.coalescing import coalesce
from tincd_compat.tunnel.splitting import split
from tincd_compat.tunnel.superpacket import TCPV4, TCPV6, UDP, SuperPacket

__all__ = ["TCPV4", "TCPV6", "UDP", "SuperPacket", "coalesce", "fill_checksum", "split"]


def fill_checksum(frame: bytearray, start: int, offset: int) -> bool:
    """Finish a checksum ``offset`` bytes behind ``start``, where its coverage begins.

    The field holds the sum of the pseudo header.  False if it is not in the frame.
    """
    field = start + offset
    if start < 0 or offset < 0 or field + 2 > len(frame):
        return False
    # The seed is part of what is covered.  Zero means "none" in UDP; all bits set is
    # the same number everywhere.
    total = checksum(sum16(frame[start:])) or 0xFFFF
    frame[field : field + 2] = total.to_bytes(2, "big")
    return True
