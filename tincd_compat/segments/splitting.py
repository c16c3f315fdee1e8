"""Cutting super-packets into frames that fit the path.

Each segment gets the headers of the whole, with lengths, numbers, flags and checksums
of its own.  Nothing is taken from the super-packet that can be reckoned: kernels
disagree about the header length they state, and on the checksum of forwarded pieces.
Addresses of the pseudo header cannot always: see :func:`_addresses`.
"""

from __future__ import annotations

import struct
from typing import Final

from tincd_compat.checksums import Buffer, checksum, sum16
from tincd_compat.segments.superpacket import (
    ETHERNET_SIZE,
    IPV4_SIZE,
    IPV6_SIZE,
    MAX_CUTS,
    MAX_IP_PACKET,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    PSH,
    TCP_SIZE,
    TCPV4,
    TCPV6,
    UDP,
    UDP_SIZE,
)

_TAGS: Final = (b"\x81\x00", b"\x88\xa8")

_FIN: Final = 0x01
_CWR: Final = 0x80


def split(
    frame: Buffer,
    kind: int,
    size: int,
    start: int,
    first: int = 0,
    most: int = MAX_CUTS,
) -> list[bytes]:
    """Cut a super-packet into frames; :class:`SuperPacket` has the first arguments.

    Returns ``most`` segments, or fewer, beginning with the one numbered ``first``;
    nothing if the arguments do not describe the frame.
    """
    ip = _network_start(frame)
    if size < 1 or not _is_sound(frame, kind, ip, start):
        return []
    ipv6 = frame[ip] >> 4 == 6
    network: _Ipv4Cut | _Ipv6Cut = (_Ipv6Cut if ipv6 else _Ipv4Cut)(frame, ip, start)
    transport: _TcpCut | _UdpCut = (_UdpCut if kind == UDP else _TcpCut)(
        frame, start, _addresses(frame, kind, ip, start)
    )
    end = transport.end
    if len(frame) - end > size * MAX_CUTS:
        return []
    frames = []
    starts = range(end, len(frame), size)[first : first + most]
    for index, at in enumerate(starts, first):
        payload = frame[at : at + size]
        length = len(payload) + end - start
        head = transport.header(index, size, payload, at + size >= len(frame))
        frames.append(network.header(index, length) + head + payload)
    return frames


def _network_start(frame: Buffer) -> int:
    """Return where the IP header begins: behind the Ethernet header and its tags."""
    start = ETHERNET_SIZE
    while start < ETHERNET_SIZE + 8 and frame[start - 2 : start] in _TAGS:
        start += 4
    return start


def _is_sound(frame: Buffer, kind: int, ip: int, start: int) -> bool:
    """Tell whether the headers are whole and such as the kind says."""
    least = UDP_SIZE if kind == UDP else TCP_SIZE
    if not ip + 20 <= start <= len(frame) - least or len(frame) - ip > MAX_IP_PACKET:
        return False
    version = frame[ip] >> 4
    protocol = PROTOCOL_UDP if kind == UDP else PROTOCOL_TCP
    if version == 4 and kind in (TCPV4, UDP):
        fragment = frame[ip + 6] & 0x3F or frame[ip + 7]
        sound = (frame[ip] & 15) * 4 == start - ip and frame[ip + 9] == protocol
        sound = sound and not fragment
    elif version == 6 and kind in (TCPV6, UDP):
        # Extension headers name the protocol themselves, the last one of them.
        extended = start > ip + IPV6_SIZE
        sound = start >= ip + IPV6_SIZE and (extended or frame[ip + 6] == protocol)
    else:
        return False
    if kind == UDP:
        return sound and start + UDP_SIZE < len(frame)
    return sound and TCP_SIZE <= (frame[start + 12] >> 4) * 4 < len(frame) - start


