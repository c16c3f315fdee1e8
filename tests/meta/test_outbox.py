"""The order in which things are said, and when a dump is made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.meta.scripted import Counter
from tincd_compat.crypto import streamciphers
from tincd_compat.meta.outbox import PIECE, Outbox
from tincd_compat.meta.stream import MetaStream

LINE = b"10 1 somebody 10.0.0.0/8"


class Source:
    """Lines to be dumped, and how many of them were asked for."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.made = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            self.left -= 1
            self.made += 1
            yield LINE


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(MetaStream())


def test_what_is_put_can_be_taken(outbox: Outbox) -> None:
    assert outbox.empty
    outbox.put(b"one")
    outbox.put_ahead(b"two")
    assert (outbox.queued, outbox.empty) == (8, False)
    assert outbox.take(5) == b"one\nt"
    assert outbox.take(None) == b"wo\n"
    assert outbox.empty


def test_a_dump_is_made_as_it_is_taken(outbox: Outbox) -> None:
    source = Source(10_000)
    outbox.begin_dump(iter(source))
    assert (source.made, outbox.queued, outbox.empty) == (0, 0, False)
    taken = outbox.take(1000)
    assert len(taken) == 1000
    assert source.made * (len(LINE) + 1) <= PIECE + len(LINE)
    while not outbox.empty:
        taken += outbox.take(1000)
        assert outbox.queued < PIECE + len(LINE)
    assert taken == (LINE + b"\n") * 10_000


def test_everything_else_comes_behind_a_dump(outbox: Outbox) -> None:
    outbox.put(b"before")
    outbox.begin_dump(iter(Source(1000)))
    outbox.put(b"behind")
    outbox.put_ahead(b"8")
    outbox.put(b"last")
    assert outbox.queued == len(b"before\n8\nbehind\nlast\n")
    taken = b""
    while not outbox.empty:
        taken += outbox.take(None)
    lines = taken.splitlines()
    assert lines[:2] == [b"before", b"8"]
    assert lines[2:-2] == [LINE] * 1000
    assert lines[-2:] == [b"behind", b"last"]
    outbox.put(b"after")
    assert outbox.take(None) == b"after\n"


def test_nothing_to_dump(outbox: Outbox) -> None:
    outbox.begin_dump(iter(Source(0)))
    outbox.put(b"behind")
    assert outbox.take(None) == b"behind\n"
    assert outbox.empty


@pytest.mark.parametrize("dumped", [0, 100])
def test_an_exhausted_cipher_ends_it(
    monkeypatch: pytest.MonkeyPatch, dumped: int
) -> None:
    monkeypatch.setattr(streamciphers.MetaCipher, "budget", 1000)
    stream = MetaStream()
    stream.start_encryption(streamciphers.CIPHERS[429].encryptor(bytes(72)))
    outbox = Outbox(stream)
    assert outbox.put(bytes(899 - dumped))
    outbox.begin_dump(iter(Source(dumped)))
    outbox.put(bytes(100))
    assert len(outbox.take(None)) <= 1000
    assert isinstance(outbox.error, streamciphers.BudgetExceeded)
    assert (outbox.empty, outbox.put(bytes(999))) == (True, False)


def test_what_waits_can_be_forgotten(outbox: Outbox) -> None:
    source = Source(10)
    outbox.begin_dump(iter(source))
    outbox.put(b"behind")
    outbox.clear()
    assert outbox.empty
    assert (outbox.take(None), source.made) == (b"", 0)


@given(
    st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=50)), max_size=30),
    st.integers(0, 400),
    st.lists(st.integers(1, 4000), max_size=30),
)
def test_it_is_one_stream_however_it_is_taken(
    others: list[tuple[bool, bytes]], count: int, limits: list[int]
) -> None:
    stream, block = MetaStream(), Counter()(72)
    stream.start_encryption(streamciphers.CIPHERS[429].encryptor(block))
    outbox = Outbox(stream)
    outbox.begin_dump(iter(Source(count)))
    taken = b""
    for (ahead, data), limit in zip(others, limits, strict=False):
        (outbox.put_ahead if ahead else outbox.put)(data)
        piece = outbox.take(limit)
        assert len(piece) <= limit
        taken += piece
    while not outbox.empty:
        taken += outbox.take(None)
    plain = streamciphers.CIPHERS[429].decryptor(block).update(taken)
    said = [(ahead, data) for (ahead, data), _ in zip(others, limits, strict=False)]
    sizes = [len(data) + 1 for _, data in said]
    assert len(plain) == count * (len(LINE) + 1) + sum(sizes)
    for ahead in (True, False):
        position = 0
        for each, data in said:
            if each is ahead:
                position = plain.find(data + b"\n", position)
                assert position >= 0
                position += len(data) + 1
