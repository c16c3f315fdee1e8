"""A device and a UDP socket that are lists."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from tests.transport.fakes import FakeSocket, oserror
from tincd_compat.checksums import Buffer
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket
from tincd_compat.transport.kernelqueues import SO_MEMINFO
from tincd_compat.transport.udp import UDP_GRO
from tincd_compat.transport.udp_options import RECEIVE_BUFFER


class FakeDevice:
    """A device whose frames are a list; errors in it are raised."""

    path = interface = info = "fake"
    mtu = 1500
    failure: str | None = None

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.frames: list[bytearray | SuperPacket] = []
        self.written: list[bytes] = []
        self.error: DeviceError | None = None
        self.bytes_in = self.bytes_out = 0
        self.read_pause = 0.0

    def fileno(self) -> int:
        return self.descriptor

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        if self.error is not None:
            raise self.error
        batch, self.frames = self.frames[:limit], self.frames[limit:]
        return batch

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        self.written += [bytes(frame) for frame in frames]

    def tun_tap(self) -> None:
        """The device is none of /dev/net/tun."""

    def offload_names(self) -> Sequence[str]:
        return ()

    def close(self) -> None:
        """Nothing is open."""


class FakeUdp(FakeSocket):
    """A UDP socket; datagrams longer than ``largest`` do not fit the path.

    With a ``segment_size`` what arrives is several datagrams of it in one piece.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.arriving: list[tuple[bytes, tuple[str, int]]] = []
        self.datagrams: list[tuple[bytes, tuple[Any, ...]]] = []
        self.largest = 65535
        self.segment_size = 0
        self.options[socket.SOL_SOCKET, socket.SO_RCVBUF] = 2 * RECEIVE_BUFFER
        self.lose(0)

    def lose(self, count: int) -> None:
        """Let the kernel have had no room for so many datagrams."""
        memory = struct.pack("=9I", *[1] * 8, count)
        self.options[socket.SOL_SOCKET, SO_MEMINFO] = memory

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> int:
        if len(data) > self.largest:
            raise oserror(errno.EMSGSIZE)
        self.datagrams.append((data, address))
        return len(data)

    def sendmsg(self, *_: object) -> int:
        raise AssertionError("segmentation is off")

    def recvmsg_into(
        self, buffers: Iterable[memoryview], _size: int
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        if not self.arriving:
            raise oserror(errno.EAGAIN)
        (buffer,) = buffers
        data, address = self.arriving.pop(0)
        buffer[: len(data)] = data
        size = struct.pack("=i", self.segment_size)
        control = [(socket.SOL_UDP, UDP_GRO, size)] if self.segment_size else []
        return len(data), control, 0, address
