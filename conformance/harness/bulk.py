"""Much at once: super-packets of the smallest segments, and datagrams at a rate.

A super-packet is one call for whoever sends it, to a device or over UDP, and thousands
of packets for whoever cuts it.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

from conformance.harness.netns import Namespace
from conformance.harness.packets import TCP, Ipv4, frame4

_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_UDP_SEGMENT: Final = 103
#: ``struct virtio_net_hdr``.
_HEADER: Final = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM: Final = 1
_TCPV4: Final = 1
_TCP_SIZE: Final = 20
_TCP_CHECKSUM: Final = 16
_IP_SIZE: Final = 20
_ACK: Final = 0x50100000
#: Segments that every kernel cuts a message into.
_MOST_DATAGRAMS: Final = 64
_SLICE: Final = 0.005
#: What a device that is full, or a system that is busy, says.
_FULL: Final = frozenset({errno.ENOBUFS, errno.EAGAIN})


def raw_flood(
    namespace: Namespace,
    interface: str,
    ends: tuple[str, str],
    *,
    macs: bytes = b"",
    size: int = 1,
    segments: int = 2048,
    rate: int = 1000,
) -> Iterator[None]:
    """Write TCP super-packets to an interface, ``rate`` a second, as long as asked.

    :param ends: inner addresses, from and to
    :param macs: both MAC addresses of a tap device, nothing for tun
    :param size: bytes of payload in each of the segments
    """
    sock = namespace.open_socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setblocking(False)
    sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    sock.bind((interface, 0x0800))
    transport = struct.pack(">HHIIIHH", 1000, 80, 1, 1, _ACK | 1000, 0, 0)
    header = Ipv4(protocol=TCP, macs=macs or bytes(12))
    frame = frame4(*ends, transport + bytes(segments * size), header)
    packet = frame if macs else frame[14:]
    start = len(packet) - segments * size - _TCP_SIZE
    head = _HEADER.pack(
        *(_NEEDS_CHECKSUM, _TCPV4, start + _TCP_SIZE, size, start, _TCP_CHECKSUM)
    )
    with sock:
        yield from _paced(lambda: sock.send(head + packet), rate)


def datagram_flood(
    namespace: Namespace, target: tuple[str, int], *, rate: int = 4000
) -> Iterator[None]:
    """Send trains of datagrams of one byte, as anybody may, ``rate`` a second."""
    sock = namespace.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    control = [(socket.SOL_UDP, _UDP_SEGMENT, struct.pack("=H", 1))]
    train = [bytes(_MOST_DATAGRAMS)]
    with sock:
        yield from _paced(lambda: sock.sendmsg(train, control, 0, target), rate)


def steady_datagrams(
    namespace: Namespace, target: tuple[str, int], *, megabits: float, size: int = 1300
) -> Iterator[None]:
    """Send datagrams of ``size`` bytes, so many megabits of them a second."""
    sock = namespace.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    payload, rate = bytes(size), round(megabits * 1e6 / 8 / size)
    with sock:
        yield from _paced(lambda: sock.sendto(payload, target), rate)


def run(flood: Iterator[None], seconds: float) -> int:
    """Let a flood go on for some seconds; return how many super-packets it sent."""
    until, sent = time.monotonic() + seconds, 0
    for _ in flood:
        sent += 1
        if time.monotonic() > until:
            break
    return sent


def _paced(send: Callable[[], int], rate: int) -> Iterator[None]:
    started, sent = time.monotonic(), 0
    while True:
        # What is late is left out: a burst of it would be another attack.
        due = int((time.monotonic() - started) * rate)
        for _ in range(min(due - sent, int(2 * _SLICE * rate))):
            try:
                send()
            except OSError as error:
                if error.errno not in _FULL:
                    raise
            yield
        sent = due
        time.sleep(_SLICE)
