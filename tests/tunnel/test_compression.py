"""zlib and LZO bodies, good and bad."""

from __future__ import annotations

import os
import zlib
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tincd_compat.tunnel import compression
from tincd_compat.tunnel.compression import (
    MAX_LEVEL,
    MAX_SIZE,
    available,
    common_level,
    compressor,
    decompressor,
    understood,
)

FRAME = bytes.fromhex(
    "000000000000000000000000080045000024 2a174000 40018c6f c0a80101 c0a80201"
    "0800d4b5 12340001 4142434445464748"
)
ZLIB_BODY = bytes.fromhex(
    "78da636040000e06570606152d71070607c69efc032b18190fac6062e460b8b255c88481d1d1c9d9"
    "c5d5cddd03009e3b0900"
)


@pytest.mark.parametrize(
    ("level", "start"),
    [(1, "7801"), (2, "785e"), (5, "785e"), (6, "789c"), (7, "78da"), (9, "78da")],
)
def test_the_level_shows_in_the_zlib_header(level: int, start: str) -> None:
    assert compressor(level)(FRAME)[:2].hex() == start


def test_the_zlib_body_of_the_worked_example() -> None:
    assert decompressor(9)(ZLIB_BODY) == FRAME
    assert decompressor(1)(ZLIB_BODY) == FRAME


@given(st.integers(1, 9), st.binary(min_size=1, max_size=1661))
def test_round_trip(level: int, frame: bytes) -> None:
    assert decompressor(level)(compressor(level)(frame)) == frame
    assert decompressor(level)(compressor(level)(bytearray(frame))) == frame


def test_incompressible_data_grows_by_eleven_bytes() -> None:
    frame = os.urandom(1400)
    assert len(compressor(9)(frame)) == 1411


@pytest.mark.parametrize(
    ("size", "accepted"), [(1661, True), (1662, False), (0, False)]
)
def test_size_limits(size: int, accepted: bool) -> None:
    body = zlib.compress(bytes(size))
    assert decompressor(1)(body) == (bytes(size) if accepted else None)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb, lengths = zlib.compress(bytes(10**6)), list[int]()
    make = zlib.decompressobj

    class Watching:
        def __init__(self) -> None:
            self._stream = make()

        def decompress(self, *given: Any) -> bytes:
            frame: bytes = self._stream.decompress(*given)
            lengths.append(len(frame))
            return frame

        @property
        def eof(self) -> bool:
            return self._stream.eof

    monkeypatch.setattr(zlib, "decompressobj", Watching)
    assert decompressor(1)(bomb) is None
    assert lengths == [MAX_SIZE + 1]


def test_raw_deflate_is_rejected() -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert decompressor(9)(stream.compress(FRAME) + stream.flush()) is None


def test_bytes_behind_the_zlib_stream_are_ignored() -> None:
    assert decompressor(9)(ZLIB_BODY + b"junk") == FRAME


def test_a_stream_that_breaks_off_is_rejected() -> None:
    for length in range(len(ZLIB_BODY)):
        assert decompressor(9)(ZLIB_BODY[:length]) is None


LEVELS = [level for level in range(1, MAX_LEVEL + 1) if available(level)]


@given(st.sampled_from(LEVELS), st.binary(max_size=200))
def test_garbage_never_raises(level: int, data: bytes) -> None:
    frame = decompressor(level)(data)
    assert frame is None or 0 < len(frame) <= 1661


@settings(max_examples=300)
@given(
    st.sampled_from(LEVELS),
    st.binary(min_size=1, max_size=120),
    st.integers(1, 14),
    st.data(),
)
def test_damage_never_raises(
    level: int, frame: bytes, times: int, data: st.DataObject
) -> None:
    packed = bytearray(compressor(level)(frame * times))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(packed)))
    for damaged in (bytes(packed), bytes(packed[:cut])):
        unpacked = decompressor(level)(damaged)
        assert unpacked is None or 0 < len(unpacked) <= 1661


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_round_trip(level: int) -> None:
    for frame in (FRAME, b"x", bytes(1661), os.urandom(1518), bytearray(FRAME * 20)):
        assert decompressor(level)(compressor(level)(frame)) == frame


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_the_same_limits(level: int) -> None:
    pack, unpack = compressor(level), decompressor(level)
    assert unpack(pack(bytes(1661))) == bytes(1661)
    assert unpack(pack(bytes(1662))) is None
    assert unpack(pack(b"")) is None
    assert unpack(b"") is None


