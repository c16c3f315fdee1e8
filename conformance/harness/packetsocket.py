"""Frames of a device as the kernel sees them pass, in both directions."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final, NamedTuple

from conformance.harness.netns import Namespace

_ETH_P_ALL: Final = 3
_PACKET_OUTGOING: Final = 4
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_PACKET_AUXDATA: Final = 8
#: ``struct tpacket_auxdata``.
_AUXDATA: Final = struct.Struct("IIIHHHH")
_VLAN_VALID: Final = 0x10
_VLAN: Final = 0x8100
_TAG: Final = 4
_MACS: Final = 12
_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMP: Final = 29
_SO_RCVBUFFORCE: Final = 33
_INSTRUCTION: Final = struct.Struct("=HBBI")
_TIME: Final = struct.Struct("=qq")
_FRAME_SIZE: Final = 1 << 16
_SPACE: Final = socket.CMSG_SPACE(_AUXDATA.size) + socket.CMSG_SPACE(_TIME.size)


class Packet(NamedTuple):
    """One frame, its VLAN tag in place; ``length`` is that of all of it.

    ``time`` are seconds and microseconds, where the socket was opened with a filter.
    """

    data: bytes
    kind: int
    outgoing: bool
    length: int
    time: tuple[int, int] = (0, 0)


def open_packets(
    namespace: Namespace, device: str, *, program: str = "", queue: int = 0
) -> socket.socket:
    """Return a socket for all frames of a device; :func:`receive` reads it.

    :param program: the filter, as ``tcpdump -ddd`` prints it
    :param queue: bytes that the kernel keeps until they are read
    """
    # One for all protocols would have frames of all devices until it is bound.
    sock = namespace.open_socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setblocking(False)
    sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    if queue:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, queue)
    if program:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
        _attach(sock, program)
    sock.bind((device, _ETH_P_ALL))
    return sock


def receive(sock: socket.socket) -> Packet | None:
    """Return the next frame, None if there is none.

    The kernel takes VLAN tags off; here they are put back.
    """
    try:
        data, extra, _, (_, kind, direction, *_) = sock.recvmsg(_FRAME_SIZE, _SPACE)
    except BlockingIOError:
        return None
    packet = Packet(data, kind, direction == _PACKET_OUTGOING, len(data))
    for level, _, content in extra:
        if level != _SOL_PACKET:
            packet = packet._replace(time=_TIME.unpack(content))
            continue
        status, length, _, _, _, tag, _ = _AUXDATA.unpack(content[: _AUXDATA.size])
        packet = packet._replace(length=length)
        if status & _VLAN_VALID:
            words = struct.pack(">HH", _VLAN, tag)
            data = data[:_MACS] + words + data[_MACS:]
            packet = packet._replace(data=data, length=length + _TAG)
    return packet


def dropped(sock: socket.socket) -> int:
    """Return how many frames found the queue full since this was last asked."""
    answer = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
    return int(struct.unpack("=II", answer)[1])


def _attach(sock: socket.socket, program: str) -> None:
    lines = [tuple(map(int, line.split())) for line in program.splitlines()[1:]]
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*e) for e in lines))
    # ``struct sock_fprog``.
    whole = struct.pack("HP", len(lines), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, whole)
