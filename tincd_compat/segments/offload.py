"""What a network card does for the kernel: cutting, merging and checksums of segments.

The kernel hands a tun or tap device TCP segments (and UDP datagrams, where it can) of
one flow in one piece, a :class:`SuperPacket`, and takes them so.  :func:`split` cuts
such a piece into frames that fit the path, :func:`coalesce` merges frames into pieces,
:func:`fill_checksum` finishes an ordinary frame.

All three take any bytes.  What is not sound comes back unmerged, or not at all where
only the kernel can have made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tincd_compat import checksums
from tincd_compat._fast import core
from tincd_compat.checksums import Buffer
from tincd_compat.segments import coalescing, splitting
from tincd_compat.segments.superpacket import MAX_CUTS, TCPV4, TCPV6, UDP, SuperPacket

__all__ = [
    "COMPILED",
    "TCPV4",
    "TCPV6",
    "UDP",
    "SuperPacket",
    "coalesce",
    "fill_checksum",
    "split",
]

#: Whether the compiled half does the work.
COMPILED: Final = core is not None


def split(
    frame: Buffer,
    kind: int,
    size: int,
    start: int,
    first: int = 0,
    most: int = MAX_CUTS,
) -> list[bytes]:
    """Cut a super-packet into frames; :class:`SuperPacket` has the first arguments.

    Returns ``most`` segments, or fewer, beginning with the one numbered ``first``;
    nothing if the arguments do not describe the frame.
    """
    cut = splitting.split if core is None else core.split
    return cut(frame, kind, size, start, first, most)


def coalesce(frames: Sequence[Buffer], udp: bool = False) -> list[Buffer | SuperPacket]:
    """Merge segments that follow each other in a burst; UDP only if ``udp``.

    Frames that stay alone are returned as they are, the same objects.
    """
    if core is None:
        return coalescing.coalesce(frames, udp)
    return [
        SuperPacket(*item) if isinstance(item, tuple) else item
        for item in core.coalesce(frames, udp)
    ]


def fill_checksum(frame: bytearray, start: int, offset: int) -> bool:
    """Finish a checksum ``offset`` bytes behind ``start``, where its coverage begins.

    The field holds the sum of the pseudo header.  False if it is not in the frame.
    """
    fill = checksums.fill_checksum if core is None else core.fill_checksum
    return fill(frame, start, offset)
