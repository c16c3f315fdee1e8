"""Fields of Ethernet, IPv4, IPv6, TCP, ICMP and ARP headers in a frame; checksums.

A frame is a bytearray: 12 bytes of MAC addresses, the ethertype, the payload, no frame
check sequence.  Frames of tun devices carry zero addresses.  Nothing here logs; only
:func:`decrement_ttl` and :func:`put16` write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tincd_compat.checksums import Buffer as Buffer
from tincd_compat.checksums import checksum as checksum
from tincd_compat.checksums import sum16 as sum16

ETHERNET: Final = 14
VLAN_TAG: Final = 4
IPV4: Final = 20
IPV6: Final = 40
TCP: Final = 20

#: Marks MTU probes between nodes; a frame of a device with it would pass for one.
TYPE_PROBE: Final = b"\0\0"
TYPE_IPV4: Final = b"\x08\x00"
TYPE_ARP: Final = b"\x08\x06"
TYPE_VLAN: Final = b"\x81\x00"
TYPE_IPV6: Final = b"\x86\xdd"

#: The flag in the first byte of IPv4's flags and offset.
DONT_FRAGMENT: Final = 0x40

PROTOCOL_ICMP: Final = 1
PROTOCOL_TCP: Final = 6
PROTOCOL_ICMPV6: Final = 58

NEIGHBOUR_SOLICITATION: Final = 135
NEIGHBOUR_ADVERTISEMENT: Final = 136

# Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 1122).
_ICMP_ERRORS: Final = frozenset({3, 4, 5, 11, 12})


def payload_type(frame: Buffer) -> tuple[bytes, int]:
    """Return the ethertype behind at most one VLAN tag and where its payload starts.

    The frame has at least 14 bytes.  A tag without room for what follows it is returned
    as the type itself.
    """
    kind = bytes(frame[12:14])
    if kind == TYPE_VLAN and len(frame) >= ETHERNET + VLAN_TAG:
        return bytes(frame[16:18]), ETHERNET + VLAN_TAG
    return kind, ETHERNET


def adjusted_checksum(old: int, change: int) -> int:
    """Return a checksum after the words it covers grew by ``change`` (RFC 1624)."""
    return (old - change) % 0xFFFF


def pseudo_header_sum(
    source: Buffer, target: Buffer, length: int, protocol: int
) -> int:
    """Return the sum of the pseudo header of IPv4 or IPv6 (RFC 8200, 8.1)."""
    return (sum16(source) + sum16(target) + length + protocol) % 0xFFFF


def put16(frame: bytearray, offset: int, value: int) -> None:
    frame[offset : offset + 2] = value.to_bytes(2, "big")


def get16(frame: Buffer, offset: int) -> int:
    return frame[offset] << 8 | frame[offset + 1]


def ipv4_tos(frame: Buffer) -> int:
    """Return the TOS byte of an untagged frame of at least 34 bytes."""
    return frame[15]


def ipv6_traffic_class(frame: Buffer) -> int:
    """Return the traffic class of an untagged frame of at least 54 bytes."""
    return (frame[14] & 15) << 4 | frame[15] >> 4


def format_groups(packed: Buffer) -> str:
    """Return an IPv6 address as eight hexadecimal groups, as tinc's logs show it."""
    return ":".join(f"{get16(packed, i):x}" for i in range(0, 16, 2))


def tcp_header(frame: Buffer) -> int | None:
    """Return where the TCP header of an IPv4 or IPv6 frame starts, or None.

    Extension headers are not followed.  A fragment other than the first has no TCP
    header, only bytes that might look like one.
    """
    kind, ip = payload_type(frame)
    if kind == TYPE_IPV4 and len(frame) >= ip + IPV4:
        later_fragment = get16(frame, ip + 6) & 0x1FFF
        if frame[ip + 9] != PROTOCOL_TCP or later_fragment:
            return None
        start = ip + max((frame[ip] & 15) * 4, IPV4)
    elif kind == TYPE_IPV6 and len(frame) >= ip + IPV6:
        if frame[ip + 6] != PROTOCOL_TCP:
            return None
        start = ip + IPV6
    else:
        return None
    return start if len(frame) >= start + TCP else None


def tcp_options(frame: Buffer, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, offset, length) of each option of the TCP header at ``start``.

    Ends without complaint at the first option that does not fit (RFC 9293, 3.1).
    """
    end = start + (frame[start + 12] >> 4) * 4
    if end > len(frame):
        return
    offset = start + TCP
    while offset < end and frame[offset] != 0:
        if frame[offset] == 1:
            offset += 1
            continue
        if offset + 1 >= end:
            return
        length = frame[offset + 1]
        if length < 2 or offset + length > end:
            return
        yield frame[offset], offset, length
        offset += length


def decrement_ttl(frame: bytearray) -> bool | None:
    """Lower TTL or hop limit by one: True if done, False if the packet dies here.

    None means that the frame is too short for the header it announces.  Other types
    have nothing to lower and pass.
    """
    kind, ip = payload_type(frame)
    if kind == TYPE_VLAN and ip == ETHERNET:
        return None
    if kind == TYPE_IPV4:
        if len(frame) < ip + IPV4:
            return None
        if frame[ip + 8] <= 1:
            return False
        frame[ip + 8] -= 1
        put16(frame, ip + 10, adjusted_checksum(get16(frame, ip + 10), -0x100))
    elif kind == TYPE_IPV6:
        if len(frame) < ip + IPV6:
            return None
        if frame[ip + 7] <= 1:
            return False
        frame[ip + 7] -= 1
    return True


def carries_icmp_error(frame: Buffer, kind: bytes, ip: int) -> bool:
    """Tell whether the packet at ``ip`` is an ICMP error or a later piece of ICMP.

    Such packets are never answered with an error, or two hosts could keep each other
    busy for ever (RFC 1122, 3.2.2; RFC 4443, 2.4).
    """
    if kind == TYPE_IPV4 and len(frame) >= ip + IPV4:
        start = ip + (frame[ip] & 15) * 4
        if frame[ip + 9] != PROTOCOL_ICMP:
            return False
        if get16(frame, ip + 6) & 0x1FFF:
            return True
        return len(frame) > start and frame[start] in _ICMP_ERRORS
    if kind == TYPE_IPV6 and len(frame) > ip + IPV6:
        return frame[ip + 6] == PROTOCOL_ICMPV6 and frame[ip + IPV6] < 128
    return False