def _addresses(frame: Buffer, kind: int, ip: int, start: int) -> int:
    """Return the sum of the addresses in the pseudo header.

    The IP header has them where nothing follows it.  A source route or a routing header
    keeps the last stop elsewhere, and an option of IPv6 may name the sender's home:
    then only the kernel's seed tells, the sum of them, the length and the protocol.
    """
    ipv6 = frame[ip] >> 4 == 6
    if start == ip + (IPV6_SIZE if ipv6 else IPV4_SIZE):
        return sum16(frame[ip + (8 if ipv6 else 12) : start])
    protocol, field = (PROTOCOL_UDP, 6) if kind == UDP else (PROTOCOL_TCP, 16)
    return sum16(frame[start + field :][:2]) - (len(frame) - start) - protocol


class _Ipv4Cut:
    """The headers of IPv4 for each segment: length, number and checksum of its own."""

    def __init__(self, frame: Buffer, ip: int, start: int) -> None:
        self._before = bytes(frame[: ip + 2])
        self._flags = bytes(frame[ip + 6 : ip + 10])
        self._after = bytes(frame[ip + 12 : start])
        self._pack = struct.Struct(f">{ip + 2}sHH4sH{start - ip - 12}s").pack
        self._size = start - ip
        self._number = frame[ip + 4] << 8 | frame[ip + 5]
        self._sum = sum16(frame[ip : ip + 2]) + sum16(self._flags) + sum16(self._after)

    def header(self, index: int, length: int) -> bytes:
        total = self._size + length
        number = self._number + index & 0xFFFF
        check = -(self._sum + total + number) % 0xFFFF
        return self._pack(self._before, total, number, self._flags, check, self._after)


class _Ipv6Cut:
    """The headers of IPv6 for each segment, with a length of its own."""

    def __init__(self, frame: Buffer, ip: int, start: int) -> None:
        self._before = bytes(frame[: ip + 4])
        self._after = bytes(frame[ip + 6 : start])
        self._extensions = start - ip - IPV6_SIZE

    def header(self, index: int, length: int) -> bytes:
        size = (self._extensions + length).to_bytes(2, "big")
        return self._before + size + self._after


class _TcpCut:
    """TCP headers for each segment: number, flags and checksum of its own."""

    def __init__(self, frame: Buffer, start: int, addresses: int) -> None:
        self.end = end = start + (frame[start + 12] >> 4) * 4
        self._ports = bytes(frame[start : start + 4])
        self._number = int.from_bytes(frame[start + 4 : start + 8], "big")
        self._ack = bytes(frame[start + 8 : start + 13])
        self._flags = frame[start + 13]
        self._window = bytes(frame[start + 14 : start + 16])
        self._after = bytes(frame[start + 18 : end])
        self._pack = struct.Struct(f">4sI5sB2sH{end - start - 18}s").pack
        parts = (self._ports, self._ack[:4], self._window, self._after)
        self._sum = (
            addresses
            + PROTOCOL_TCP
            + (end - start)
            + (self._ack[4] << 8)
            + sum(map(sum16, parts))
        )

    def header(self, index: int, size: int, payload: Buffer, last: bool) -> bytes:
        number = self._number + index * size & 0xFFFFFFFF
        # What asks for attention at the end is said once, and so is CWR (RFC 3168).
        flags = self._flags & ~((0 if last else _FIN | PSH) | (_CWR if index else 0))
        total = self._sum + len(payload) + number + flags + sum16(payload)
        return self._pack(
            self._ports,
            number,
            self._ack,
            flags,
            self._window,
            checksum(total) or 0xFFFF,
            self._after,
        )


class _UdpCut:
    """UDP headers for each segment, with length and checksum."""

    def __init__(self, frame: Buffer, start: int, addresses: int) -> None:
        self.end = start + UDP_SIZE
        self._ports = bytes(frame[start : start + 4])
        self._sum = addresses + PROTOCOL_UDP + sum16(self._ports)

    def header(self, index: int, size: int, payload: Buffer, last: bool) -> bytes:
        length = UDP_SIZE + len(payload)
        # The length is in the pseudo header too.
        total = self._sum + 2 * length + sum16(payload)
        check = checksum(total) or 0xFFFF
        return self._ports + (length << 16 | check).to_bytes(4, "big")
