"""Cutting IPv4 packets that exceed the path MTU (RFC 791, 3.2)."""

from __future__ import annotations

from typing import Final

from tincd_compat.routing import headers
from tincd_compat.routing.verdicts import Reason

_MORE_FRAGMENTS: Final = 0x2000
_OFFSET: Final = 0x1FFF
_LONGEST: Final = 0xFFFF


def stated_length(frame: bytearray, ip: int) -> int:
    """Return the frame length that the IPv4 header at ``ip`` announces."""
    return ip + headers.get16(frame, ip + 2)


def fragment(frame: bytearray, ip: int, limit: int) -> list[bytearray] | Reason:
    """Cut the packet at ``ip`` into frames of at most ``limit`` bytes.

    ``limit`` leaves room for 8 bytes of payload.  Packets with header options are not
    cut, and neither are those whose length is not what their header says, or pieces
    that reach beyond the longest packet there is: offsets of theirs would wrap around.
    """
    if frame[ip] & 15 != 5:
        return Reason.HAS_OPTIONS
    if len(frame) != stated_length(frame, ip):
        return Reason.BAD_LENGTH
    data = ip + headers.IPV4
    step = (limit - data) & ~7
    field = headers.get16(frame, ip + 6)
    if (field & _OFFSET) * 8 + len(frame) - ip > _LONGEST:
        return Reason.BAD_OFFSET
    pieces = []
    for start in range(data, len(frame), step):
        piece = frame[:data] + frame[start : start + step]
        last = start + step >= len(frame)
        offset = (field & _OFFSET) + (start - data) // 8
        flags = field & ~_OFFSET | (0 if last else _MORE_FRAGMENTS)
        _finish(piece, ip, flags | offset)
        pieces.append(piece)
    return pieces


def _finish(piece: bytearray, ip: int, field: int) -> None:
    headers.put16(piece, ip + 2, len(piece) - ip)
    headers.put16(piece, ip + 6, field)
    headers.put16(piece, ip + 10, 0)
    total = headers.sum16(memoryview(piece)[ip : ip + headers.IPV4])
    headers.put16(piece, ip + 10, headers.checksum(total))
