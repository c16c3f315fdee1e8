"""Frames as a device gives them: Ethernet headers, IPv4, IPv6, TCP, ICMP, ARP.

The checksums are computed word by word, not in the way of the package under test.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

ETHERNET: Final = 14
#: Addresses of a tun device's frames.
NO_MACS: Final = bytes(12)
#: Two of Ethernet that nobody has.
MACS: Final = bytes.fromhex("021122334455 026677889900")

UDP: Final = 17
TCP: Final = 6
ICMP: Final = 1
ICMPV6: Final = 58

#: Incompressible enough to see any shift, and the same in every run.
PAYLOAD: Final = bytes(i * 7 & 255 for i in range(1600))


def checksum(data: bytes) -> int:
    """Return the Internet checksum of RFC 1071."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def pack(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4:
    """Header fields; ``field`` is flags and fragment offset."""

    protocol: int = UDP
    ttl: int = 64
    tos: int = 0
    field: int = 0
    options: bytes = b""
    #: What the header states as the length, if that is not the truth.
    length: int | None = None
    macs: bytes = NO_MACS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6:
    protocol: int = UDP
    hops: int = 64
    traffic_class: int = 0
    macs: bytes = NO_MACS


DONT_FRAGMENT: Final = 0x4000
MORE_FRAGMENTS: Final = 0x2000

_PLAIN: Final = Ipv4()
_PLAIN6: Final = Ipv6()


def frame4(source: str, target: str, payload: bytes, header: Ipv4 = _PLAIN) -> bytes:
    """Return a frame with an IPv4 packet."""
    words = 5 + len(header.options) // 4
    length = words * 4 + len(payload) if header.length is None else header.length
    start = struct.pack(
        ">BBHHHBB",
        *(0x40 | words, header.tos, length, 0x1234),
        *(header.field, header.ttl, header.protocol),
    )
    rest = pack(source) + pack(target) + header.options
    total = checksum(start + b"\0\0" + rest)
    packet = start + total.to_bytes(2, "big") + rest + payload
    return header.macs + b"\x08\0" + packet


def frame6(source: str, target: str, payload: bytes, header: Ipv6 = _PLAIN6) -> bytes:
    """Return a frame with an IPv6 packet, its flow label 0x2020B."""
    first = 0x6002020B | header.traffic_class << 20
    start = struct.pack(">IHBB", first, len(payload), header.protocol, header.hops)
    return header.macs + b"\x86\xdd" + start + pack(source) + pack(target) + payload


def tcp(source: str, target: str, options: bytes, flags: int = 2) -> bytes:
    """Return a TCP segment without data, by default a SYN, for either family.

    The options are filled up with zeros to whole words.
    """
    options += bytes(-len(options) % 4)
    words = (5 + len(options) // 4) << 12 | flags
    header = struct.pack(">HHIIHHHH", 1000, 80, 1, 0, words, 1000, 0, 0) + options
    return _with_checksum(source, target, header, TCP, 16)


def icmpv6(source: str, target: str, message: bytes) -> bytes:
    """Return the message, whose checksum field is zero, with its checksum."""
    return _with_checksum(source, target, message, ICMPV6, 2)


def icmp(message: bytes) -> bytes:
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def _with_checksum(
    source: str, target: str, data: bytes, protocol: int, at: int
) -> bytes:
    pseudo = pack(source) + pack(target) + struct.pack(">II", len(data), protocol)
    total = checksum(pseudo + data)
    return data[:at] + total.to_bytes(2, "big") + data[at + 2 :]


def hexdump(frame: bytes) -> str:
    """Return the frame as lines of text: Ethernet header, and 20 bytes a line."""
    rest = (frame[i : i + 20].hex(" ", 4) for i in range(ETHERNET, len(frame), 20))
    return "".join(f"    {line}\n" for line in (frame[:ETHERNET].hex(), *rest))
