"""The log at the syslogd: datagrams to /dev/log, which nobody waits for."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Final

from tincd_compat import logs
from tincd_compat.service.outputs import Output

#: Seconds for which a syslogd that is not there is left alone.
SYSLOG_PAUSE: Final = 5.0

SYSLOG_SOCKET: Final = "/dev/log"
_FACILITY_DAEMON: Final = 3 << 3


def connect_syslog() -> socket.socket:
    """Return a datagram socket to the syslogd; OSError if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # A syslogd that hangs must not hang us.
    connection.setblocking(False)
    try:
        connection.connect(SYSLOG_SOCKET)
    except OSError:
        connection.close()
        raise
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

    def form(self, level: int, created: float | None, line: str) -> bytes:
        stamp = time.strftime("%b %e %H:%M:%S", time.localtime(created))
        priority = _FACILITY_DAEMON | syslog_severity(level)
        text = f"<{priority}>{stamp} {self.ident}[{os.getpid()}]: {line}"
        return text.encode(errors="surrogateescape")

    def write(self, data: bytes) -> int:
        if self._clock() < self._retry_at:
            raise OSError("there was no syslogd a moment ago")
        try:
            if self._socket is not None:
                try:
                    return self._socket.send(data)
                except BlockingIOError:
                    raise
                except OSError:  # it was restarted: a new socket file
                    self._disconnect()
            self._socket = self._connect()
            return self._socket.send(data)
        except BlockingIOError:
            # A full socket may have room any moment.
            raise
        except OSError:
            self._retry_at = self._clock() + SYSLOG_PAUSE
            raise

    def wait(self, seconds: float) -> None:
        if self._socket is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLOUT)
            poll.poll(seconds * 1000)

    def duplicate(self) -> int:
        return os.dup(-1 if self._socket is None else self._socket.fileno())

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
