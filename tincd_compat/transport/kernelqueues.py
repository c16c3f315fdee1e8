"""The kernel's queues of datagrams to be read: their size, and what had no room there.

The kernel keeps the count of each socket itself and is asked for it once for a look:
no packet costs anything, and none is missed, whoever reads the socket.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Final, cast

from tincd_compat.transport.udp_options import RECEIVE_BUFFER, DatagramSocket

# A Linux number that Python 3.11's socket module does not name.
SO_MEMINFO: Final = 55

#: Numbers that SO_MEMINFO returns since Linux 4.12; the last one counts the drops.
_MEMORY: Final = struct.Struct("=9I")


def _memory(sock: DatagramSocket) -> bytes:
    # The interface of our sockets has no options that are longer than a number.
    whole = cast(socket.socket, sock)
    return whole.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMORY.size)


class KernelQueues:
    """The receive buffers of all UDP sockets.

    ``wanted`` and ``granted`` are bytes as UDPRcvBuf counts, when the sockets were
    opened: of several sockets the least.  Both are None without a socket.

    :param configured: UDPRcvBuf, None if the configuration has none
    """

    def __init__(
        self, sockets: Iterable[DatagramSocket], configured: int | None = None
    ) -> None:
        self._sockets = [*sockets]
        # The kernel doubles the size for its own book-keeping and reports that.
        sizes = [
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
            for sock in self._sockets
        ]
        wanted = RECEIVE_BUFFER if configured is None else configured
        self.granted = min(sizes, default=None)
        self.wanted = wanted if sizes else None

    def lost(self) -> int | None:
        """Return the datagrams that were lost so far; None if the kernel does not say.

        The kernel counts in 32 bits for each socket.
        """
        lost = None
        for sock in self._sockets:
            try:
                said = _memory(sock)
            except OSError:
                return None
            if len(said) < _MEMORY.size:
                return None
            lost = (lost or 0) + int(_MEMORY.unpack(said)[-1])
        return lost
