"""The system calls of a network device, replaceable as one object."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from tincd_compat.addresses import MAX_INTERFACE_NAME
from tincd_compat.checksums import Buffer as Buffer

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
TUNSETVNETHDRSZ: Final = 0x400454D8
SIOCGIFHWADDR: Final = 0x8927


def interface_request(name: bytes, flags: int = 0) -> bytes:
    """Return a ``struct ifreq``: 16 bytes of name and a union of 24."""
    return struct.pack("16sH22x", name[:MAX_INTERFACE_NAME], flags)


def interface_name(request: bytes) -> str:
    """Return the name in a ``struct ifreq``."""
    return os.fsdecode(request[:16].partition(b"\0")[0])


class System:
    """The kernel's calls.  Every method raises OSError as the call of its name does."""

    def open(self, path: str) -> int:
        """Open a device for reading and writing, without ever waiting for it."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        os.close(fd)

    # Called for every packet: without a function of our own in between.
    readv: Callable[[int, Sequence[memoryview]], int] = staticmethod(os.readv)
    writev: Callable[[int, Sequence[Buffer]], int] = staticmethod(os.writev)

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        return fcntl.ioctl(fd, request, argument)

    def set_offload(self, fd: int, features: int) -> None:
        fcntl.ioctl(fd, TUNSETOFFLOAD, features)

    def set_header_size(self, fd: int, size: int) -> None:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", size))

    def new_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket that never waits."""
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        made.set_inheritable(False)
        return made

    def lookup(self, host: str, port: str, family: int) -> tuple[int, Address]:
        """Return family and address of a UDP socket's place."""
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        return int(found[0][0]), found[0][4]

    def epoll(self) -> select.epoll:
        return select.epoll()

    def is_stale_socket(self, path: str) -> bool:
        """Tell whether a path is a UNIX stream socket that nobody listens at."""
        try:
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                return False
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.setblocking(False)
                caller.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    def remove(self, path: str) -> None:
        os.unlink(path)

    def interface_index(self, interface: str) -> int:
        return socket.if_nametoindex(interface)