def test_available_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    for level in (*range(10), 12, 33):
        assert available(level)
    assert not available(-1)
    assert not available(34)
    monkeypatch.setattr(compression, "_LZO", None)
    assert not available(10)
    assert not available(11)
    assert available(12)
    assert decompressor(10)(b"\x43" + FRAME + b"\x11\0\0") is None
    monkeypatch.setattr(compression, "_LZO", object())
    assert available(10)
    assert available(11)


class TestLevelsBeyondTinc:
    @pytest.mark.parametrize(
        ("level", "common"),
        [*((n, n) for n in range(12)), (12, 10), (14, 10), (15, 9), (33, 9)],
    )
    def test_what_is_asked_of_the_others(self, level: int, common: int) -> None:
        assert common_level(level) == common

    def test_without_lzo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compression, "_LZO", None)
        assert common_level(12) == 9

    def test_who_understands_them(self) -> None:
        assert understood(11, ())
        assert not understood(12, ())
        assert not understood(12, ("lz4",))
        assert understood(12, ("lz4", "zstd"))
        assert understood(33, compression.METHODS)


def streamed(frame: bytes, level: int, *, told: bool = False) -> bytes:
    """Return a zstd frame as a stream has it, which need not say how long it is."""
    compress = zstandard.ZstdCompressor(level=level).compressobj
    stream = compress(size=len(frame)) if told else compress()
    return stream.compress(frame) + stream.flush()


#: The windows that a zstd frame can ask for: from 1 KiB to almost 4 TiB.
WINDOWS = [
    (8 + eighths) << exponent + 7 for exponent in range(32) for eighths in range(8)
]


def windowed(frame: bytes, window: int) -> bytes:
    """Return a zstd frame that says nothing of its length, and asks for this window."""
    body = bytearray(streamed(frame, 1))
    parameters = zstandard.get_frame_parameters(body)
    assert parameters.content_size == zstandard.CONTENTSIZE_UNKNOWN
    # The byte behind magic number and flags.
    body[5] = WINDOWS.index(window)
    return bytes(body)


