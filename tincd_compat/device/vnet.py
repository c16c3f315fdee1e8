"""What kernel and device do for each other once IFF_VNET_HDR is set.

Every packet then has a ``struct virtio_net_hdr`` in front, ten bytes in host order:

    flags (1) | gso type (1) | header length (2) | gso size (2) |
    checksum start (2) | checksum offset (2)

With TUNSETOFFLOAD the kernel leaves checksums unfinished and hands over super-packets;
it takes super-packets from us whatever was set, if it is sane.  Both can fail, each is
tried at the start, and each can be switched off.
"""

from __future__ import annotations

import contextlib
import errno
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from tincd_compat import logs
from tincd_compat.checksums import Buffer
from tincd_compat.dataclass import dataclass
from tincd_compat.device.system import System
from tincd_compat.segments.offload import (
    TCPV4,
    UDP,
    SuperPacket,
    coalesce,
    fill_checksum,
)

HEADER_SIZE: Final = 10
#: The header of a packet about which there is nothing to say.
PLAIN: Final = bytes(HEADER_SIZE)

_LAYOUT: Final = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM: Final = 1
_ECN: Final = 0x80

_CSUM: Final = 0x01
_TSO: Final = 0x02 | 0x04
_USO: Final = 0x20 | 0x40
# Bits that a kernel does not know make it refuse all of them: the richest set first.
_FEATURES: Final = (_CSUM | _TSO | _USO, _CSUM | _TSO)

#: An interface that is down refuses packets with this, after it has read the header.
_DOWN: Final = errno.EIO

_CHECKSUM_OFFSETS: Final = {UDP: 6}
_TCP_CHECKSUM: Final = 16
#: Where headers of IP without options end, behind one of Ethernet.
_BEHIND_IPV4: Final = 34
_BEHIND_IPV6: Final = 54


@dataclass(frozen=True, slots=True)
class OffloadWishes:
    """Which offloads may be used: super-packets from the kernel, and towards it.

    ``datagrams`` says whether UDP is worth coalescing towards the kernel.
    """

    segmentation: bool = True
    coalescing: bool = True
    datagrams: bool = True

    @property
    def any(self) -> bool:
        return self.segmentation or self.coalescing


class Offloads:
    """The state of the offloads of one device.

    ``link`` is how many bytes of a frame stand in front of the packet of the kernel.
    """

    def __init__(self, system: System, fd: int, link: int) -> None:
        self._system = system
        self._fd = fd
        self._link = link
        #: Whether the kernel hands over super-packets.
        self.segmentation = False
        #: Whether it takes them, and whether of UDP as well.
        self.coalescing = False
        self.coalescing_udp = False

    def names(self) -> list[str]:
        """Return what is in use, as log lines name it."""
        names = ["device segmentation"] if self.segmentation else []
        if self.coalescing:
            names.append(f"device coalescing{'' if self.coalescing_udp else ' of TCP'}")
        return names

    def start(self, wishes: OffloadWishes, head: bytes, target: bytes) -> None:
        """Switch on what is wished for and works.

        ``head`` stands in front of the header of packets that are written, ``target``
        is the device's own MAC address.
        """
        with contextlib.suppress(OSError):
            # Another program may have left a longer header on a persistent interface.
            self._system.set_header_size(self._fd, HEADER_SIZE)
        if wishes.segmentation:
            self.segmentation = self._switch_on()
        if wishes.coalescing:
            self.coalescing = self._takes(TCPV4, head, target)
        if self.coalescing and wishes.datagrams:
            self.coalescing_udp = self._takes(UDP, head, target)

    def _switch_on(self) -> bool:
        for features in _FEATURES:
            with contextlib.suppress(OSError):
                self._system.set_offload(self._fd, features)
                return True
        return False

    def reset(self) -> None:
        """Leave the interface as others expect it.

        Offloads outlive the descriptor on a persistent interface; whoever does not know
        of them would read super-packets as packets.
        """
        self.segmentation = False
        # A kernel that cannot switch them off has none.
        with contextlib.suppress(OSError):
            self._system.set_offload(self._fd, 0)

    def _takes(self, kind: int, head: bytes, target: bytes) -> bool:
        """Tell whether the kernel takes a super-packet, by way of one it throws away.

        Some kernels answer every super-packet with EINVAL.
        """
        probe = _probe(kind, target)
        packet = memoryview(probe.frame)[self._link :]
        try:
            self._system.writev(self._fd, (head, self.header(probe), packet))
        except OSError as error:
            return error.errno == _DOWN
        return True

    def header(self, packet: SuperPacket) -> bytes:
        """Return the kernel's header for a super-packet."""
        return _LAYOUT.pack(
            _NEEDS_CHECKSUM,
            packet.kind,
            packet.header_size - self._link,
            packet.size,
            packet.start - self._link,
            _CHECKSUM_OFFSETS.get(packet.kind, _TCP_CHECKSUM),
        )

    def accept(self, header: Buffer, frame: bytearray) -> bytearray | SuperPacket:
        """Return what came behind a header: a frame with its checksum, or a piece."""
        flags, kind, _, size, start, offset = _LAYOUT.unpack(header)
        if kind:
            seeded = flags & _NEEDS_CHECKSUM
            start = start + self._link if seeded else _transport_start(frame)
            return SuperPacket(frame, kind & ~_ECN, size, start)
        if flags & _NEEDS_CHECKSUM:
            fill_checksum(frame, start + self._link, offset)
        return frame

    def merge(self, frames: Sequence[Buffer]) -> Iterable[Buffer | SuperPacket]:
        """Make super-packets of a burst, as far as the kernel takes them."""
        if not self.coalescing or len(frames) < 2:
            return frames
        return coalesce(frames, self.coalescing_udp)

    def refused(self, error: OSError) -> bool:
        """The kernel refused a super-packet; tell whether its frames may do better."""
        if error.errno != errno.EINVAL:
            return False
        if self.coalescing:
            reason = error.strerror
            logs.always.info("Coalescing towards the device switched off: %s", reason)
        self.coalescing = self.coalescing_udp = False
        return True


def _transport_start(frame: Buffer) -> int:
    """Return where TCP or UDP begins in what a network card has merged, or 0.

    It comes with the checksum of nobody knows what, and without a word of where that
    is; nothing stands between its headers.
    """
    if frame[12:15] == b"\x08\x00\x45":
        return _BEHIND_IPV4
    return _BEHIND_IPV6 if frame[12:14] == b"\x86\xdd" else 0


def _probe(kind: int, target: bytes) -> SuperPacket:
    """Return two segments whose IP header has a wrong checksum: nobody gets them."""
    protocol, header = (17, 8) if kind == UDP else (6, 20)
    length = 20 + header + 2
    frame = bytearray(14 + length)
    frame[0:6] = target
    frame[12:18] = struct.pack(">HBBH", 0x0800, 0x45, 0, length)
    frame[22:26] = struct.pack(">BBH", 1, protocol, 0xDEAD)
    frame[26:34] = bytes((192, 0, 2, 1, 192, 0, 2, 2))
    if kind == UDP:
        frame[38:40] = (header + 2).to_bytes(2, "big")
    else:
        frame[46:48] = b"\x50\x10"
    return SuperPacket(frame, kind, 1, 34)
