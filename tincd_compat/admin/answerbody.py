"""The answer to a request as HTTP/1.1 frames it (RFC 9112): its status, and its body.

``http.client`` takes as long to be imported as the rest of a verb, for mail, TLS and
cookies, and h11 takes as long again.  A client that asks once, of a daemon that is its
own, needs the head of an answer and the three ways in which a body can end.
"""

from __future__ import annotations

import io
from typing import Any, Final

#: Bytes of a line of a head or between chunks, and lines of all heads of an answer.
LONGEST_HEAD_LINE: Final = 8 * 1024
MOST_HEAD_LINES: Final = 100

_NO_CONTENT: Final = (204, 304)


class MalformedAnswer(Exception):
    """What came is no answer of HTTP, or ended in its middle."""


class AnswerBody(io.RawIOBase):
    """The body of an answer, read as it comes.

    A read takes what is there, up to the end of a chunk, and waits for one byte at
    least.  MalformedAnswer if the connection ends before the body does.
    """

    def __init__(
        self, stream: io.BufferedReader, length: int | None, *, chunked: bool = False
    ) -> None:
        super().__init__()
        self._stream = stream
        #: Bytes left of the body, or of its chunk; None: until the stream ends.
        self._left = 0 if chunked else length
        self._chunked = chunked
        #: A chunk has begun, and the end of line behind its data is still to come.
        self._within = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._chunked and not self._left:
            self._next_chunk()
        if self._left is None:
            return self._stream.readinto1(buffer)
        if not self._left:
            return 0
        count = self._stream.readinto1(memoryview(buffer)[: self._left])
        if not count:
            raise MalformedAnswer("the answer ends in its middle")
        self._left -= count
        return count

    def _next_chunk(self) -> None:
        """Read on to the data of the next chunk, or to the end of the last one."""
        if self._within and _line(self._stream):
            raise MalformedAnswer("a chunk is longer than it says")
        size = _line(self._stream).partition(b";")[0].strip()
        self._left = _number(size, 16)
        self._within = self._left > 0
        if self._within:
            return
        self._chunked = False
        for _ in range(MOST_HEAD_LINES):
            if not _line(self._stream):
                return
        raise MalformedAnswer("too many lines behind the last chunk")


def read_answer(stream: io.BufferedReader) -> tuple[int, io.BufferedReader]:
    """Return status and body of the answer to a request that was no HEAD.

    MalformedAnswer if there is none.  Answers that announce another, of status 1xx, are
    passed over.
    """
    lines = MOST_HEAD_LINES
    while True:
        status = _status(_line(stream))
        fields: dict[bytes, bytes] = {}
        while line := _line(stream):
            lines -= 1
            if lines < 0:
                raise MalformedAnswer("the head has too many lines")
            name, colon, value = line.partition(b":")
            if not colon:
                raise MalformedAnswer("a line of the head has no name")
            fields[name.lower()] = value.strip()
        if status >= 200:
            return status, io.BufferedReader(_body(stream, status, fields))


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    status = rest.partition(b" ")[0]
    if not version.startswith(b"HTTP/1.") or len(status) != 3:
        raise MalformedAnswer("no line of status")
    return _number(status, 10)


def _body(
    stream: io.BufferedReader, status: int, fields: dict[bytes, bytes]
) -> AnswerBody:
    if status in _NO_CONTENT:
        return AnswerBody(stream, 0)
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked":
            raise MalformedAnswer("the body is coded in an unknown way")
        return AnswerBody(stream, None, chunked=True)
    return AnswerBody(stream, None if length is None else _number(length, 10))


def _number(digits: bytes, base: int) -> int:
    # int() takes signs, blanks and underscores, too.
    if not digits.isalnum():
        raise MalformedAnswer("a length is no number")
    try:
        return int(digits, base)
    except ValueError:
        raise MalformedAnswer("a length is no number") from None


def _line(stream: io.BufferedReader) -> bytes:
    """Return a line without its end."""
    line = stream.readline(LONGEST_HEAD_LINE)
    if not line.endswith(b"\n"):
        text = "a line is too long" if line else "the connection has ended"
        raise MalformedAnswer(text)
    return line.rstrip(b"\r\n")