class TestZstd:
    def test_the_frames_are_standard_ones(self) -> None:
        packed = compressor(14)(FRAME * 4)
        assert packed.startswith(b"\x28\xb5\x2f\xfd")
        assert zstandard.ZstdDecompressor().decompress(packed) == FRAME * 4

    def test_the_level_is_that_of_the_library(self) -> None:
        frame = b"".join(b"%d %x," % (n, n * n) for n in range(150))
        for level in (12, 14, 22, 33):
            expected = zstandard.ZstdCompressor(level=level - 11).compress(frame)
            assert compressor(level)(frame) == expected

    def test_incompressible_data_grows_by_ten_bytes(self) -> None:
        assert len(compressor(12)(os.urandom(1400))) == 1410

    def test_a_bomb_is_not_unpacked(self) -> None:
        for size in (10**6, 10**9):
            # The header alone makes a decompressor allocate.
            stream = zstandard.ZstdCompressor().compressobj(size=size)
            head = stream.compress(bytes(10**6)) + stream.flush(
                zstandard.COMPRESSOBJ_FLUSH_BLOCK
            )
            assert zstandard.frame_content_size(head) == size
            assert decompressor(12)(head) is None

    def test_a_bomb_of_unknown_size(self) -> None:
        pack = zstandard.ZstdCompressor(write_content_size=False).compress
        assert decompressor(12)(pack(bytes(1661))) == bytes(1661)
        assert decompressor(12)(pack(bytes(1662))) is None
        assert decompressor(12)(pack(bytes(10**7))) is None

    @pytest.mark.parametrize("level", [1, 3, 9])
    def test_the_size_is_said_or_the_window_small(self, level: int) -> None:
        frame = bytes(1661)
        assert decompressor(12)(streamed(frame, level, told=True)) == frame
        assert decompressor(12)(streamed(frame, level)) is None

    def test_the_largest_window(self) -> None:
        frame = bytes(1661)
        parameters = zstandard.get_frame_parameters(windowed(frame, 10 << 20))
        assert parameters.window_size == 10 << 20
        for size in WINDOWS:
            # A block may not be longer than the window.
            fits = len(frame) <= size <= 2048
            unpacked = decompressor(12)(windowed(frame, size))
            assert unpacked == (frame if fits else None), size

    def test_memory_is_bounded(self) -> None:
        """A frame can ask for a window of many megabytes."""
        context = compression.zstd_context()
        unpack = partial(compression._decompress_zstd, context)
        assert unpack(compressor(33)(bytes(1661))) is not None
        settled = context.memory_size()
        bodies = [windowed(bytes(1661), size) for size in WINDOWS]
        for size, level, told in product(
            (1, 1661, 10**6, 10**7), (1, 3), (True, False)
        ):
            bodies.append(streamed(bytes(size), level, told=told))
        for body in bodies:
            for cut in (0, 1, len(body) // 2):
                unpack(body[: len(body) - cut])
                assert context.memory_size() <= settled + 8 * MAX_SIZE

    def test_nothing_may_follow(self) -> None:
        packed = compressor(12)(FRAME)
        for more in (b"x", packed):
            assert decompressor(12)(packed + more) is None
        for length in range(len(packed)):
            assert decompressor(12)(packed[:length]) is None

    def test_one_context_for_many_frames(self) -> None:
        assert compressor(12) is compressor(12)
        frames = [FRAME, os.urandom(600), FRAME]
        one, _, three = (compressor(12)(frame) for frame in frames)
        assert one == three


class TestLzo:
    """With the module that does LZO."""

    @pytest.fixture(autouse=True)
    def _needs_lzo(self) -> None:
        pytest.importorskip("lzallright")

    @pytest.mark.parametrize("level", [10, 11])
    def test_literals_only(self, level: int) -> None:
        body = b"\x43" + FRAME + b"\x11\0\0"
        assert decompressor(level)(body) == FRAME
        assert decompressor(level)(body + b"x") is None
        assert decompressor(level)(body[:-1]) is None

    @pytest.mark.parametrize("level", [10, 11])
    def test_round_trip(self, level: int) -> None:
        for frame in (FRAME, bytes(1661), os.urandom(1518)):
            assert decompressor(level)(compressor(level)(frame)) == frame

    def test_size_limits(self) -> None:
        assert decompressor(10)(compressor(10)(bytes(1662))) is None
        assert decompressor(10)(b"\x11\0\0") is None

    @pytest.mark.parametrize("size", [1662, 10**4, 10**6])
    def test_a_bomb_is_not_unpacked(
        self, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bomb = compressor(10)(bytes(size))
        unpacked = watched(monkeypatch)
        assert decompressor(10)(bomb) is None
        assert unpacked == []

    def test_nothing_long_is_unpacked(self) -> None:
        """Not even where it breaks off, after what a frame could not be."""
        bomb = bytes.fromhex("12 78 20") + bytes(1400) + bytes.fromhex("01 0000")
        with pytest.MonkeyPatch.context() as monkeypatch:
            unpacked = watched(monkeypatch)
            assert decompressor(10)(bomb) is None
            assert decompressor(10)(bomb + b"\x11\0\0") is None
        assert unpacked == []

    @settings(max_examples=300)
    @given(st.binary(min_size=1, max_size=200), st.integers(1, 20), st.data())
    def test_what_is_unpacked_is_short(
        self, frame: bytes, times: int, data: st.DataObject
    ) -> None:
        packed = bytearray(compressor(10)(frame * times))
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.integers(0, len(packed) - 1))
            packed[place] = data.draw(st.sampled_from((0, 16, 32, 255)))
        try:
            wanted = compression._LZO.LZOCompressor.decompress(bytes(packed))
        except compression._LZO.LZOError:
            wanted = b""
        with pytest.MonkeyPatch.context() as monkeypatch:
            unpacked = watched(monkeypatch)
            got = decompressor(10)(bytes(packed))
        assert got == (wanted if 0 < len(wanted) <= MAX_SIZE else None)
        assert all(length <= MAX_SIZE for length in unpacked)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the LZO module note how long it makes what it unpacks."""
    module, lengths = compression._LZO, list[int]()

    def decompress(data: bytes, hint: int) -> bytes:
        frame: bytes = module.LZOCompressor.decompress(data, hint)
        lengths.append(len(frame))
        return frame

    watching = SimpleNamespace(
        LZOCompressor=SimpleNamespace(decompress=decompress), LZOError=module.LZOError
    )
    monkeypatch.setattr(compression, "_LZO", watching)
    return lengths
