"""How long a frame is that an LZO1X stream unpacks to, found without unpacking it.

The module that unpacks knows no bound, and a stream can be a bomb: each zero byte in
the length of a copy stands for 255 bytes.  A walk along the instructions tells the
length; a stream that is too long or breaks off never reaches that module.

::

    instruction    bytes of the frame, and how far back they are copied from
    00 .. 0f       a run of literals, or a copy of 2 or 3 bytes after literals
    10 .. 1f       a copy of any length, 16 KiB to 48 KiB back; 11 00 00 is the end
    20 .. 3f       a copy of any length, up to 16 KiB back
    40 .. ff       a copy of 3 to 8 bytes, up to 2 KiB back

Up to three literals may follow a copy: the last two bits of its distance count them.
"""

from __future__ import annotations

from typing import Final

from tincd_compat._fast import core

#: A first byte above this is a run of literals of so many less.
_FIRST: Final = 17
#: What a zero byte adds to a length that is continued.
_MORE: Final = 255
#: After a run of four literals or more the next short copy is another.
_RUN: Final = 4


def fits(stream: bytes, limit: int) -> bool:
    """Tell whether a stream is whole and unpacks to at most ``limit`` bytes.

    Whether its copies begin within the frame is for the decompressor to see.
    """
    return (_fits if core is None else core.lzo_fits)(stream, limit)


def _fits(stream: bytes, limit: int) -> bool:
    try:
        return _walk(stream, limit)
    except IndexError:
        return False


def _walk(stream: bytes, limit: int) -> bool:
    """Do what :func:`fits` says; IndexError if the stream breaks off.

    One function, since a call for each instruction would double what it costs.
    """
    length = at = literals = 0
    if stream[0] > _FIRST:
        length = literals = stream[0] - _FIRST
        at = 1 + literals
    while length <= limit:
        code = stream[at]
        if code >= 0x40:
            length += (code >> 5) + 1
            literals = code & 3
            at += 2
        elif code < 0x10 and literals:
            length += 2 if literals < _RUN else 3
            literals = code & 3
            at += 2
        else:
            mask = 0x1F if code >= 0x20 else 0x07 if code >= 0x10 else 0x0F
            count = code & mask
            at += 1
            if count == 0:
                count = mask
                while stream[at] == 0 and count <= limit:
                    count += _MORE
                    at += 1
                count += stream[at]
                at += 1
                if count > limit:
                    return False
            if code < 0x10:
                literals = count + 3
            elif code < 0x18 and stream[at] < 4 and stream[at + 1] == 0:
                return at + 2 == len(stream)
            else:
                length += count + 2
                literals = stream[at] & 3
                at += 2
        length += literals
        at += literals
    return False
