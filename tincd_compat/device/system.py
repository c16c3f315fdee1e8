"""The system calls of a network device, replaceable as one object."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from tincd_compat.checksums import Buffer as Buffer

TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
TUNSETVNETHDRSZ: Final = 0x400454D8
SIOCGIFMTU: Final = 0x8921
SIOCGIFHWADDR: Final = 0x8927

#: Bytes of an interface name, its final NUL not counted (IFNAMSIZ - 1).
MAX_INTERFACE_NAME: Final = 15


def interface_request(name: bytes, flags: int = 0) -> bytes:
    """Return a ``struct ifreq``: 16 bytes of name and a union of 24."""
    return struct.pack("16sH22x", name[:MAX_INTERFACE_NAME], flags)


def interface_name(request: bytes) -> str:
    """Return the name in a ``struct ifreq``."""
    return os.fsdecode(request[:16].partition(b"\0")[0])


class System:
    """The kernel.  Every method raises OSError as the call of that name does."""

    def open(self, path: str) -> int:
        """Open a device for reading and writing, without ever waiting for it."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        os.close(fd)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int:
        return os.readv(fd, buffers)

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        return os.writev(fd, buffers)

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        return fcntl.ioctl(fd, request, argument)

    def set_offload(self, fd: int, features: int) -> None:
        fcntl.ioctl(fd, TUNSETOFFLOAD, features)

    def set_header_size(self, fd: int, size: int) -> None:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", size))

    def interface_mtu(self, interface: str) -> int:
        """Return how many bytes of payload a packet on the interface may have."""
        request = interface_request(os.fsencode(interface))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            answer = fcntl.ioctl(asker, SIOCGIFMTU, request)
        return int(struct.unpack_from("i", answer, 16)[0])
