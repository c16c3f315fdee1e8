"""Compression of packets: which level means what, and how far it may go.

=========  ================================================================
0          none
1 to 9     zlib of that level
10, 11     LZO1X; one compressor serves both, since any stream fits either
12 to 33   zstd of level 1 to 22: ``Compression = 14`` is zstd's usual 3
=========  ================================================================

Every frame is one unit of its own, always compressed even when that makes it longer:
there is no mark for a stored frame.  The level is the receiver's wish.

A tincd 1.0 knows levels up to 11 and refuses a key with any other, so the levels above
are asked only of nodes that said they know zstd; the others are asked for
:func:`common_level`.
"""

from __future__ import annotations

import functools
import importlib
import zlib
from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias

import zstandard

from tincd_compat.tunnel import lzo

#: tinc's MAXSIZE: a frame may not grow beyond it when decompressed.
MAX_SIZE: Final = 1661
#: The highest level that every tincd 1.0 knows.
MAX_COMMON_LEVEL: Final = 11
MAX_LEVEL: Final = 33
#: The methods beyond those of tinc 1.0 that this node can seal with.
METHODS: Final = ("zstd",)
_BEST_ZLIB: Final = 9
_FAST_LZO: Final = 10
#: What is above costs more than LZO and packs better: so does zlib.
_LAST_FAST_LEVEL: Final = 14
#: The smallest window of zstd that holds MAX_SIZE.
_ZSTD_WINDOW: Final = 2048

Compressor: TypeAlias = Callable[[bytes | bytearray], bytes]
Decompressor: TypeAlias = Callable[[bytes], bytes | None]


def _load_lzo() -> Any:
    try:
        return importlib.import_module("lzallright")
    except ImportError:
        return None


# Imported at once: after a chroot nothing could be found any more.
_LZO: Final = _load_lzo()


def available(level: int) -> bool:
    """Tell whether frames can be compressed and decompressed at this level."""
    if _BEST_ZLIB < level <= MAX_COMMON_LEVEL:
        return _LZO is not None
    return 0 <= level <= MAX_LEVEL


def understood(level: int, methods: Collection[str]) -> bool:
    """Tell whether a node that knows ``methods`` besides tinc 1.0's can seal so."""
    return level <= MAX_COMMON_LEVEL or "zstd" in methods


def common_level(level: int) -> int:
    """Return the level to ask of a node that knows only those of tinc 1.0.

    The fast levels of zstd, 12 to 14, become 10 (fast LZO), the thorough ones 9.
    """
    if level <= MAX_COMMON_LEVEL:
        return level
    fast = level <= _LAST_FAST_LEVEL and available(_FAST_LZO)
    return _FAST_LZO if fast else _BEST_ZLIB


@functools.cache
def compressor(level: int) -> Compressor:
    """Return what compresses a frame; ``level`` must be an available one above 0.

    Its context stays alive and is the same for all who ask for the level: one of LZO
    takes 440 KiB.  It is not for several threads at once.
    """
    if level <= _BEST_ZLIB:
        return functools.partial(zlib.compress, level=level)
    if level <= MAX_COMMON_LEVEL:
        compress: Compressor = _LZO.LZOCompressor().compress
        return compress
    # The MAC or nothing protects a packet; a checksum would be four bytes of weight.
    return zstandard.ZstdCompressor(
        level=level - MAX_COMMON_LEVEL, write_checksum=False, write_content_size=True
    ).compress


@functools.cache
def decompressor(level: int) -> Decompressor:
    """Return what gives the frame back, or None for one that is broken or too long.

    A frame is at least one byte and at most MAX_SIZE; no more than one byte above that
    is ever unpacked, and no memory taken for more.  Bytes after the end of a zlib
    stream are ignored, after an LZO stream or a zstd frame they are an error; so do
    the libraries that C uses for the former two.
    """
    if level <= _BEST_ZLIB:
        return _inflate
    if level <= MAX_COMMON_LEVEL:
        return _decompress_lzo
    return functools.partial(_decompress_zstd, zstd_context())


def zstd_context() -> zstandard.ZstdDecompressor:
    """Return a decompressor whose memory no frame can make much larger.

    A frame that does not say its size is unpacked into a window as large as its header
    asks for, with up to a whole block at a time: 128 KiB of few bytes.  No frame needs
    a window that is larger than MAX_SIZE.
    """
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)


def _within_bounds(frame: bytes) -> bytes | None:
    return frame if 0 < len(frame) <= MAX_SIZE else None


def _inflate(data: bytes) -> bytes | None:
    stream = zlib.decompressobj()
    try:
        # One byte more than allowed shows what is too long without unpacking it all.
        frame = stream.decompress(data, MAX_SIZE + 1)
    except zlib.error:
        return None
    # A stream that breaks off before its checksum is as bad as a wrong one.
    return _within_bounds(frame) if stream.eof else None


def _decompress_lzo(data: bytes) -> bytes | None:
    # The module unpacks whatever a stream says, which may be 255 times its length.
    if _LZO is None or not lzo.fits(data, MAX_SIZE):
        return None
    try:
        frame: bytes = _LZO.LZOCompressor.decompress(data, MAX_SIZE)
    except _LZO.LZOError:
        return None
    return _within_bounds(frame)


def _decompress_zstd(context: zstandard.ZstdDecompressor, data: bytes) -> bytes | None:
    try:
        # The library believes the size in the header and allocates it.
        if zstandard.frame_content_size(data) > MAX_SIZE:
            return None
        frame = context.decompress(
            data, max_output_size=MAX_SIZE, allow_extra_data=False
        )
    except zstandard.ZstdError:
        return None
    return _within_bounds(frame)
