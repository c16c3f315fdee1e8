"""Lowering the MSS option of TCP segments to what the path carries (ClampMSS)."""

from __future__ import annotations

from typing import Final

from tincd_compat.routing import headers

_MAXIMUM_SEGMENT_SIZE: Final = 2


def clamp(frame: bytearray, mtu: int) -> int | None:
    """Lower the MSS in ``frame`` to fit frames of ``mtu`` bytes; return it if changed.

    As in tincd every TCP header with the option is treated, SYN or not.
    """
    start = headers.tcp_header(frame)
    if start is None:
        return None
    limit = mtu - start - headers.TCP
    if limit < 0:
        return None
    for kind, offset, length in headers.tcp_options(frame, start):
        if kind == _MAXIMUM_SEGMENT_SIZE:
            if length != 4 or headers.get16(frame, offset + 2) <= limit:
                return None
            _replace(frame, start, offset + 2, limit)
            return limit
    return None


def _replace(frame: bytearray, tcp: int, offset: int, value: int) -> None:
    change = value - headers.get16(frame, offset)
    if (offset - tcp) & 1:
        # Behind an odd number of one-byte options the value straddles two words;
        # shifting by a byte swaps its halves, since 65536 counts as 1.
        change <<= 8
    old = headers.get16(frame, tcp + 16)
    headers.put16(frame, tcp + 16, headers.adjusted_checksum(old, change))
    headers.put16(frame, offset, value)
