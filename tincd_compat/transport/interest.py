"""Interest of the event loop in one socket: in reading, in writing, in both or neither.

The loop keeps the callbacks and this module does not, or the owner of a socket would be
in a cycle with its interest, and would wait for the collector when it ends.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


class SocketInterest:
    """The interest in a socket; a repeated call costs nothing in the loop."""

    __slots__ = ("_loop", "_sock", "reading", "writing")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self.reading = False
        self.writing = False

    def read(self, callback: Callable[[], None] | None) -> None:
        """Let the loop call back while there is something to read; None ends that."""
        if (callback is not None) != self.reading:
            self.reading = not self.reading
            if callback is None:
                self._loop.remove_reader(self._sock.fileno())
            else:
                self._loop.add_reader(self._sock.fileno(), callback)

    def write(self, callback: Callable[[], None] | None) -> None:
        """Let the loop call back while the socket has room; None ends that."""
        if (callback is not None) != self.writing:
            self.writing = not self.writing
            if callback is None:
                self._loop.remove_writer(self._sock.fileno())
            else:
                self._loop.add_writer(self._sock.fileno(), callback)
