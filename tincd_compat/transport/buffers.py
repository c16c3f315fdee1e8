"""How much may wait in a UDP socket: to be read, and to be sent.

Much of a stream may wait to be read, and little of what is only many.  A burst of a
fast peer has to find room while the daemon is busy elsewhere, or TCP in the tunnel
loses segments and speed. But all senders share one queue, and a packet waits in it as
long as everything in front takes. Small datagrams take as long as large ones and the
same buffer holds several times as many: behind a flood of them a neighbour would wait
for a tenth of a second. So in a flood the buffer is what the system gives to who asks
for none. What is too much is lost in the kernel, as it is to tincd.

What waits to be sent is as long on its way as the network needs for all in front: a
mebibyte is a moment in a fast network, and most of a second before a slow uplink. A
buffer that is full twice within a short time tells how fast the network is, and it is
as large as what leaves in a moment, or what the system gives to who asks for none.
Nothing more is done about a full socket. To stop reading the device would make no
lesser queue of it: a tun device holds 500 packets or super-packets, in their order, and
hides from a stream of this machine that they wait.

A message of many datagrams (UDP_SEGMENT) is let in whole as soon as there is any room,
and its room is free when the last of them has left.  So what comes in bursts finds the
room of whole messages, and has taken it again before anything else comes: of pings
beside a stream that is too fast by half two thirds were lost, and behind single
datagrams a seventh.  Hence a message carries no more than leaves in a millisecond, as
those of the kernel's TCP do, while the speed is known.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from tincd_compat.transport.trains import MAX_RUN_BYTES
from tincd_compat.transport.udp_options import (
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    DatagramSocket,
)

#: What Linux gives who asks for none, in bytes as one asks for them.
NARROW: Final = 104 << 10
#: Seconds without a flood after which there is room again.
PAUSE: Final = 1.0
#: What a send buffer grows to at the most, in bytes as one asks for them.
SEND_BUFFER: Final = 1 << 20
#: Seconds that a datagram may wait to be sent.
DELAY: Final = 0.05
#: Seconds that the datagrams of one message take to leave.
MESSAGE: Final = 0.001
#: Seconds from one time that a buffer is full to the next, so that they tell a speed.
SHORTEST: Final = 0.01
LONGEST: Final = 0.25


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
        #: The socket option that widens the buffer again.
        self._option: int | None = None

    def flooded(self, now: float) -> None:
        """Narrow the buffer: most datagrams that were read were small, or of no use."""
        if self._narrow_until is None and self._elastic:
            # The buffer could not be widened again if the privilege for it is dropped.
            self._option = self._granting(self._sock.family, self._wide)
            self._elastic = self._option is not None
            if self._elastic:
                self._set(socket.SO_RCVBUF, NARROW)
        if self._elastic:
            self._narrow_until = now + PAUSE

    def calm(self, now: float) -> None:
        """Widen the buffer if the last flood is over long enough."""
        if self._narrow_until is None or now < self._narrow_until:
            return
        self._narrow_until = None
        if self._option is not None:
            self._set(self._option, self._wide)

    def _set(self, option: int, size: int) -> None:
        # The buffer stays as it is if the system refuses, which harms nobody.
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, option, size)


class RunLimit(NamedTuple):
    """The limit of a message in bytes, and the bytes after which the limit is over."""

    longest: int
    lasts: int


_NO_LIMIT: Final = RunLimit(MAX_RUN_BYTES, 0)


class SendBuffer:
    """The send buffer of one socket, and the counts of its datagrams.

    :param elastic: the size may change, since nobody has asked for this one
    :param clock: returns seconds
    """

    def __init__(
        self,
        sock: DatagramSocket,
        *,
        elastic: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        #: Bytes that the socket has taken, and datagrams that found it full.
        self.sent = self.lost = 0
        #: The limit of a message since the buffer was full last.
        self.limit = _NO_LIMIT
        self._limited_until = 0
        self._sock = sock
        self._clock = clock
        self._least = self._size = _size(sock, socket.SO_SNDBUF) if elastic else 0
        self._elastic = elastic and self._least < SEND_BUFFER
        #: When the buffer was full last, and the bytes that the socket had taken then.
        self._full_at = -LONGEST
        self._sent_then = 0
        #: The speed of the network when measured last, bytes a second.
        self._speed = 0.0

    @property
    def longest_run(self) -> int:
        """The bytes that one message may carry now."""
        limited = self.sent < self._limited_until
        return self.limit.longest if limited else MAX_RUN_BYTES

    def full(self, lost: int, elsewhere: int = 0) -> None:
        """Count ``lost`` datagrams that have found the buffer full, and adapt to that.

        :param elsewhere: bytes that the socket has taken from others
        """
        self.lost += lost
        now, sent = self._clock(), self.sent + elsewhere
        seconds = now - self._full_at
        if seconds > LONGEST:
            self._speed, self.limit = 0.0, _NO_LIMIT
        elif seconds >= SHORTEST:
            # The buffer is as full as it was then: as much has left as has come.
            self._measured((sent - self._sent_then) / seconds)
        if seconds >= SHORTEST:
            self._full_at, self._sent_then = now, sent
        self._limited_until = self.sent + self.limit.lasts

    def _measured(self, speed: float) -> None:
        """Adapt to a measured speed, as far as this one and the last one agree.

        A busy machine may notice a full buffer too late, which measures a wrong speed.
        """
        low, high = sorted((self._speed, speed))
        self._speed = speed
        self.limit = _NO_LIMIT
        if low > 0 and high * MESSAGE < MAX_RUN_BYTES:
            self.limit = RunLimit(int(high * MESSAGE), int(high * LONGEST))
        if self._elastic:
            self._adapt(int(low * DELAY / 2), int(high * DELAY / 2))

    def _adapt(self, low: int, high: int) -> None:
        """Give the buffer room for the bytes of DELAY, between ``low`` and ``high``."""
        # The kernel counts twice the size that is asked for.
        wanted = min(max(self._size, low), max(high, self._size // 2))
        wanted = min(max(wanted, self._least), SEND_BUFFER)
        slightly = abs(wanted - self._size) * 4 < self._size
        if wanted == self._size or (slightly and wanted > self._least):
            return
        for option in (socket.SO_SNDBUF, SO_SNDBUFFORCE):
            # The second option takes a privilege; without that the size is as it is.
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, option, wanted)
            self._size = _size(self._sock, socket.SO_SNDBUF)
            if self._size >= wanted:
                break


def _size(sock: DatagramSocket, option: int = socket.SO_RCVBUF) -> int:
    # The kernel doubles the size for its own book-keeping and reports that.
    return sock.getsockopt(socket.SOL_SOCKET, option) // 2
