"""Where log lines go: stderr, a file or syslog, in tincd's form and at its debug level.

Everybody else writes to the loggers of :mod:`tincd_compat.logs` and knows nothing of
this.  What peers and files put into a line is made harmless here, in one place, and a
destination that does not take a line (full disk, no syslogd) costs only that line.
"""

from __future__ import annotations

import abc
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tincd_compat import logs
from tincd_compat.service.floods import Gate

#: Debug level while SIGINT asks for more.
INTERRUPT_DEBUG_LEVEL: Final = 5

#: Seconds that one line may wait for a slow syslogd, and how long a failing one is
#: left alone.
SYSLOG_PATIENCE: Final = 0.5
SYSLOG_PAUSE: Final = 5.0

SYSLOG_SOCKET: Final = "/dev/log"
_FACILITY_DAEMON: Final = 3 << 3

#: More than any level: a logger set to it is silent.
_SILENT: Final = logging.CRITICAL + 1


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
    """A destination; subclasses write one finished line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.setFormatter(Formatter())
        self._gate = Gate()
        self._now = clock
        #: Lines that could not be written.
        self.lost = 0

    @abc.abstractmethod
    def write_line(self, level: int, created: float | None, line: str) -> None:
        """Write ``line``, which is printable; OSError if that is impossible.

        ``created`` is wall-clock time, None for now.
        """

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._write_all(self._gate.admit(record, text, self._now()), record.created)

    def count_omitted(self) -> None:
        """Say of a flood that is over how much of it was left out; call it often."""
        self.acquire()
        try:
            self._write_all(self._gate.overdue(self._now()), None)
        finally:
            self.release()

    def close(self) -> None:
        self._write_all(self._gate.rest(), None)
        super().close()

    def _write_all(self, texts: list[tuple[int, str]], created: float | None) -> None:
        for level, text in texts:
            for line in text.split("\n"):
                try:
                    self.write_line(level, created, line)
                except OSError:
                    # Nobody can be told: telling is what does not work.
                    self.lost += 1


def _write(descriptor: int, text: str) -> None:
    data = text.encode(errors="surrogateescape")
    written = os.write(descriptor, data)
    if written < len(data):
        # A disk that is nearly full.  The rest of the line is not worth a loop, its
        # end is, so that the next line begins at the margin.
        os.write(descriptor, b"\n")


class StderrOutput(Output):
    """Bare messages, as in the foreground and before detaching."""

    def write_line(self, level: int, created: float | None, line: str) -> None:
        _write(2, f"{line}\n")


class FileOutput(Output):
    """``YYYY-MM-DD HH:MM:SS IDENT[PID]: MESSAGE`` in local time, appended."""

    def __init__(self, path: Path, ident: str) -> None:
        """Open ``path``; OSError if that is impossible."""
        super().__init__()
        self.path = path
        self.ident = ident
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        return os.open(self.path, flags, 0o666)

    def reopen(self) -> None:
        """Open the path again, after a rotation; OSError keeps the file there is."""
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor

    def write_line(self, level: int, created: float | None, line: str) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created))
        text = f"{moment} {self.ident}[{os.getpid()}]: {line}\n"
        _write(self._descriptor, text)

    def close(self) -> None:
        super().close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def connect_syslog() -> socket.socket:
    """Return a datagram socket to the syslogd; OSError if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        connection.connect(SYSLOG_SOCKET)
    except OSError:
        connection.close()
        raise
    # A syslogd that hangs must not hang us; one that is busy with a long dump gets
    # the time it needs.
    connection.settimeout(SYSLOG_PATIENCE)
    return connection


