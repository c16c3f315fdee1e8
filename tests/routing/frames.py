"""Frames to route, a small mesh to route them in, and independent checksum code."""

from __future__ import annotations

import ipaddress
import struct

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.options import CLAMP_MSS

#: The payload of the packets that tincd 1.0.36 was made to answer.
PAYLOAD = bytes(i * 7 & 255 for i in range(3000))


def checksum(data: bytes) -> int:
    """RFC 1071, word by word: not the way the package does it."""
    total = 0
    for i in range(0, len(data), 2):
        total += int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def pack(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def ipv4(
    source: str,
    target: str,
    payload: bytes,
    *,
    protocol: int = 1,
    ttl: int = 64,
    tos: int = 0,
    field: int = 0x4000,
    ident: int = 0x1234,
) -> bytearray:
    """A frame of a tun device with an IPv4 packet; ``field`` is flags and offset."""
    start = struct.pack(
        ">BBHHHBB", 0x45, tos, 20 + len(payload), ident, field, ttl, protocol
    )
    addresses = pack(source) + pack(target)
    total = checksum(start + b"\0\0" + addresses)
    header = start + total.to_bytes(2, "big") + addresses
    return bytearray(bytes(12) + b"\x08\0" + header + payload)


def ipv6(
    source: str,
    target: str,
    payload: bytes,
    *,
    protocol: int = 17,
    hops: int = 64,
    start: int = 0x600C020B,
) -> bytearray:
    header = struct.pack(">IHBB", start, len(payload), protocol, hops)
    addresses = pack(source) + pack(target)
    return bytearray(bytes(12) + b"\x86\xdd" + header + addresses + payload)


def echo(size: int) -> bytes:
    return b"\x08\0\0\0" + PAYLOAD[: size - 4]


def tcp(source: str, target: str, options: bytes, flags: int = 2) -> bytes:
    """A TCP header with a right checksum; the options are filled up with zeros."""
    options += bytes(-len(options) % 4)
    words = (5 + len(options) // 4) << 12 | flags
    header = struct.pack(">HHIIHHHH", 1000, 80, 1, 0, words, 1000, 0, 0) + options
    pseudo = pack(source) + pack(target) + struct.pack(">II", len(header), 6)
    total = checksum(pseudo + header)
    return header[:16] + total.to_bytes(2, "big") + header[18:]


def with_macs(frame: bytearray, target: str, source: str) -> bytearray:
    frame[0:12] = bytes.fromhex(target + source)
    return frame


def tagged(frame: bytearray) -> bytearray:
    """The same frame in VLAN 5."""
    return frame[:12] + b"\x81\0\0\5" + frame[12:]


def line(us: str = "a") -> Mesh:
    """Nodes a - b - c in a row, d unreachable, of which ``us`` is ours.

    a owns 192.168.1.0/24 and fd00:1::/64, b has 2, d has 3 and c has 4.  UDP goes to
    neighbours only, as if a and c had IndirectData.
    """
    mesh = Mesh(us)
    mesh.myself.options = CLAMP_MSS
    for name, number in (("a", 1), ("b", 2), ("c", 4), ("d", 3)):
        node = mesh.get_or_add(name)
        node.options = CLAMP_MSS
        node.reachable = name != "d"
        if node is not mesh.myself and node.reachable:
            node.address = SocketAddress(f"10.99.1.{number}", 655)
            node.nexthop = node.via = node if us == "b" else mesh.get_or_add("b")
        for text in (f"192.168.{number}.0/24", f"fd00:{number}::/64"):
            subnet = Subnet.parse(text)
            assert subnet is not None
            mesh.subnets.add(node, subnet)
    return mesh


def no_local_address(target: bytes) -> bytes | None:
    return None


def owner(mesh: Mesh, address: bytes) -> Node | None:
    found = mesh.subnets.lookup(address)
    return None if found is None else found[1]
