"""Switch mode, where MAC addresses decide, and hub mode, where nothing does.

1. The owner of the destination's MAC address is looked up; a frame for nobody known,
   and so every broadcast and multicast, goes to everybody.
2. Unicast: loops, permission, TTL, priority, next stop, size, MSS.  What cannot be
   answered in words of IP is dropped without any.

The addresses of our own device's frames are learned before they come here.  Of VLAN
tags at most one is looked behind, and it is kept.
"""

from __future__ import annotations

from typing import Final

from tincd_compat.mesh.node import MAX_MTU, Node
from tincd_compat.modes import Forwarding
from tincd_compat.routing import headers
from tincd_compat.routing.replies import IcmpError
from tincd_compat.routing.rules import Rules
from tincd_compat.routing.verdicts import Deliver, Discard, Reason, SendTo, Verdict

#: Packets up to these sizes, without Ethernet header, are not told to be smaller: the
#: datagram every IPv4 host accepts (RFC 791), the smallest MTU of IPv6 (RFC 8200).
_SMALLEST_IPV4: Final = 576
_SMALLEST_IPV6: Final = 1280
#: What a quote needs of a packet for its author to know it (RFC 792).
_QUOTE: Final = headers.IPV6 + 8


class SwitchRules(Rules):
    """Routes frames by MAC address, or not at all."""

    def repeat(self, frame: bytearray, source: Node, now: float) -> Verdict:
        """Apply the rules of hub mode to a frame of at least 14 bytes."""
        if frame[12:14] == headers.TYPE_PROBE:
            return Discard(Reason.UNKNOWN_TYPE)
        return self._broadcast(frame, source, now)

    def route(self, frame: bytearray, source: Node, now: float) -> Verdict:
        """Apply the rules of switch mode to a frame of at least 14 bytes."""
        if frame[12:14] == headers.TYPE_PROBE:
            return Discard(Reason.UNKNOWN_TYPE)
        owner = self._owner(bytes(frame[0:6]))
        if owner is None:
            return self._broadcast(frame, source, now)
        if owner is source:
            return self._loop_back(source)
        return self._route_unicast(frame, source, owner, now)

    def _route_unicast(
        self, frame: bytearray, source: Node, owner: Node, now: float
    ) -> Verdict:
        myself, options = self._mesh.myself, self._options
        if source is not myself and owner is not myself:
            if options.forwarding is Forwarding.OFF:
                return Discard(Reason.PROHIBITED)
            expired = self._age(frame, source, now)
            if expired is not None:
                return expired
        tos = _priority(frame) if options.priority_inheritance else 0
        via = self._next_stop(owner)
        if options.direct_only and owner is not via:
            return Discard(Reason.PROHIBITED)
        if via is not myself and len(frame) > via.mtu:
            self._log_too_large(frame, owner, via)
            verdict = self._shrink(frame, via, tos, now)
            if verdict is not None:
                return verdict
        self._clamp(frame, source, via)
        return Deliver(frame) if owner is myself else SendTo(owner, frame, tos)

    def _shrink(
        self, frame: bytearray, via: Node, tos: int, now: float
    ) -> Verdict | None:
        """Cut a packet that is too big for the path, or tell its author the limit.

        None for what may be too big for UDP only: TCP carries it.
        """
        kind, ip = headers.payload_type(frame)
        size = len(frame) - ip
        if kind == headers.TYPE_IPV4 and size > _SMALLEST_IPV4:
            if not frame[ip + 6] & headers.DONT_FRAGMENT:
                limit = max(via.mtu, headers.ETHERNET + _SMALLEST_IPV4)
                return self._fragment(frame, ip, via, limit, tos)
        elif kind != headers.TYPE_IPV6 or size <= _SMALLEST_IPV6:
            return Discard(Reason.TOO_BIG) if len(frame) > MAX_MTU else None
        quoted = frame[: max(via.mtu, ip + _QUOTE)]
        mtu = max(via.mtu - ip, 0)
        return self._errors.answer(quoted, IcmpError.TOO_BIG, now, mtu, tos)


def _priority(frame: bytearray) -> int:
    """Return the type of service of an untagged IP packet with a whole header, or 0."""
    kind, length = frame[12:14], len(frame) - headers.ETHERNET
    if kind == headers.TYPE_IPV4 and length >= headers.IPV4:
        return headers.ipv4_tos(frame)
    if kind == headers.TYPE_IPV6 and length >= headers.IPV6:
        return headers.ipv6_traffic_class(frame)
    return 0
