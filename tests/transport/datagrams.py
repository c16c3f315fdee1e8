"""A fake UDP socket: it remembers what is sent and hands out what a test queued."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.udp import (
    MESSAGE_SIZE,
    UDP_GRO,
    UDP_SEGMENT,
    UdpSocket,
)

PEER = SocketAddress("10.0.0.2", 655)
PEER6 = SocketAddress("fd00::2", 655)


def failure(number: int) -> OSError:
    """The subclass of OSError the kernel's number maps to."""
    return OSError(number, os.strerror(number))


class FakeSocket:
    """Remembers what is sent and set; hands out what a test queued."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.family = family
        self.options: dict[tuple[int, int], int] = {
            (socket.SOL_UDP, UDP_SEGMENT): 0,
            (socket.SOL_UDP, UDP_GRO): 0,
        }
        self.unknown: set[int] = set()
        self.incoming: deque[tuple[bytes, int, tuple[Any, ...]] | OSError] = deque()
        self.messages: list[list[bytes]] = []
        self.datagrams: list[bytes] = []
        self.destinations: list[tuple[Any, ...]] = []
        self.refuse: Callable[[list[bytes]], int] = lambda _message: 0
        self.closed = False
        #: What is said of every datagram that comes, and was said of each that left.
        self.said: tuple[int, int, bytes] | None = None
        self.extra: list[list[tuple[int, int, bytes]]] = []

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        self.closed = True

    def getsockname(self) -> tuple[Any, ...]:
        return ("fe80::1", 655, 0, 3) if self.family == socket.AF_INET6 else ("", 655)

    def getsockopt(self, level: int, option: int, /) -> int:
        if option in self.unknown:
            raise failure(errno.ENOPROTOOPT)
        return self.options[level, option]

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        self.options[level, option] = value

    def sendto(self, data: bytes, address: tuple[Any, ...], /) -> int:
        self.extra.append([])
        return self._send([data], 0, address)

    def sendmsg(
        self,
        buffers: Iterable[bytes],
        ancdata: Iterable[tuple[int, int, bytes]],
        flags: int,
        address: tuple[Any, ...],
        /,
    ) -> int:
        assert flags == 0
        message, said = list(buffers), list(ancdata)
        size = 0
        if len(message) > 1:
            level, kind, data = said.pop(0)
            assert (level, kind) == (socket.SOL_UDP, UDP_SEGMENT)
            (size,) = struct.unpack("=H", data)
        assert size or said, "sendto would do"
        self.extra.append(said)
        return self._send(message, size, address)

    def _send(self, message: list[bytes], size: int, address: tuple[Any, ...]) -> int:
        refused = self.refuse(message)
        if refused:
            raise failure(refused)
        self.messages.append(message)
        self.destinations.append(address)
        payload = b"".join(message)
        step = size or max(len(payload), 1)
        self.datagrams += [payload[i : i + step] for i in range(0, len(payload), step)]
        return len(payload)

    def recvmsg_into(
        self, buffers: Iterable[memoryview], ancbufsize: int, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        if not self.incoming:
            raise failure(errno.EAGAIN)
        item = self.incoming.popleft()
        if isinstance(item, OSError):
            raise item
        data, size, address = item
        (buffer,) = buffers
        assert len(buffer) == MESSAGE_SIZE
        assert ancbufsize >= socket.CMSG_SPACE(4) + socket.CMSG_SPACE(20)
        buffer[: len(data)] = data
        ancillary = [(socket.SOL_UDP, UDP_GRO, struct.pack("=i", size))] if size else []
        ancillary += [self.said] if self.said else []
        return len(data), ancillary, 0, address


def make(fake: FakeSocket, **options: Any) -> UdpSocket:
    return UdpSocket(fake, **{"release": "6.18.0", **options})
