"""zlib and LZO bodies, good and bad."""

from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.tunnel import compression
from tincd_compat.tunnel.compression import available, compress, decompress

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
    assert compress(level, FRAME)[:2].hex() == start


def test_the_zlib_body_of_the_worked_example() -> None:
    assert decompress(9, ZLIB_BODY) == FRAME
    assert decompress(1, ZLIB_BODY) == FRAME


@given(st.integers(1, 9), st.binary(min_size=1, max_size=1661))
def test_round_trip(level: int, frame: bytes) -> None:
    assert decompress(level, compress(level, frame)) == frame
    assert decompress(level, compress(level, bytearray(frame))) == frame


def test_incompressible_data_grows_by_eleven_bytes() -> None:
    frame = os.urandom(1400)
    assert len(compress(9, frame)) == 1411


@pytest.mark.parametrize(
    ("size", "accepted"), [(1661, True), (1662, False), (0, False)]
)
def test_size_limits(size: int, accepted: bool) -> None:
    body = zlib.compress(bytes(size))
    assert decompress(1, body) == (bytes(size) if accepted else None)


def test_a_bomb_is_not_unpacked() -> None:
    assert decompress(1, zlib.compress(bytes(10**6))) is None


def test_the_limit_is_a_parameter() -> None:
    body = zlib.compress(FRAME)
    assert decompress(1, body, limit=50) == FRAME
    assert decompress(1, body, limit=49) is None


def test_raw_deflate_is_rejected() -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert decompress(9, stream.compress(FRAME) + stream.flush()) is None


def test_bytes_behind_the_zlib_stream_are_ignored() -> None:
    assert decompress(9, ZLIB_BODY + b"junk") == FRAME


def test_a_stream_that_breaks_off_is_rejected() -> None:
    for length in range(len(ZLIB_BODY)):
        assert decompress(9, ZLIB_BODY[:length]) is None


@given(st.integers(1, 11), st.binary(max_size=200))
def test_garbage_never_raises(level: int, data: bytes) -> None:
    frame = decompress(level, data)
    assert frame is None or 0 < len(frame) <= 1661


def test_available_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(available(level) for level in range(10))
    assert not available(-1)
    assert not available(12)
    monkeypatch.setattr(compression, "_LZO", None)
    assert not available(10)
    assert not available(11)
    assert decompress(10, b"\x43" + FRAME + b"\x11\0\0") is None
    monkeypatch.setattr(compression, "_LZO", object())
    assert available(10)
    assert available(11)
    assert not available(-1)
    assert not available(12)


class TestLzo:
    """With the module that does LZO."""

    @pytest.fixture(autouse=True)
    def _needs_lzo(self) -> None:
        pytest.importorskip("lzallright")

    @pytest.mark.parametrize("level", [10, 11])
    def test_literals_only(self, level: int) -> None:
        body = b"\x43" + FRAME + b"\x11\0\0"
        assert decompress(level, body) == FRAME
        assert decompress(level, body + b"x") is None
        assert decompress(level, body[:-1]) is None

    @pytest.mark.parametrize("level", [10, 11])
    def test_round_trip(self, level: int) -> None:
        for frame in (FRAME, bytes(1661), os.urandom(1518)):
            assert decompress(level, compress(level, frame)) == frame

    def test_size_limits(self) -> None:
        assert decompress(10, compress(10, bytes(1662))) is None
        assert decompress(10, b"\x11\0\0") is None
