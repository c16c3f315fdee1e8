"""The answers of a daemon, cut anywhere, and what is no answer."""

from __future__ import annotations

import io
from collections.abc import Sequence

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.admin.answerbody import (
    LONGEST_HEAD_LINE,
    MOST_HEAD_LINES,
    MalformedAnswer,
    read_answer,
)


class Pieces(io.RawIOBase):
    """A connection that hands over no more than so many bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._data = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        return self._data.readinto(memoryview(buffer)[: self._size])


def _stream(data: bytes, size: int = 1 << 16) -> io.BufferedReader:
    return io.BufferedReader(Pieces(data, size))


def _whole(data: bytes, size: int = 1 << 16) -> tuple[int, bytes]:
    status, body = read_answer(_stream(data, size))
    return status, body.read()


def _answered(status: int, parts: Sequence[bytes], *, length: bool) -> bytes:
    """Return what h11 makes of an answer, which is what the daemon sends."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.next_event()
    server.next_event()
    headers = [("Content-Type", "application/json")]
    if length:
        headers.append(("Content-Length", str(sum(map(len, parts)))))
    events: list[h11.Event] = [
        h11.Response(status_code=status, headers=headers),
        *(h11.Data(data=part) for part in parts),
        h11.EndOfMessage(),
    ]
    return b"".join(server.send(event) or b"" for event in events)


_HEAD = b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n"


@given(
    st.sampled_from([200, 202, 403, 503]),
    st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    st.booleans(),
    st.integers(1, 40),
)
def test_what_the_daemon_sends(
    status: int, parts: list[bytes], length: bool, size: int
) -> None:
    data = _answered(status, parts, length=length)
    expected = status, b"".join(parts)
    assert _whole(data) == expected
    assert _whole(data, size) == expected
    assert _whole(data, 1) == expected


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4),
    st.booleans(),
    st.data(),
)
def test_an_answer_that_is_cut_is_none(
    parts: list[bytes], length: bool, data: st.DataObject
) -> None:
    whole = _answered(200, parts, length=length)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for size in (1 << 16, 1):
        with pytest.raises(MalformedAnswer):
            _whole(whole[:cut], size)


@given(st.binary(max_size=200))
def test_rubbish_is_an_answer_or_malformed(rubbish: bytes) -> None:
    for data in (rubbish, _HEAD + rubbish):
        found = []
        for size in (1 << 16, 1):
            try:
                found.append(_whole(data, size))
            except MalformedAnswer as error:
                found.append((0, str(error).encode()))
        assert found[0] == found[1]


def test_a_line_is_there_before_the_answer_ends() -> None:
    _, body = read_answer(_stream(_HEAD + b'8\r\n{"a":1}\n\r\n4\r\n{"b"\r\n', 3))
    assert body.readline(99) == b'{"a":1}\n'
    with pytest.raises(MalformedAnswer, match="has ended"):
        body.readline(99)


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    assert _whole(b"HTTP/1.0 200 OK\r\n\r\nwords") == (200, b"words")


def test_answers_without_a_body() -> None:
    assert _whole(b"HTTP/1.1 204 \r\n\r\nrest") == (204, b"")
    first = b"HTTP/1.1 103 \r\nLink: x\r\n\r\n"
    assert _whole(first + _answered(200, [b"x"], length=True)) == (200, b"x")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has ended"),
        (b"SSH-2.0-x\r\n", "no line of status"),
        (b"HTTP/1.1 2x0 \r\n\r\n", "no number"),
        (b"HTTP/1.1 +20 \r\n\r\n", "no number"),
        (b"HTTP/1.1 200 " + b"x" * LONGEST_HEAD_LINE, "too long"),
        (b"HTTP/1.1 200 \r\nno colon\r\n\r\n", "has no name"),
        (b"HTTP/1.1 200 \r\n" + b"a:b\r\n" * (MOST_HEAD_LINES + 1), "too many lines"),
        (b"HTTP/1.1 100 \r\na:\r\n\r\n" * (MOST_HEAD_LINES + 1), "too many lines"),
        (b"HTTP/1.1 200 \r\nContent-Length: 1_0\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 \r\nTransfer-Encoding: gzip\r\n\r\n", "unknown way"),
        (_HEAD + b"-1\r\n", "no number"),
        (_HEAD + b"1\r\nab\r\n", "longer than it says"),
        (_HEAD + b"0\r\n" + b"a:b\r\n" * MOST_HEAD_LINES, "behind the last"),
    ],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(MalformedAnswer, match=words):
        _whole(data)
