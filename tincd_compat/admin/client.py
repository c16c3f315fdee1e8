"""The control socket, asked: records of one running net, and changes to it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from tincd_compat.admin.answerbody import MalformedAnswer, read_answer
from tincd_compat.admin.text import Record, clean
from tincd_compat.errors import TincError

if TYPE_CHECKING:
    import io
    import socket
    from pathlib import Path

#: An answer takes no longer than this; a daemon gives it within one turn of its loop.
PATIENCE: Final = 10.0
#: What a line of an answer may measure, and all lines of a list.
LONGEST_LINE: Final = 1 << 20
LONGEST_LIST: Final = 256 << 20
#: What is read at a time of an answer that is wanted whole.
_PIECE: Final = 64 << 10


class Unanswered(TincError):
    """The net cannot be asked; the text says why and what to do."""


class Forbidden(Unanswered):
    """The socket is there, and not for this user."""


class RequestRefused(TincError):
    """The daemon has understood and will not."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Response(NamedTuple):
    """What came back: status, and the body that is still to be read."""

    status: int
    body: io.BufferedIOBase


#: Ask with a method for a path, and wait at most so long for each read.
Transport = Callable[[str, str, float | None], AbstractContextManager[Response]]


class Client:
    """One running net, by the path of its socket."""

    def __init__(
        self, net: str, transport: Transport, patience: float = PATIENCE
    ) -> None:
        self.net = net
        self._transport = transport
        self._patience = patience

    def one(self, name: str, **query: str | None) -> Record:
        """Return the one record of ``/v1/NAME``."""
        return _decoded(self.raw(name, **query))

    def many(self, name: str, **query: str | None) -> list[Record]:
        """Return all records of the list ``/v1/NAME``."""
        return [_decoded(line) for line in self.raw(name, **query).splitlines()]

    @staticmethod
    def text(record: Record) -> str:
        """Return a record as one line of JSON, of ASCII alone."""
        return json.dumps(record, separators=(",", ":"))

    def lines(self, name: str, **query: str | None) -> str:
        """Return the list ``/v1/NAME`` as it is, made safe for a terminal."""
        return printable(self.raw(name, **query).decode(errors="replace"))

    def raw(self, name: str, most: int = LONGEST_LIST, /, **query: str | None) -> bytes:
        """Return the body of ``/v1/NAME`` as it is, of so many bytes at most."""
        with self._answer("GET", _path(name, query), self._patience) as answer:
            pieces, left = [], most
            while piece := answer.body.read1(_PIECE):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    text = "the answer is longer than anything expected"
                    raise Unanswered(f"{_named(self.net)}: {text}")
        return b"".join(pieces)

    def follow(self, name: str, **query: str | None) -> Iterator[bytes]:
        """Yield the lines of a list that goes on until the daemon ends."""
        with self._answer("GET", _path(name, query), None) as answer:
            while line := answer.body.readline(LONGEST_LINE):
                yield line.rstrip(b"\n")

    def listen(
        self, name: str, patience: float, **query: str | None
    ) -> Iterator[bytes]:
        """Yield the lines of such a list, until none has come for ``patience`` seconds.

        Unanswered if the daemon ends the list, which it does only with itself.
        """
        with self._answer("GET", _path(name, query), patience) as answer:
            while True:
                try:
                    line = answer.body.readline(LONGEST_LINE)
                except TimeoutError:
                    return
                if not line:
                    raise Unanswered(f"{_named(self.net)} has ended")
                yield line.rstrip(b"\n")

    def change(self, name: str, **query: str | None) -> Record:
        """Have the daemon do ``/v1/NAME``, and return what it says of it."""
        with self._answer("POST", _path(name, query), self._patience) as answer:
            body = answer.body.read(LONGEST_LINE)
        return _decoded(body) if body.strip() else {}

    @contextmanager
    def _answer(
        self, method: str, path: str, patience: float | None
    ) -> Iterator[Response]:
        try:
            with self._transport(method, path, patience) as answer:
                if answer.status >= 300:
                    raise RequestRefused(answer.status, _reason(answer))
                yield answer
        except TimeoutError:
            raise Unanswered(
                f"{_named(self.net)} has not answered for {self._patience:.0f} s: "
                "its process hangs or is stopped; see its log"
            ) from None


def printable(text: str) -> str:
    """Return lines of JSON in which what would steer a terminal is escaped."""
    if text.isascii() and "\x7f" not in text and "\x1b" not in text:
        return text
    return "".join(
        character
        if character == "\n" or character.isprintable()
        else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
        for character in text
    )


def _path(name: str, query: Mapping[str, str | None]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"/v1/{name}?{urlencode(given)}" if given else f"/v1/{name}"


def _decoded(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unanswered("the daemon's answer is no record: is it of another version?")
    return value


def _reason(answer: Response) -> str:
    """Return the words of an answer that says no."""
    body = answer.body.read(LONGEST_LINE)
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = body.decode(errors="replace").strip()
    if isinstance(value, dict):
        value = value.get("text") or value.get("error")
    return clean(value or f"status {answer.status}")


def _named(net: str) -> str:
    return f"net {clean(net)}" if net else "tincd without a net name"


def over(path: Path, net: str) -> Transport:
    """Return the transport to the socket at ``path``."""

    @contextmanager
    def ask(method: str, target: str, patience: float | None) -> Iterator[Response]:
        with _connected(path, net, patience) as connection:
            try:
                connection.sendall(_request(method, target))
                with connection.makefile("rb") as stream:
                    yield Response(*read_answer(stream))
            except (ConnectionError, MalformedAnswer) as error:
                raise Unanswered(
                    f"{_named(net)} has ended the conversation: "
                    f"{error}; has it just been stopped?"
                ) from None

    return ask


def _request(method: str, target: str) -> bytes:
    """Return a request without a body; nothing in ``target`` ends its line."""
    head = f"{method} {target} HTTP/1.1", "Host: localhost", "Content-Length: 0"
    return "\r\n".join((*head, "", "")).encode("ascii")


def _connected(path: Path, net: str, patience: float | None) -> socket.socket:
    """Return a connection with the daemon, whose reads wait for so many seconds."""
    import socket

    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(PATIENCE)
        stream.connect(str(path))
        stream.settimeout(patience)
    except OSError as error:
        stream.close()
        is_ours = error.errno in (errno.EACCES, errno.EPERM)
        kind = Forbidden if is_ours else Unanswered
        raise kind(trouble(error.errno, path, net)) from None
    return stream


def trouble(number: int | None, path: Path, net: str) -> str:
    """Return why the socket cannot be asked, and what to do."""
    where = clean(path)
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"no permission for {where}: be root, or of its group "
            "(adduser YOU tinc, then log in again)"
        )
    if number in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        start = f"systemctl start tinc@{clean(net)}" if net else "systemctl start tinc"
        return f"{_named(net)} is not running: nobody listens at {where} ({start})"
    if number in (errno.EAGAIN, errno.EWOULDBLOCK):
        return f"{_named(net)} is busy with other clients: try again in a moment"
    return f"{where}: {os.strerror(number) if number else 'cannot be opened'}"
