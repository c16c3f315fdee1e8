"""Compression levels 0 to 11: none, zlib 1 to 9, LZO1X 10 (fast) and 11 (best).

Every frame is one unit of its own, always compressed even when that makes it longer:
there is no mark for a stored frame.  The level is the receiver's wish.  LZO is there
when the module ``lzallright`` is installed; it has one compressor for both levels, and
any LZO1X stream fits either.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any, Final

#: tinc's MAXSIZE: a frame may not grow beyond it when decompressed.
MAX_SIZE: Final = 1661
MAX_LEVEL: Final = 11
_BEST_ZLIB: Final = 9


def _load_lzo() -> Any:
    try:
        return importlib.import_module("lzallright")
    except ImportError:
        return None


# Imported at once: after a chroot nothing could be found any more.
_LZO: Final = _load_lzo()


def available(level: int) -> bool:
    """Tell whether frames can be compressed and decompressed at this level."""
    return 0 <= level <= (_BEST_ZLIB if _LZO is None else MAX_LEVEL)


def compress(level: int, frame: bytes | bytearray) -> bytes:
    """Return the compressed frame; ``level`` must be an available one above 0."""
    if level <= _BEST_ZLIB:
        return zlib.compress(frame, level)
    compressed: bytes = _LZO.LZOCompressor().compress(frame)
    return compressed


def decompress(level: int, data: bytes, limit: int = MAX_SIZE) -> bytes | None:
    """Return the frame, or None if it is broken, empty or longer than ``limit``.

    Bytes after the end of a zlib stream are ignored, bytes after the end of an LZO
    stream are an error: that is how C's libraries are called.
    """
    unpack = _inflate if level <= _BEST_ZLIB else _decompress_lzo
    frame = unpack(data, limit)
    return frame if 0 < len(frame) <= limit else None


def _inflate(data: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        # One byte more than allowed shows what is too long without unpacking it all.
        frame = stream.decompress(data, limit + 1)
    except zlib.error:
        return b""
    # A stream that breaks off before its checksum is as bad as a wrong one.
    return frame if stream.eof else b""


def _decompress_lzo(data: bytes, limit: int) -> bytes:
    if _LZO is None:
        return b""
    try:
        # A datagram is short and LZO packs at most 255-fold, so this stays below 1 MB.
        frame: bytes = _LZO.LZOCompressor.decompress(data, limit)
    except _LZO.LZOError:
        return b""
    return frame
