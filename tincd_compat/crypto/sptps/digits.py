"""The base64 of tinc, which packs bits least significant first.

Three bytes make four digits, a rest of one byte two and of two bytes three; there is no
padding.  RFC 4648 packs the other way round: what is written from the end to the
beginning is the same in both.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

import binascii
from typing import Final

#: The alphabet for file names and URLs has these digits instead.
_TO_URL: Final = str.maketrans("+/", "-_")
_FROM_URL: Final = str.maketrans("-_", "+/")


def encode(data: bytes, *, url: bool = False) -> str:
    """Return the digits of ``data``; with ``url``, ``-_`` stand for ``+/``."""
    whole = data + bytes(-len(data) % 3)
    text = binascii.b2a_base64(whole[::-1], newline=False)[::-1].decode("ascii")
    text = text[: (8 * len(data) + 5) // 6]
    return text.translate(_TO_URL) if url else text


def decode(text: str) -> bytes:
    """Return the bytes of digits of either alphabet.

    ValueError for another character, a length that no bytes have, or bits that are set
    beyond the last byte: those digits were not made from bytes.
    """
    if len(text) % 4 == 1:
        raise ValueError("the text is cut off")
    if "=" in text:
        raise ValueError("the text is not made of base64 digits")
    whole = text.translate(_FROM_URL) + "A" * (-len(text) % 4)
    try:
        data = binascii.a2b_base64(whole[::-1].encode("ascii"), strict_mode=True)[::-1]
    except ValueError:
        raise ValueError("the text is not made of base64 digits") from None
    size = len(text) * 6 // 8
    if any(data[size:]):
        raise ValueError("the text does not end on a byte")
    return data[:size]
