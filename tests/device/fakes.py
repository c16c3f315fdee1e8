"""A kernel with a tun device in it, for tests."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from tincd_compat.device.system import (
    SIOCGIFHWADDR,
    TUNSETIFF,
    Buffer,
    System,
    interface_request,
)


def oserror(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class FakeSystem(System):
    """Answers from lists and remembers what it was asked."""

    def __init__(self, name: bytes = b"tun0") -> None:
        self.name = name
        self.opened: list[str] = []
        self.closed: list[int] = []
        #: What reads find: data or the error number; nothing left means EAGAIN.
        self.to_read: list[bytes | int] = []
        self.written: list[bytes] = []
        #: Errors of the writes to come; 0 is success, and so is an empty list.
        self.write_errors: list[int] = []
        self.requests: list[tuple[int, bytes]] = []
        self.offloads: list[int] = []
        self.header_sizes: list[int] = []
        #: Offload bits that the kernel knows.
        self.features = 0x7F
        #: Flags of TUNSETIFF that it does not know.
        self.refused_flags = 0
        self.mac = bytes.fromhex("527c4424d691")
        #: Call name to the error it fails with.
        self.failing: dict[str, int] = {}

    def _fail(self, call: str) -> None:
        if call in self.failing:
            raise oserror(self.failing[call])

    def open(self, path: str) -> int:
        self._fail("open")
        self.opened.append(path)
        return 5

    def close(self, fd: int) -> None:
        self.closed.append(fd)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int:
        data = self.to_read.pop(0) if self.to_read else errno.EAGAIN
        if isinstance(data, int):
            raise oserror(data)
        at = 0
        for buffer in buffers:
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
        return at

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        if self.write_errors and (code := self.write_errors.pop(0)):
            raise oserror(code)
        self.written.append(b"".join(buffers))
        return len(self.written[-1])

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        self._fail({TUNSETIFF: "TUNSETIFF", SIOCGIFHWADDR: "SIOCGIFHWADDR"}[request])
        self.requests.append((request, argument))
        flags = int.from_bytes(argument[16:18], sys.byteorder)
        if request == TUNSETIFF and flags & self.refused_flags:
            raise oserror(errno.EINVAL)
        answer = bytearray(interface_request(self.name))
        if request == SIOCGIFHWADDR:
            answer[16:24] = b"\1\0" + self.mac
        return bytes(answer)

    def set_offload(self, fd: int, features: int) -> None:
        self._fail("TUNSETOFFLOAD")
        if features & ~self.features:
            raise oserror(errno.EINVAL)
        self.offloads.append(features)

    def set_header_size(self, fd: int, size: int) -> None:
        self._fail("TUNSETVNETHDRSZ")
        self.header_sizes.append(size)
