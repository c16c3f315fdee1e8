"""What alone decides about an ordinary frame: its destination.

Plain is unicast that routing neither answers nor changes.  The compiled pumps read the
same (``_fast/plain.c``).
"""

from __future__ import annotations

from typing import Final

from tincd_compat.routing import headers

#: Destinations remembered; forged ones can fill the memory, so it is emptied when full.
#: The pumps know no others, and have room for as many.
MAX_DESTINATIONS: Final = 16384

_MSS: Final = 2
_TCP_OFFSET: Final = 12
#: The options of nearly every segment after the handshake: two paddings, timestamps.
_TIMESTAMPS: Final = b"\x01\x01\x08\x0a"


def plain_destination(frame: headers.Buffer) -> bytes | None:
    """Return the IP address that alone decides about a frame in router mode.

    None for everything that routing might answer, broadcast, or change.
    """
    kind = frame[12:14]
    if kind == headers.TYPE_IPV4:
        # Version 4 without options: 0x45.
        if len(frame) < 34 or frame[14] != 0x45 or frame[30] >= 0xE0:
            return None
        if frame[23] == headers.PROTOCOL_TCP and _may_carry_mss(frame, 34):
            return None
        return bytes(frame[30:34])
    if kind == headers.TYPE_IPV6:
        if len(frame) < 54 or frame[38] == 0xFF:
            return None
        protocol = frame[20]
        if protocol == headers.PROTOCOL_ICMPV6:
            return None
        if protocol == headers.PROTOCOL_TCP and _may_carry_mss(frame, 54):
            return None
        return bytes(frame[38:54])
    return None


def plain_station(frame: headers.Buffer) -> bytes | None:
    """Return the MAC address that alone decides about a frame in switch mode.

    None for everything that routing might change, or drop for its contents.
    """
    kind, ip = frame[12:14], headers.ETHERNET
    if kind == headers.TYPE_VLAN:
        kind, ip = headers.payload_type(frame)
    if kind == headers.TYPE_IPV4:
        if len(frame) < ip + headers.IPV4 or frame[ip] != 0x45:
            return None
        protocol, start = frame[ip + 9], ip + headers.IPV4
    elif kind == headers.TYPE_IPV6:
        if len(frame) < ip + headers.IPV6:
            return None
        protocol, start = frame[ip + 6], ip + headers.IPV6
    elif len(frame) < headers.ETHERNET or frame[12:14] == headers.TYPE_PROBE:
        return None
    else:
        return bytes(frame[0:6])
    if protocol == headers.PROTOCOL_TCP and _may_carry_mss(frame, start):
        return None
    return bytes(frame[0:6])


def _may_carry_mss(frame: headers.Buffer, start: int) -> bool:
    if len(frame) < start + headers.TCP:
        return True
    words = frame[start + _TCP_OFFSET] >> 4
    if words == 5:
        return False
    if words == 8 and frame[start + 20 : start + 24] == _TIMESTAMPS:
        return False
    return any(kind == _MSS for kind, _, _ in headers.tcp_options(frame, start))
