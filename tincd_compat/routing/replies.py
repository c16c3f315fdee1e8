"""ICMP errors for packets that cannot go on (RFC 792, RFC 4443).

An error goes back to where the packet came from: MAC addresses swapped, VLAN tag kept,
and as much of the packet quoted as tincd quotes.

    Ethernet 14 or 18 | IPv4 20 or IPv6 40 | ICMP 8 | original IP packet, cut
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

from tincd_compat.routing import headers
from tincd_compat.routing.verdicts import AnswerFrames, Discard, Reason

#: Returns the packed local address the system would use towards a packed address.
LocalAddress: TypeAlias = Callable[[bytes], bytes | None]

#: Errors sent per second of the clock, IPv4 and IPv6 together (tincd's limit).
ERRORS_PER_SECOND: Final = 3
#: Bytes quoted: an error of 576 bytes over IPv4 (RFC 1812, 4.3.2.3) ...
_QUOTE_IPV4: Final = 576 - headers.IPV4 - 8
#: ... and the same frame size over IPv6, where RFC 4443 would allow 1232.
_QUOTE_IPV6: Final = 576 - headers.IPV6 - 8


class IcmpError(Enum):
    """(type, code) over IPv4, (type, code) over IPv6, and why the packet is dropped."""

    UNKNOWN = ((3, 6), (1, 3), Reason.UNKNOWN_DESTINATION)
    UNREACHABLE = ((3, 0), (1, 0), Reason.UNREACHABLE)
    PROHIBITED = ((3, 9), (1, 1), Reason.PROHIBITED)
    TOO_BIG = ((3, 4), (2, 0), Reason.TOO_BIG)
    TTL_EXPIRED = ((11, 0), (3, 0), Reason.TTL_EXPIRED)

    @property
    def reason(self) -> Reason:
        return self.value[2]


class ErrorReplies:
    """Answers undeliverable packets, at most so many a second."""

    def __init__(self, local_address: LocalAddress) -> None:
        self._local_address = local_address
        self._second = 0
        self._sent = 0

    def answer(
        self,
        frame: bytearray,
        error: IcmpError,
        now: float,
        mtu: int = 0,
        tos: int = 0,
    ) -> AnswerFrames | Discard:
        """Return the error about ``frame``, or a drop if it deserves none.

        ``mtu`` is what the packet should have fitted, without Ethernet header; ``tos``
        is the priority that the packet would have had on its way.
        """
        kind, ip = headers.payload_type(frame)
        if headers.carries_icmp_error(frame, kind, ip) or not self._allowed(now):
            return Discard(error.reason)
        if kind == headers.TYPE_IPV4:
            return AnswerFrames([self._ipv4(frame, ip, error, mtu)], error.reason, tos)
        if kind == headers.TYPE_IPV6:
            return AnswerFrames([self._ipv6(frame, ip, error, mtu)], error.reason, tos)
        return Discard(error.reason)

    def _allowed(self, now: float) -> bool:
        second = int(now)
        if second != self._second:
            self._second, self._sent = second, 0
        self._sent += 1
        return self._sent <= ERRORS_PER_SECOND

    def _speaker(self, error: IcmpError, source: bytes, target: bytes) -> bytes:
        """Return the address an error comes from: traceroute wants to see this hop."""
        if error is IcmpError.TTL_EXPIRED:
            local = self._local_address(source)
            if local is not None and len(local) == len(target):
                return local
        return target

    def _ipv4(self, frame: bytearray, ip: int, error: IcmpError, mtu: int) -> bytearray:
        receiver = bytes(frame[ip + 12 : ip + 16])
        sender = self._speaker(error, receiver, bytes(frame[ip + 16 : ip + 20]))
        quote = frame[ip : ip + _QUOTE_IPV4]
        icmp = bytearray(error.value[0]) + bytes(4) + mtu.to_bytes(2, "big") + quote
        headers.put16(icmp, 2, headers.checksum(headers.sum16(icmp)))
        header = bytearray.fromhex("4500 0000 0000 0000 ff01 0000") + sender + receiver
        headers.put16(header, 2, headers.IPV4 + len(icmp))
        headers.put16(header, 10, headers.checksum(headers.sum16(header)))
        return _ethernet_back(frame, ip) + header + icmp

    def _ipv6(self, frame: bytearray, ip: int, error: IcmpError, mtu: int) -> bytearray:
        receiver = bytes(frame[ip + 8 : ip + 24])
        sender = self._speaker(error, receiver, bytes(frame[ip + 24 : ip + 40]))
        quote = frame[ip : ip + _QUOTE_IPV6]
        icmp = bytearray(error.value[1]) + bytes(2) + mtu.to_bytes(4, "big") + quote
        pseudo = headers.pseudo_header_sum(
            sender, receiver, len(icmp), headers.PROTOCOL_ICMPV6
        )
        headers.put16(icmp, 2, headers.checksum(pseudo + headers.sum16(icmp)))
        header = bytearray.fromhex("6000 0000 0000 3aff") + sender + receiver
        headers.put16(header, 4, len(icmp))
        return _ethernet_back(frame, ip) + header + icmp


def _ethernet_back(frame: bytearray, ip: int) -> bytearray:
    return frame[6:12] + frame[0:6] + frame[12:ip]
