"""How much may wait in a UDP socket: much of a stream, little of what is only many.

A burst of a fast peer has to find room while the daemon is busy elsewhere, or TCP in
the tunnel loses segments and speed. But all senders share one queue, and a packet waits
in it as long as everything in front takes. Small datagrams take as long as large ones
and the same buffer holds several times as many: behind a flood of them a neighbour
would wait for a tenth of a second. So in a flood the buffer is what the system gives to
who asks for none. What is too much is lost in the kernel, as it is to tincd.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final

from tincd_compat.transport.udp_options import SO_RCVBUFFORCE, DatagramSocket

#: What Linux gives who asks for none, in bytes as one asks for them.
NARROW: Final = 104 << 10
#: Seconds without a flood after which there is room again.
PAUSE: Final = 1.0


def granting(family: int, size: int) -> int | None:
    """Return the socket option by which a buffer can be so large, None if by none."""
    for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
        with (
            contextlib.suppress(OSError),
            socket.socket(family, socket.SOCK_DGRAM) as sock,
        ):
            sock.setsockopt(socket.SOL_SOCKET, option, size)
            if _size(sock) >= size:
                return option
    return None


class ReceiveBuffer:
    """The receive buffer of one socket, which has the size that was granted to it.

    :param elastic: the size may change, since nobody has asked for this one
    """

    def __init__(
        self,
        sock: DatagramSocket,
        *,
        elastic: bool = True,
        granting: Callable[[int, int], int | None] = granting,
    ) -> None:
        self._sock = sock
        self._granting = granting
        self._wide = _size(sock)
        self._elastic = elastic and self._wide > NARROW
        self._narrow_until: float | None = None
        #: The option that widens it.
        self._option: int | None = None

    def flooded(self, now: float) -> None:
        """Most of what was read was small, or of no use."""
        if self._narrow_until is None and self._elastic:
            # It would have to stay narrow if privileges that it took are dropped.
            self._option = self._granting(self._sock.family, self._wide)
            self._elastic = self._option is not None
            if self._elastic:
                self._set(socket.SO_RCVBUF, NARROW)
        if self._elastic:
            self._narrow_until = now + PAUSE

    def calm(self, now: float) -> None:
        """What was read was no flood."""
        if self._narrow_until is None or now < self._narrow_until:
            return
        self._narrow_until = None
        if self._option is not None:
            self._set(self._option, self._wide)

    def _set(self, option: int, size: int) -> None:
        # A buffer that stays as it is harms nobody.
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, option, size)


def _size(sock: DatagramSocket) -> int:
    # The kernel doubles the number for its own book-keeping and reports that.
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
