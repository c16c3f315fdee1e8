"""How long an LZO1X stream unpacks to: both halves, against streams made by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat._fast import core
from tincd_compat.tunnel import lzo

HALVES = [lzo._fits] if core is None else [lzo._fits, core.lzo_fits]
END = b"\x11\0\0"


def fits(stream: bytes, limit: int) -> bool:
    """Return what both halves say."""
    answers = {half(stream, limit) for half in HALVES}
    assert len(answers) == 1
    return answers.pop()


@dataclass
class Stream:
    """A stream as far as it is made, and how long a frame it unpacks to.

    ``literals`` is what the last instruction ended with; 4 stands for more.
    """

    data: bytes = b""
    length: int = 0
    literals: int = 0

    def continued(self, code: int, mask: int, count: int) -> None:
        """Append a code with a count from 1 on, in as many bytes as it takes."""
        if count <= mask:
            self.data += bytes([code | count])
            return
        zeros, last = divmod(count - mask - 1, 255)
        self.data += bytes([code]) + bytes(zeros) + bytes([last + 1])

    def first(self, count: int) -> None:
        self.data += bytes([17 + count]) + bytes(count)
        self.length += count
        self.literals = min(count, 4)

    def run(self, count: int) -> None:
        self.continued(0, 15, count)
        self.data += bytes(count + 3)
        self.length += count + 3
        self.literals = 4

    def short(self, code: int, literals: int) -> None:
        self.data += bytes([code & 0xFC | literals, 0xAA]) + bytes(literals)
        if code < 0x40:
            self.length += 3 if self.literals == 4 else 2
        else:
            self.length += (code >> 5) + 1
        self._copied(literals)

    def long(self, code: int, mask: int, count: int, literals: int) -> None:
        self.continued(code, mask, count)
        self.data += bytes([0xA8 | literals, 0xAA]) + bytes(literals)
        self.length += count + 2
        self._copied(literals)

    def _copied(self, literals: int) -> None:
        self.length += literals
        self.literals = literals


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw streams of up to a few thousand bytes of frame, without their end."""
    stream = Stream()
    counts = st.one_of(st.integers(1, 40), st.integers(1, 1200))
    # What else begins a stream has a first byte above 17, and that is a run.
    if draw(st.booleans()):
        stream.first(draw(st.integers(1, 238)))
    else:
        stream.run(draw(counts))
    for _ in range(draw(st.integers(0, 8))):
        literals = draw(st.integers(0, 3))
        match draw(st.integers(0, 3)):
            case 0 if stream.literals:
                stream.short(draw(st.integers(0x00, 0x0F)), literals)
            case 0:
                stream.run(draw(counts))
            case 1:
                stream.short(draw(st.integers(0x40, 0xFF)), literals)
            case 2:
                far = draw(st.sampled_from((0x10, 0x18)))
                stream.long(far, 0x07, draw(counts), literals)
            case _:
                stream.long(0x20, 0x1F, draw(counts), literals)
    return stream


@given(streams())
def test_the_length_of_any_stream(stream: Stream) -> None:
    whole = stream.data + END
    for limit in (stream.length, stream.length + 1, 10**6):
        assert fits(whole, limit)
    for limit in (0, stream.length // 2, stream.length - 1):
        assert limit >= stream.length or not fits(whole, limit)


@given(streams(), st.data())
def test_what_is_not_whole(stream: Stream, data: st.DataObject) -> None:
    whole = stream.data + END
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert not fits(whole[:cut], 10**6)
    assert not fits(whole + b"x", 10**6)


@given(st.binary(max_size=60), st.integers(0, 3000))
def test_both_halves_agree_about_any_bytes(data: bytes, limit: int) -> None:
    fits(data, limit)


@given(streams(), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3))
def test_both_halves_agree_about_damage(
    stream: Stream, damage: list[tuple[int, int]]
) -> None:
    whole = bytearray(stream.data + END)
    for place, byte in damage:
        whole[place % len(whole)] = byte
    for limit in (300, 1661, 10**6):
        fits(bytes(whole), limit)


@pytest.mark.parametrize("code", [0x00, 0x10, 0x18, 0x20])
def test_zeros_beyond_the_limit_are_not_counted(code: int) -> None:
    """Whatever stands behind them is no instruction."""
    start = b"\x12x" if code else b""
    for zeros in range(1, 40):
        for tail in (b"", b"\0\0", b"\x03\0", b"\x01" + END, END):
            assert not fits(start + bytes([code]) + bytes(zeros) + tail, 20)


def test_an_empty_frame() -> None:
    assert fits(END, 0)
    assert not fits(b"", 0)
    assert not fits(b"\x11", 0)
