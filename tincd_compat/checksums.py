"""The Internet checksum (RFC 1071), as arithmetic modulo 65535."""

from __future__ import annotations

from typing import Final, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

#: Longer data is folded before it is divided.
_SHORT: Final = 352
# Each step halves what a full-sized packet leaves; any multiple of 16 bits is right.
_FOLDS: Final = tuple((bits, (1 << bits) - 1) for bits in (5632, 2816, 1408))


def sum16(data: Buffer) -> int:
    """Return the one's complement sum of 16-bit words, the last one padded with zero.

    The result is reduced modulo 65535, so sums may be added before they are folded.
    """
    # 65536 is 1 modulo 65535: the whole buffer is the sum of its words.
    value = int.from_bytes(data, "big")
    if len(data) & 1:
        value <<= 8
    if len(data) > _SHORT:
        # Division is what costs here: shifts and additions are several times cheaper.
        for bits, mask in _FOLDS:
            value = (value >> bits) + (value & mask)
    return value % 0xFFFF


def checksum(total: int) -> int:
    """Return the Internet checksum for a sum of words that are not all zero."""
    return -total % 0xFFFF


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
