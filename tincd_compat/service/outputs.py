"""Where log lines end: stderr, or a file; and what every destination has in common.

What peers and files put into a line is made harmless here, in one place.  A destination
that does not take a line (full disk) costs only that line, and one that nobody reads
(a pipe, a terminal) lets it wait.
"""

from __future__ import annotations

import abc
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tincd_compat.service.backlog import LineBacklog
from tincd_compat.service.floods import Gate
from tincd_compat.service.sink import Sink, open_sink, sink_of

#: Seconds for which the end of the log waits for a reader.
END_PATIENCE: Final = 0.5


def printable(text: str) -> str:
    r"""Return ``text`` with everything that is not printable as ``\xNN`` or ``\uNNNN``.

    Control characters, among them the line feed, cannot forge a line or command a
    terminal; bytes that are not UTF-8 keep their value.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(ord(c)) for c in text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, kept by "surrogateescape"
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


class Formatter(logging.Formatter):
    """The message alone, printable; a traceback follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            lines = [record.getMessage()]
        except (TypeError, ValueError):  # arguments that do not fit: ours, but no crash
            lines = [f"{record.msg} {record.args!r}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        return "\n".join(printable(line) for line in lines)


class Output(logging.Handler, abc.ABC):
    """A destination: subclasses give a line its form and take the bytes away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.setFormatter(Formatter())
        self._gate = Gate()
        self._now = clock
        self._backlog = LineBacklog(self.write, self._gap)
        self._closed = False
        #: Called with each line that has to wait for its reader.
        self.waits: Callable[[], None] | None = None

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._backlog.lost

    @property
    def waiting(self) -> bool:
        """Whether there are lines that their reader had no room for."""
        return bool(self._backlog)

    @abc.abstractmethod
    def form(self, level: int, created: float | None, line: str) -> bytes:
        """Return what is to be written for ``line``, which is printable.

        ``created`` is wall-clock time, None for now.
        """

    @abc.abstractmethod
    def write(self, data: bytes) -> int:
        """Take bytes of one line and return how many; never waits.

        BlockingIOError if there is no room, OSError if it is impossible.
        """

    @abc.abstractmethod
    def wait(self, seconds: float) -> None:
        """Wait until there may be room, at most so many seconds."""

    @abc.abstractmethod
    def duplicate(self) -> int:
        """Return a new descriptor to be watched for room, and closed; OSError.

        It stays what it is when the output goes over to another file or socket.
        """

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._put_all(self._gate.admit(record, text, self._now()), record.created)

    def count_omitted(self) -> None:
        """Say of a flood that is over how much of it was left out; call it often."""
        self.acquire()
        try:
            self._put_all(self._gate.overdue(self._now()), None)
        finally:
            self.release()

    def catch_up(self) -> int:
        """Write some of the lines that wait, return how many."""
        self.acquire()
        try:
            return self._backlog.catch_up()
        finally:
            self.release()

    def close(self) -> None:
        """Write what can be written within END_PATIENCE."""
        self.waits = None
        if not self._closed:
            self._closed = True
            self._put_all(self._gate.rest(), None)
            self._finish(self._now() + END_PATIENCE)
        super().close()

    def _finish(self, deadline: float) -> None:
        while self._backlog and (left := deadline - self._now()) > 0:
            if not self._backlog.catch_up():
                self.wait(left)

    def _put_all(self, texts: list[tuple[int, str]], created: float | None) -> None:
        for level, text in texts:
            for line in text.split("\n"):
                self._backlog.put(self.form(level, created, line))
        if self._backlog and self.waits is not None:
            self.waits()

    def _gap(self, count: int) -> bytes:
        lines = "line was" if count == 1 else "lines were"
        return self.form(
            logging.WARNING, None, f"({count} {lines} lost: nobody has read the log)"
        )


class _SinkOutput(Output):
    """Lines into a descriptor."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def write(self, data: bytes) -> int:
        return self._sink.write(data)

    def wait(self, seconds: float) -> None:
        self._sink.wait(seconds)

    def duplicate(self) -> int:
        return self._sink.duplicate()

    def close(self) -> None:
        super().close()
        self._sink.close()


class StderrOutput(_SinkOutput):
    """Bare messages, as in the foreground and before detaching."""

    def __init__(self) -> None:
        super().__init__(sink_of(2))

    def form(self, level: int, created: float | None, line: str) -> bytes:
        return f"{line}\n".encode(errors="surrogateescape")


class FileOutput(_SinkOutput):
    """``YYYY-MM-DD HH:MM:SS IDENT[PID]: MESSAGE`` in local time, appended.

    While it is ``private``, a file that is made is for its owner alone.
    """

    def __init__(self, path: Path, ident: str, *, private: bool = False) -> None:
        """Open ``path``; OSError if that is impossible."""
        super().__init__(open_sink(path, _mode(private)))
        self.path = path
        self.ident = ident
        self.private = private

    def reopen(self) -> None:
        """Open the path again, after a rotation; OSError keeps the file there is."""
        sink = open_sink(self.path, _mode(self.private))
        self._sink.close()
        self._sink = sink

    def form(self, level: int, created: float | None, line: str) -> bytes:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created))
        text = f"{moment} {self.ident}[{os.getpid()}]: {line}\n"
        return text.encode(errors="surrogateescape")


def _mode(private: bool) -> int:
    return 0o600 if private else 0o666
