"""TCP segments and UDP datagrams, made and taken apart slowly and obviously."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, replace
from typing import Final

from tincd_compat.segments.superpacket import TCPV4, TCPV6, UDP, SuperPacket

ACK: Final = 0x10
PSH: Final = 0x08
FIN: Final = 0x01
CWR: Final = 0x80
ECE: Final = 0x40

PAYLOAD: Final = bytes(i * 7 & 0xFF for i in range(1 << 16))


def words(data: bytes) -> int:
    """Return the sum of 16-bit words, carries added in again."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A segment of a flow; ``tos`` is the class of IPv6, ``options`` those of TCP.

    A source route leads over ``stops`` before it comes to ``target``; ``padding``
    counts blocks of hop-by-hop options in IPv6, eight bytes each.
    """

    ipv6: bool = False
    udp: bool = False
    payload: bytes = b"payload"
    number: int = 1000
    ack: int = 2000
    flags: int = ACK
    window: int = 500
    options: bytes = b""
    urgent: int = 0
    reserved: int = 0
    ident: int = 7
    fragment: int = 0x4000
    tos: int = 0
    ttl: int = 64
    label: int = 5
    source: int = 1
    target: int = 2
    ports: tuple[int, int] = (4000, 5201)
    ip_options: bytes = b""
    padding: int = 0
    stops: tuple[int, ...] = ()
    macs: bytes = bytes(12)
    tags: bytes = b""

    @property
    def protocol(self) -> int:
        return 17 if self.udp else 6

    @property
    def start(self) -> int:
        """Where TCP or UDP begins."""
        ip = 40 + len(self.extensions()[1]) if self.ipv6 else 20 + len(self.behind())
        return 14 + len(self.tags) + ip

    def address(self, number: int) -> bytes:
        if self.ipv6:
            return (ipaddress.IPv6Address("fd00::") + number).packed
        return (ipaddress.IPv4Address("10.0.0.0") + number).packed

    def addresses(self) -> bytes:
        """The addresses of the IP header; the first stop is where it is sent."""
        first = (*self.stops, self.target)[0]
        return self.address(self.source) + self.address(first)

    def behind(self) -> bytes:
        """The options of IPv4."""
        if not self.stops:
            return self.ip_options
        # Loose source routing (RFC 791), and one byte to fill the word.
        stops = b"".join(map(self.address, (*self.stops[1:], self.target)))
        return bytes((131, 3 + len(stops), 4)) + stops + b"\0" + self.ip_options

    def extensions(self) -> tuple[int, bytes]:
        """The extension headers of IPv6, and the number of what comes first."""
        first, headers = self.protocol, b""
        if self.stops:
            # A segment routing header (RFC 8754) has the last stop first.
            count = len(self.stops)
            stops = (*self.stops, self.target)[::-1]
            kind = struct.pack(">BBBBBBH", first, 2 * count + 2, 4, count, count, 0, 0)
            first, headers = 43, kind + b"".join(map(self.address, stops))
        if self.padding:
            options = bytes((first, self.padding - 1)) + bytes(8 * self.padding - 2)
            first, headers = 0, options + headers
        return first, headers

    def transport(self, checksum: int) -> bytes:
        if self.udp:
            size = 8 + len(self.payload)
            return struct.pack(">HHHH", *self.ports, size, checksum) + self.payload
        offset = (20 + len(self.options)) // 4 << 12 | self.reserved << 8
        header = struct.pack(
            ">HHIIHHHH",
            *self.ports,
            self.number & 0xFFFFFFFF,
            self.ack,
            offset | self.flags,
            self.window,
            checksum,
            self.urgent,
        )
        return header + self.options + self.payload

    def network(self, length: int) -> bytes:
        if self.ipv6:
            first = 6 << 28 | self.tos << 20 | self.label
            kind, extensions = self.extensions()
            length += len(extensions)
            head = struct.pack(">IHBB", first, length, kind, self.ttl)
            return head + self.addresses() + extensions
        options = self.behind()
        words_of_header = 5 + len(options) // 4
        header = struct.pack(
            ">BBHHHBBH",
            0x40 | words_of_header,
            self.tos,
            words_of_header * 4 + length,
            self.ident & 0xFFFF,
            self.fragment,
            self.ttl,
            self.protocol,
            0,
        )
        header += self.addresses() + options
        return header[:10] + (0xFFFF ^ words(header)).to_bytes(2, "big") + header[12:]

    def pseudo_header(self) -> bytes:
        # The last stop of a source route counts (RFC 8200, 8.1; RFC 1122, 4.2.3.8).
        ends = self.address(self.source) + self.address(self.target)
        length = len(self.transport(0))
        return ends + struct.pack(">II", length, self.protocol)

    def _frame(self, checksum: int) -> bytes:
        transport = self.transport(checksum)
        kind = b"\x86\xdd" if self.ipv6 else b"\x08\x00"
        return self.macs + self.tags + kind + self.network(len(transport)) + transport

    def frame(self) -> bytes:
        """The frame as it is on the wire."""
        total = words(self.pseudo_header() + self.transport(0))
        return self._frame((0xFFFF ^ total) or 0xFFFF)

    def piece(self, size: int) -> SuperPacket:
        """A super-packet of all this payload, in segments of ``size`` bytes."""
        kind = UDP if self.udp else TCPV6 if self.ipv6 else TCPV4
        # The kernel may have either form of zero here.
        seed = words(self.pseudo_header()) % 0xFFFF
        return SuperPacket(bytearray(self._frame(seed)), kind, size, self.start)


def cut(whole: Segment, size: int) -> list[Segment]:
    """Return the segments of a super-packet, as its sender would have made them."""
    pieces = []
    for at in range(0, len(whole.payload), size):
        flags = whole.flags
        if at + size < len(whole.payload):
            flags &= ~(FIN | PSH)
        if at:
            flags &= ~CWR
        pieces.append(
            replace(
                whole,
                payload=whole.payload[at : at + size],
                number=whole.number + at,
                ident=whole.ident + at // size,
                flags=flags,
            )
        )
    return pieces