class SyslogOutput(Output):
    """``<PRIORITY>Mmm dd HH:MM:SS IDENT[PID]: MESSAGE``, facility daemon.

    The socket is opened at once, so that it serves inside a chroot too.
    """

    def __init__(
        self,
        ident: str,
        connect: Callable[[], socket.socket] = connect_syslog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self.ident = ident
        self._connect = connect
        self._clock = clock
        self._retry_at = clock()
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._socket = connect()

    def write_line(self, level: int, created: float | None, line: str) -> None:
        stamp = time.strftime("%b %e %H:%M:%S", time.localtime(created))
        priority = _FACILITY_DAEMON | syslog_severity(level)
        text = f"<{priority}>{stamp} {self.ident}[{os.getpid()}]: {line}"
        self._send(text.encode(errors="surrogateescape"))

    def _send(self, datagram: bytes) -> None:
        if self._clock() < self._retry_at:
            raise OSError("the syslogd did not answer a moment ago")
        try:
            if self._socket is not None:
                try:
                    self._socket.send(datagram)
                    return
                except TimeoutError:
                    raise
                except OSError:  # it was restarted: a new socket file
                    self._disconnect()
            self._socket = self._connect()
            self._socket.send(datagram)
        except OSError:
            self._retry_at = self._clock() + SYSLOG_PAUSE
            raise

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        super().close()
        self._disconnect()


def syslog_severity(level: int) -> int:
    """Return syslog's number, 2 (critical) to 7 (debug), for a logging level."""
    for lowest, severity in (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logs.NOTICE, 5),
        (logging.INFO, 6),
    ):
        if level >= lowest:
            return severity
    return 7


class Log:
    """The debug level and the output in use; the daemon has one of these.

    The output hangs on the root logger, so that what a library complains about is not
    lost either, from warnings on.
    """

    def __init__(self, output: Output, debug_level: int) -> None:
        self.output = output
        self._mirror: Output | None = None
        self._level_before: int | None = None
        logging.getLogger().addHandler(output)
        self.set_level(debug_level)

    def set_level(self, level: int) -> None:
        """Show the lines of debug levels up to ``level``; those of level 0 always."""
        self.level = level
        for logger, threshold in logs.THRESHOLDS.items():
            shown = threshold <= max(level, 0)
            logger.setLevel(logging.DEBUG if shown else _SILENT)

    def toggle_debug(self) -> None:
        """SIGINT: show everything up to level 5, or go back to the level before."""
        if self._level_before is None:
            self._level_before = self.level
            self.set_level(INTERRUPT_DEBUG_LEVEL)
            logs.always.log(
                logs.NOTICE,
                "Temporarily setting debug level to %d.  "
                "Kill me with SIGINT again to go back to level %d.",
                self.level,
                self._level_before,
            )
        else:
            level, self._level_before = self._level_before, None
            logs.always.log(logs.NOTICE, "Reverting to old debug level (%d)", level)
            self.set_level(level)

    def use(self, output: Output) -> None:
        """Write to ``output`` from now on."""
        logging.getLogger().addHandler(output)
        self._drop(self.output)
        self.output = output

    def rename(self, ident: str) -> None:
        """Put another name into the lines of a log file."""
        if isinstance(self.output, FileOutput):
            self.output.ident = ident

    def reopen(self) -> None:
        """SIGHUP: open the log file by its name again; other outputs stay."""
        if not isinstance(self.output, FileOutput):
            return
        try:
            self.output.reopen()
        except OSError as error:
            path = self.output.path
            logs.always.error("Unable to reopen log file %s: %s", path, error.strerror)

    def count_omitted(self) -> None:
        """Say what was left out of floods, see :mod:`tincd_compat.service.floods`."""
        self.output.count_omitted()

    def mirror_errors(self, output: Output) -> None:
        """Write errors to ``output`` as well, until :meth:`end_mirror`."""
        output.setLevel(logging.ERROR)
        self._mirror = output
        logging.getLogger().addHandler(output)

    def end_mirror(self) -> None:
        if self._mirror is not None:
            self._drop(self._mirror)
            self._mirror = None

    def close(self) -> None:
        """Stop logging."""
        self.end_mirror()
        self._drop(self.output)

    @staticmethod
    def _drop(output: Output) -> None:
        logging.getLogger().removeHandler(output)
        output.close()


def open_log(path: Path | None, ident: str, debug_level: int) -> Log:
    """Return the log as it is before detaching: a file if there is a path, else stderr.

    A file that cannot be opened is complained about on stderr, which then serves.
    """
    if path is None:
        return Log(StderrOutput(), debug_level)
    try:
        return Log(FileOutput(path, ident), debug_level)
    except OSError as error:
        log = Log(StderrOutput(), debug_level)
        logs.always.error("Could not open log file %s: %s", path, error.strerror)
        return log
