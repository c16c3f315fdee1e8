"""DeviceType = raw_socket: the frames of an existing network interface.

Everything that the interface carries is read, what the machine itself sends included;
only what is written here does not come back.  The kernel strips VLAN tags and leaves
checksums and segmentation to a network card that is not there: all three are made good,
so that a frame is what would be on the cable.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final

from tincd_compat.checksums import Buffer
from tincd_compat.device.sockets import MAX_FRAME, SocketDevice
from tincd_compat.device.system import System
from tincd_compat.device.vnet import HEADER_SIZE, PLAIN, Offloads
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket

DEFAULT_INTERFACE: Final = "eth0"

_ETH_P_ALL: Final = 3
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_PACKET_VNET_HDR: Final = 15

#: ``struct tpacket_auxdata``: status, two lengths, two offsets, VLAN tag and type.
_AUXDATA: Final = struct.Struct("=IIIHHHH")
_VLAN_VALID: Final = 0x10
_VLAN_TYPE_VALID: Final = 0x40
_VLAN_TYPE: Final = 0x8100
#: Bytes of the two addresses that stand before a tag.
_TAG_PLACE: Final = 12
_TAG_SIZE: Final = 4


class RawSocket(SocketDevice):
    """A packet socket on one interface, which gets every frame of the interface."""

    def __init__(
        self, sock: socket.socket, path: str, interface: str, system: System
    ) -> None:
        super().__init__(sock, path, interface, "raw_socket")
        self._system = system
        self._vnet = _option(sock, _PACKET_VNET_HDR)
        _option(sock, _PACKET_AUXDATA)
        self._header = bytearray(HEADER_SIZE if self._vnet else 0)
        self._buffer = bytearray(MAX_FRAME)
        self._offloads = Offloads(system, sock.fileno(), 0)

    def _receive(self) -> bytearray | SuperPacket:
        buffers = [self._header, self._buffer] if self._vnet else [self._buffer]
        size, extra, _, _ = self._sock.recvmsg_into(buffers, 64)
        size -= len(self._header)
        if size <= 0:
            return bytearray()
        frame: bytearray | SuperPacket = self._buffer[:size]
        if self._vnet and self._header != PLAIN:
            frame = self._offloads.accept(self._header, self._buffer[:size])
        tag = _vlan_tag(extra)
        return _tagged(frame, tag) if tag else frame

    def _send(self, frame: Buffer) -> None:
        if self._vnet:
            self._sock.sendmsg([PLAIN, frame])
        else:
            self._sock.send(frame)


def open_raw(device: str | None, interface: str | None, system: System) -> RawSocket:
    """Bind to an interface; ``device`` is a label only.  DeviceError if that fails."""
    name = interface or DEFAULT_INTERFACE
    path = device or name
    try:
        system.interface_index(name)
    except OSError:
        raise DeviceError(
            f"Can't find interface {name}: No such device"
            " (name an existing one with Interface)"
        ) from None
    try:
        sock = system.new_socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except OSError as error:
        raise DeviceError(
            f"Could not open raw_socket: {error.strerror} (it takes CAP_NET_RAW)"
        ) from error
    try:
        # With the protocol only now, nothing of other interfaces gets in before.
        sock.bind((name, _ETH_P_ALL))
    except OSError as error:
        sock.close()
        raise DeviceError(
            f"Could not bind {path} to {name}: {error.strerror}"
        ) from error
    return RawSocket(sock, path, name, system)


def _option(sock: socket.socket, option: int) -> bool:
    with contextlib.suppress(OSError):
        sock.setsockopt(_SOL_PACKET, option, 1)
        return True
    return False


def _vlan_tag(extra: list[tuple[int, int, bytes]]) -> bytes:
    """Return the tag that the kernel took out of a frame, empty if it took none."""
    for level, kind, data in extra:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            if len(data) < _AUXDATA.size:
                continue
            status, _, _, _, _, tag, type_ = _AUXDATA.unpack_from(data)
            if status & _VLAN_VALID:
                known = type_ if status & _VLAN_TYPE_VALID else _VLAN_TYPE
                return struct.pack(">HH", known, tag)
    return b""


def _tagged(frame: bytearray | SuperPacket, tag: bytes) -> bytearray | SuperPacket:
    if not isinstance(frame, SuperPacket):
        frame[_TAG_PLACE:_TAG_PLACE] = tag
        return frame
    whole = bytearray(frame.frame)
    whole[_TAG_PLACE:_TAG_PLACE] = tag
    return frame._replace(frame=whole, start=frame.start + _TAG_SIZE)
