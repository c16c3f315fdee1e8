"""Sockets and an epoll set that are lists, and a kernel that hands them out."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

from tests.device.fakes import FakeSystem, oserror
from tincd_compat.device.system import Address


class FakeSocket:
    """Remembers what is done to it; ``arriving`` is data, or the number of an error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.arriving: list[bytes | int] = []
        #: What the kernel tells beside the next datagrams.
        self.extra: list[list[tuple[int, int, bytes]]] = []
        self.callers: list[FakeSocket] = []
        self.sent: list[bytes] = []
        self.targets: list[object] = []
        self.send_errors: list[int] = []
        self.options: list[tuple[int, int, object]] = []
        self.bound: list[object] = []
        self.bind_errors: list[int] = []
        self.refused_options: set[int] = set()
        self.closed = False

    def fileno(self) -> int:
        return -1 if self.closed else self.descriptor

    def bind(self, address: object) -> None:
        if self.bind_errors and (code := self.bind_errors.pop(0)):
            raise oserror(code)
        self.bound.append(address)

    def getsockname(self) -> object:
        return self.bound[-1]

    def listen(self, _backlog: int) -> None: ...

    def accept(self) -> tuple[FakeSocket, str]:
        if not self.callers:
            raise BlockingIOError
        return self.callers.pop(0), ""

    def setblocking(self, _flag: bool) -> None: ...

    def setsockopt(self, level: int, option: int, value: object) -> None:
        if option in self.refused_options:
            raise oserror(errno.EINVAL)
        self.options.append((level, option, value))

    def recv(self, size: int) -> bytes:
        data = self.arriving.pop(0) if self.arriving else errno.EAGAIN
        if isinstance(data, int):
            raise oserror(data)
        return data[:size]

    def recvmsg_into(
        self, buffers: Sequence[bytearray], _size: int
    ) -> tuple[int, list[tuple[int, int, bytes]], int, None]:
        data = self.recv(1 << 20)
        at = 0
        for buffer in buffers:
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
        return at, self.extra.pop(0) if self.extra else [], 0, None

    def send(self, data: bytes) -> int:
        if self.send_errors and (code := self.send_errors.pop(0)):
            raise oserror(code)
        self.sent.append(bytes(data))
        return len(data)

    def sendto(self, data: bytes, target: object) -> int:
        self.send(data)
        self.targets.append(target)
        return len(data)

    def sendmsg(self, parts: Sequence[bytes]) -> int:
        return self.send(b"".join(parts))

    def close(self) -> None:
        self.closed = True


class FakeEpoll:
    """Every socket that has something to read is ready."""

    def __init__(self, sockets: list[FakeSocket]) -> None:
        self._sockets = sockets
        self.watched: set[int] = set()
        self.closed = False

    def fileno(self) -> int:
        return 99

    def register(self, fd: int, _events: int) -> None:
        assert fd >= 0
        self.watched.add(fd)

    def unregister(self, fd: int) -> None:
        self.watched.remove(fd)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        assert timeout == 0
        return [
            (sock.descriptor, 1)
            for sock in self._sockets
            if sock.descriptor in self.watched and (sock.arriving or sock.callers)
        ]

    def close(self) -> None:
        self.closed = True


class SocketSystem(FakeSystem):
    """A kernel whose sockets are made in the order of ``sockets``."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets = [FakeSocket(10), FakeSocket(11)]
        self.made: list[tuple[int, int]] = []
        self.interfaces = {"eth0": 2, "veth1": 5}
        self.looked_up: list[tuple[str, str, int]] = []
        self.place: tuple[int, Address] = (2, ("239.1.2.3", 7000))
        self.stale = False
        self.removed: list[str] = []
        self.every: list[FakeSocket] = list(self.sockets)

    def new_socket(self, family: int, kind: int, protocol: int = 0) -> Any:
        self._fail("socket")
        self.made.append((int(family), int(kind)))
        return self.sockets[len(self.made) - 1]

    def lookup(self, host: str, port: str, family: int) -> tuple[int, Address]:
        self._fail("lookup")
        self.looked_up.append((host, port, family))
        return self.place

    def epoll(self) -> Any:
        return FakeEpoll(self.every)

    def is_stale_socket(self, path: str) -> bool:
        return self.stale

    def remove(self, path: str) -> None:
        self._fail("remove")
        self.removed.append(path)

    def interface_index(self, interface: str) -> int:
        if interface not in self.interfaces:
            raise oserror(errno.ENODEV)
        return self.interfaces[interface]
