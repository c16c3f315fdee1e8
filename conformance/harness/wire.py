"""How large a packet is on the wire, to recognise one's own pings in a capture."""

from __future__ import annotations

from typing import Final

_ICMP: Final = 8
_IPV4: Final = 20
_ETHERNET: Final = 14
_SEQUENCE_NUMBER: Final = 4
_BLOCK: Final = 16
_MAC: Final = 4
_UDP: Final = 8


def datagram_length(ping_size: int) -> int:
    """Return the UDP length (header included) of an IPv4 ping in a tinc packet.

    With tinc's defaults: AES in CBC mode, whose padding is never empty, four bytes of
    MAC, no compression.
    """
    plain = _SEQUENCE_NUMBER + _ETHERNET + _IPV4 + _ICMP + ping_size
    return _UDP + (plain // _BLOCK + 1) * _BLOCK + _MAC


def datagram_filter(ping_size: int) -> str:
    """Return a capture filter for tinc's datagrams that carry pings of this size."""
    return f"udp port 655 and udp[4:2] = {datagram_length(ping_size)}"
