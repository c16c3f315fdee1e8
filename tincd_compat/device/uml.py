"""DeviceType = uml: the network of a User Mode Linux, which takes us for its switch.

The other side connects to a UNIX stream socket and says where its frames are to be
sent; we answer with the address for its own, and then every datagram is a frame::

    request  magic (4) | version (4) | type (4) | sockaddr_un (110) | padding (2)
    answer   sockaddr_un (110)

All in host byte order.  There is one other side at a time.  Whoever says something else
is sent away, and a machine that was started anew may connect again.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from collections.abc import Sequence
from typing import Final

from tincd_compat import logs
from tincd_compat.checksums import Buffer
from tincd_compat.device.sockets import MAX_FRAME, SocketDevice
from tincd_compat.device.system import System
from tincd_compat.device.tun import DEFAULT_MAC, asks_for_neighbour
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket

_INFO: Final = "UML network socket"

_MAGIC: Final = 0xFEEDFACE
_VERSION: Final = 3
_TYPE: Final = 0
_FAMILY: Final = int(socket.AF_UNIX)
_REQUEST: Final = struct.Struct("=IIIH108s2x")
_ADDRESS: Final = struct.Struct("=H108s")
_NAME_SIZE: Final = 108


class Uml(SocketDevice):
    """The three sockets behind one descriptor, that of an epoll set."""

    def __init__(
        self,
        listener: socket.socket,
        data: socket.socket,
        path: str,
        interface: str,
        system: System,
        *,
        router: bool,
    ) -> None:
        """``data`` is bound to the abstract name that the other side is told.

        ``router`` addresses every frame to the machine behind the device, as for tap.
        """
        super().__init__(data, path, interface, _INFO)
        self._rewrites = router
        self._own_address = DEFAULT_MAC
        self._system = system
        self._listener = listener
        self._stream: socket.socket | None = None
        #: What the stream has said so far of its request; None once that is answered.
        self._request: bytes | None = None
        self._peer: bytes | None = None
        self._epoll = system.epoll()
        for sock in (listener, data):
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        return -1 if self._epoll.closed else self._epoll.fileno()

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        """Return the frames that are ready, after serving who connects."""
        ready = {fd for fd, _ in self._epoll.poll(0)}
        if self._stream is not None and self._stream.fileno() in ready:
            self._hear(self._stream)
        if self._listener.fileno() in ready:
            self._accept()
        return super().read_batch(limit)

    def _receive(self) -> bytearray | SuperPacket:
        frame = bytearray(self._sock.recv(MAX_FRAME))
        # Our name is told to the other side, but names can be looked up.
        if self._peer is None:
            return bytearray()
        if self._rewrites and asks_for_neighbour(frame):
            self._own_address = bytes(frame[6:12])
        return frame

    def _accept(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except OSError:
            return
        if self._stream is not None and self._request is None:
            stream.close()
            return
        # One that has not said all of its request yet gives way.
        self._hang_up()
        stream.setblocking(False)
        self._stream, self._request = stream, b""
        self._epoll.register(stream.fileno(), select.EPOLLIN)

    def _hear(self, stream: socket.socket) -> None:
        try:
            data = stream.recv(_REQUEST.size)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # Frames go on after the stream has ended, until a new connection comes.
            self._hang_up()
        elif self._request is not None:
            self._request += data
            if len(self._request) >= _REQUEST.size:
                self._answer(stream, self._request[: _REQUEST.size])

    def _answer(self, stream: socket.socket, request: bytes) -> None:
        magic, version, type_, family, name = _REQUEST.unpack(request)
        if (magic, version, type_, family) != (_MAGIC, _VERSION, _TYPE, _FAMILY):
            logs.always.error(
                "Unknown magic %x, version %d, request type %d from %s %s",
                *(magic, version, type_, self.info, self.path),
            )
            self._hang_up()
            return
        self._request = None
        self._peer = name if name.startswith(b"\0") else name.partition(b"\0")[0]
        with contextlib.suppress(OSError):
            stream.send(_ADDRESS.pack(_FAMILY, self._sock.getsockname()))
        logs.always.info("Connection with UML established")

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._epoll.unregister(self._stream.fileno())
            self._stream.close()
            self._stream = None

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        if self._peer is not None:
            super().write_batch(frames)
            return
        for frame in frames:
            text = "Dropping packet of %d bytes to %s: not connected to UML yet"
            logs.traffic.debug(text, len(frame), self.info)

    def _send(self, frame: Buffer) -> None:
        if self._peer is None:
            return
        if self._rewrites:
            frame = self._own_address + frame[6:]
        self._sock.sendto(frame, self._peer)

    def close(self) -> None:
        self._hang_up()
        self._listener.close()
        self._epoll.close()
        super().close()
        # After a change of the root directory or of the user it may be out of reach.
        with contextlib.suppress(OSError):
            self._system.remove(self.path)


def open_uml(
    device: str | None,
    default: str,
    interface: str | None,
    system: System,
    unique: tuple[int, int],
    *,
    router: bool,
) -> Uml:
    """Listen at ``device`` or ``default``; DeviceError if that fails.

    ``unique`` are two numbers of 32 bits that make the name of the data socket.
    """
    path = device or default
    data, listener = _sockets(system)
    name = struct.pack("=4xII", *unique).ljust(_NAME_SIZE, b"\0")
    try:
        data.bind(name)
        _bind(listener, path, system)
        listener.listen(1)
    except OSError as error:
        data.close()
        listener.close()
        text = f"Could not bind {_INFO} to {path}: {error.strerror}"
        raise DeviceError(text) from error
    return Uml(listener, data, path, interface or "", system, router=router)


def _sockets(system: System) -> tuple[socket.socket, socket.socket]:
    try:
        return (
            system.new_socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            system.new_socket(socket.AF_UNIX, socket.SOCK_STREAM),
        )
    except OSError as error:
        raise DeviceError(f"Could not open {_INFO}: {error.strerror}") from error


def _bind(listener: socket.socket, path: str, system: System) -> None:
    try:
        listener.bind(path)
    except OSError as error:
        # A socket file that a killed daemon left behind is in nobody's use.
        if error.errno != errno.EADDRINUSE or not system.is_stale_socket(path):
            raise
        system.remove(path)
        listener.bind(path)
