"""Writing to a file, pipe or terminal without ever waiting for who reads it.

A standard stream belongs to others too, such as the shell and the scripts: O_NONBLOCK
would be theirs as well.  Through /proc the same pipe or terminal can be opened once
more, as an open file of our own.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = (
    os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY  # never our terminal
)


class Sink:
    """A descriptor to write lines to, closed at the end unless it is borrowed."""

    def __init__(self, descriptor: int, *, borrowed: bool = False) -> None:
        """``descriptor`` does not wait by itself, or is that of a file on a disk."""
        self._descriptor = descriptor
        self._borrowed = borrowed
        self._on_disk = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def write(self, data: bytes) -> int:
        """Return how many bytes were taken; BlockingIOError or OSError if none were."""
        written = self._take(data)
        if written < len(data) and self._on_disk:
            # A disk that is nearly full.  The rest of the line is not worth a loop, its
            # end is, so that the next line begins at the margin.
            os.write(self._descriptor, b"\n")
            return len(data)
        return written

    def _take(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def wait(self, seconds: float) -> None:
        """Wait until there may be room, or so many seconds."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(seconds * 1000)

    def duplicate(self) -> int:
        """Return another descriptor of the same."""
        return os.dup(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0 and not self._borrowed:
            os.close(self._descriptor)
        self._descriptor = -1


class _SocketSink(Sink):
    """A stream socket, as the journal of systemd gives it to services."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        super().__init__(self._socket.fileno(), borrowed=True)

    def _take(self, data: bytes) -> int:
        return self._socket.send(data, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()
        super().close()


class _PolledSink(Sink):
    """A descriptor that waits, asked for room before each write.

    A pipe that has any takes a page.  A terminal may still make us wait, and so may
    others who write to the same pipe at the same moment.
    """

    def _take(self, data: bytes) -> int:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.write(self._descriptor, data[: select.PIPE_BUF])


def open_sink(path: Path, mode: int = 0o666) -> Sink:
    """Open a file to append to, made if need be; OSError if that is impossible.

    ``mode`` is for a file that is made, before the umask; one that is there keeps its.
    A FIFO that nobody reads yet is opened for reading too: then its lines wait in it.
    """
    try:
        return Sink(os.open(path, os.O_WRONLY | os.O_CREAT | _FLAGS, mode))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return Sink(os.open(path, os.O_RDWR | _FLAGS))


def sink_of(descriptor: int) -> Sink:
    """Return a sink that leads where a descriptor of others does."""
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return Sink(descriptor, borrowed=True)
        if stat.S_ISSOCK(mode):
            return _SocketSink(descriptor)
        return Sink(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | _FLAGS))
    except OSError:
        # The pipe of another user, or no /proc.
        return _PolledSink(descriptor, borrowed=True)
