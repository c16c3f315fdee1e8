"""Merging frames of a burst into super-packets, before they go to the device."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from tincd_compat.checksums import Buffer, checksum, sum16
from tincd_compat.segments.superpacket import (
    AE,
    ECE,
    ETHERNET_SIZE,
    MAX_DATAGRAMS,
    MAX_IP_PACKET,
    MAX_MERGED,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    PSH,
    TCP_SIZE,
    TCPV4,
    TCPV6,
    UDP,
    UDP_SIZE,
    SuperPacket,
)

_ACK: Final = 0x10
_RESERVED: Final = 0x0F & ~AE
_DONT_FRAGMENT: Final = 0x40

# Headers down to those of TCP: runs of bytes that all segments of a piece have in
# common, and between them the numbers that differ.
_IPV4: Final = struct.Struct(">16sHH4sH12sI5sB2sH2s").unpack_from
_IPV6: Final = struct.Struct(">18sH38sI5sB2sH2s").unpack_from


def coalesce(frames: Sequence[Buffer], udp: bool = False) -> list[Buffer | SuperPacket]:
    """Merge segments that follow each other in a burst; UDP only if ``udp``.

    What a receiver gets is the same: frames merge if their headers differ in nothing
    but number, length, PSH and checksum, and if both checksums are right.  Names of
    IPv4 that may yet be needed for fragments have to be those that cutting the piece
    gives.  No frame overtakes another of its flow, nor one whose flow is not clear (a
    fragment, say).
    Frames that stay alone are returned as they are, the same objects.
    """
    merged: list[Buffer | _Merger] = []
    latest: dict[bytes, _Merger | None] = {}
    current: _Merger | None = None
    for frame in frames:
        # Segments mostly come in a row, and what their headers have in common is known.
        if current is not None and current.extend(frame):
            continue
        current = None
        start = _transport_start(frame)
        if not start:
            latest.clear()
            merged.append(frame)
            continue
        flow = _flow(frame, start)
        merger = latest.get(flow)
        if merger is not None and merger.add(frame):
            current = merger if merger.kind != UDP else None
            continue
        kind = _kind(frame, start, udp)
        latest[flow] = merger = _Merger(frame, kind, start) if kind else None
        merged.append(frame if merger is None else merger)
    return [item.result() if isinstance(item, _Merger) else item for item in merged]


def _transport_start(frame: Buffer) -> int:
    """Return where TCP or UDP begins in a frame without tags and IP options, or 0."""
    kind = frame[12:15]
    if kind == b"\x08\x00\x45" and len(frame) >= 34 + UDP_SIZE:
        fragment = frame[20] & 0x3F or frame[21]
        whole = (frame[16] << 8 | frame[17]) == len(frame) - 14
        start, protocol = 34, frame[23]
    elif kind[:2] == b"\x86\xdd" and len(frame) >= 54 + UDP_SIZE:
        fragment = 0
        whole = frame[14] >> 4 == 6 and (frame[18] << 8 | frame[19]) == len(frame) - 54
        start, protocol = 54, frame[20]
    else:
        return 0
    if not whole or fragment or protocol not in (PROTOCOL_TCP, PROTOCOL_UDP):
        return 0
    if protocol == PROTOCOL_TCP and len(frame) < start + TCP_SIZE:
        return 0
    return start


def _flow(frame: Buffer, start: int) -> bytes:
    """Return the MAC addresses, protocol, addresses and ports."""
    if start == 34:
        return bytes(frame[:12]) + frame[23:24] + frame[26:38]
    return bytes(frame[:12]) + frame[20:21] + frame[22:58]


def _kind(frame: Buffer, start: int, udp: bool) -> int:
    """Return what kind of piece a frame could be the first segment of, or 0."""
    size = len(frame) - start
    if frame[23 if start == 34 else 20] == PROTOCOL_UDP:
        whole = (frame[start + 4] << 8 | frame[start + 5]) == size > UDP_SIZE
        # A datagram without checksum would get one.
        return UDP if udp and whole and any(frame[start + 6 : start + 8]) else 0
    header = frame[start + 12]
    plain = frame[start + 13] & ~(PSH | ECE) == _ACK and not header & _RESERVED
    if plain and TCP_SIZE <= (header >> 4) * 4 < size:
        return TCPV4 if start == 34 else TCPV6
    return 0


class _Merger:
    """The frames of one piece, from the first on."""

    __slots__ = (
        "_common",
        "_end",
        "_first",
        "_flags",
        "_header_sum",
        "_name",
        "_number",
        "_open",
        "_options",
        "_payloads",
        "_psh",
        "_room",
        "_shape",
        "_size",
        "_start",
        "_sum",
        "kind",
    )

    def __init__(self, frame: Buffer, kind: int, start: int) -> None:
        self._first = frame
        self.kind = kind
        self._start = start
        self._end = end = start + (
            UDP_SIZE if kind == UDP else (frame[start + 12] >> 4) * 4
        )
        self._size = size = len(frame) - end
        self._room = MAX_IP_PACKET + ETHERNET_SIZE - len(frame)
        self._shape = self._shape_of(frame)
        number = int.from_bytes(frame[start + 4 : start + 8], "big")
        self._number = number + size & 0xFFFFFFFF
        #: What IPv4 calls the second frame, None if names may be anything.
        self._name: int | None = None
        if start == 34 and not frame[20] & _DONT_FRAGMENT:
            self._name = (frame[18] << 8 | frame[19]) + 1 & 0xFFFF
        flags = 0 if kind == UDP else frame[start + 13]
        self._psh = flags & PSH
        #: The flags of every segment, but for PSH.
        self._flags = flags & ~PSH
        self._open = not self._psh
        self._payloads: list[Buffer] = []
        #: What :meth:`extend` compares; None until a second frame was added.
        self._common: tuple[bytes, ...] | None = None

    def _shape_of(self, frame: Buffer) -> bytes:
        """Return what must be equal in all headers, beyond the flow."""
        start = self._start
        # TOS, DF, TTL; class and label, hop limit.
        shape = bytes(frame[15:16]) + frame[20:23]
        if start == 54:
            shape = bytes(frame[14:18]) + frame[21:22]
        if self.kind == UDP:
            return shape
        # Acknowledgement, header length, window, options: all but flags and checksum.
        return (
            shape
            + frame[start + 8 : start + 13]
            + frame[start + 14 : start + 16]
            + frame[start + 18 : self._end]
        )

    def add(self, frame: Buffer) -> bool:
        """Take a frame of the same flow if it continues the piece, with right sums."""
        size = len(frame) - self._end
        if not self._open or not 0 < size <= min(self._size, self._room):
            return False
        start = self._start
        if self.kind == UDP:
            whole = (frame[start + 4] << 8 | frame[start + 5]) == len(frame) - start
            follows, flags = whole and any(frame[start + 6 : start + 8]), 0
        else:
            flags = frame[start + 13]
            number = int.from_bytes(frame[start + 4 : start + 8], "big")
            follows = flags & ~PSH == self._flags and number == self._number
        if not follows or self._shape_of(frame) != self._shape:
            return False
        if self._name is not None:
            name = frame[18] << 8 | frame[19]
            if (self._name + len(self._payloads) - name) & 0xFFFF:
                return False
        if not self._payloads:
            self._open = self._is_right(self._first)
        if not self._open or not self._is_right(frame):
            return False
        self._take(frame[self._end :], flags)
        if self._common is None and self.kind != UDP:
            self._learn()
        return True

    def _learn(self) -> None:
        """Note what is common to the headers, and the sums of it."""
        first, start = self._first, self._start
        options = self._options = bytes(first[start + TCP_SIZE : self._end])
        self._header_sum = 0
        if start == 34:
            a, _, _, b, _, c, _, d, _, e, _, f = _IPV4(first)
            self._common = (a, b, c, d, e, f)
            self._header_sum = sum16(a[14:]) + sum16(b) + sum16(c[:8])
            covered = (c, d, e, f, options)
        else:
            a, _, b, _, c, _, d, _, e = _IPV6(first)
            self._common = (a, b, c, d, e)
            # Next header and hop limit stand in front of the addresses.
            covered = (b[2:], c, d, e, options)
        # The acknowledgement is followed by the byte of the header's length: the last
        # word is filled up with the zero that stands for the flags.
        self._sum = PROTOCOL_TCP + sum(map(sum16, covered))

    def extend(self, frame: Buffer) -> bool:
        """Do as :meth:`add` for a frame of any flow, or nothing: it must be asked then.

        One comparison answers all questions, and only what differs is summed anew.
        """
        size = len(frame) - self._end
        if not self._open or not 0 < size <= self._size or size > self._room:
            return False
        start = self._start
        length = len(frame) - start
        common: tuple[bytes, ...]
        if start == 34:
            a, total, name, b, check, c, number, d, flags, e, tcp, f = _IPV4(frame)
            common = (a, b, c, d, e, f)
            if (self._header_sum + total + name + check) % 0xFFFF:
                return False
            expected = self._name
            if (
                expected is not None
                and (expected + len(self._payloads) - name) & 0xFFFF
            ):
                return False
            total -= 20
        else:
            a, total, b, number, c, flags, d, tcp, e = _IPV6(frame)
            common = (a, b, c, d, e)
        if common != self._common or number != self._number:
            return False
        if flags & ~PSH != self._flags:
            return False
        if total != length or frame[start + TCP_SIZE : self._end] != self._options:
            return False
        payload = frame[self._end :]
        total = self._sum + number + flags + tcp + length + sum16(payload)
        if total % 0xFFFF:
            return False
        self._take(payload, flags)
        return True

    def _take(self, payload: Buffer, flags: int) -> None:
        size = len(payload)
        self._payloads.append(payload)
        self._room -= size
        self._number = self._number + size & 0xFFFFFFFF
        most = MAX_DATAGRAMS if self.kind == UDP else MAX_MERGED
        self._open = size == self._size and len(self._payloads) < most - 1
        if flags & PSH:
            self._psh = PSH
            self._open = False

    def _is_right(self, frame: Buffer) -> bool:
        """Tell whether the checksums of the frame are right."""
        protocol = PROTOCOL_UDP if self.kind == UDP else PROTOCOL_TCP
        start = self._start
        if start == 34 and sum16(frame[14:34]):
            return False
        # The addresses stand right in front of the transport header.
        covered = frame[26 if start == 34 else 22 :]
        return (sum16(covered) + len(frame) - start + protocol) % 0xFFFF == 0

    def result(self) -> Buffer | SuperPacket:
        """Return the piece, or the first frame if nothing was added."""
        if not self._payloads:
            return self._first
        start = self._start
        frame = bytearray(self._first)
        frame += b"".join(self._payloads)
        length = len(frame) - start
        if self.kind == UDP:
            frame[start + 4 : start + 6] = length.to_bytes(2, "big")
            protocol, field = PROTOCOL_UDP, start + 6
        else:
            frame[start + 13] |= self._psh
            protocol, field = PROTOCOL_TCP, start + 16
        addresses = frame[26 if start == 34 else 22 : start]
        seed = (sum16(addresses) + length + protocol) % 0xFFFF
        frame[field : field + 2] = seed.to_bytes(2, "big")
        if start == 34:
            frame[16:18] = (length + 20).to_bytes(2, "big")
            frame[24:26] = bytes(2)
            frame[24:26] = checksum(sum16(frame[14:34])).to_bytes(2, "big")
        else:
            frame[18:20] = length.to_bytes(2, "big")
        return SuperPacket(frame, self.kind, self._size, start)
