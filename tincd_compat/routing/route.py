"""Where a frame goes: the door to the modes, and the rules of router mode.

1. Forwarding = kernel: what the mesh sends is the kernel's to route.
2. The mode reads the destination.  In router mode ARP and neighbour solicitations are
   answered, multicast and broadcast go to everybody, the rest is unicast; switch mode
   is in :mod:`tincd_compat.routing.switch`; in hub mode everybody gets every frame.
3. Unicast: owner, loops, permission, TTL, priority, next stop, size, MSS.

Frames are changed in place when they go on (TTL, MSS); errors and answers are new ones.
The source of a frame is the previous hop, not its author: every hop routes it afresh.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from tincd_compat.addresses import format_host
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.routing import headers, neighbours
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.replies import IcmpError, LocalAddress
from tincd_compat.routing.rules import Rules
from tincd_compat.routing.switch import SwitchRules
from tincd_compat.routing.verdicts import (
    Deliver,
    Discard,
    Reason,
    SendTo,
    Verdict,
)

_SHORTEST_ICMPV6: Final = 62


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6 in the rules for unicast."""

    unknown_address: str
    destination: slice
    #: No path is taken to carry less than frames of this size, whatever was discovered.
    smallest: int
    priority: Callable[[bytearray], int]
    format: Callable[[bytes], str]


# The datagram every IPv4 host accepts (RFC 791); the smallest MTU of IPv6 (RFC 8200).
_SMALLEST_FRAME_IPV4: Final = 576 + headers.ETHERNET
_SMALLEST_FRAME_IPV6: Final = 1280 + headers.ETHERNET

_IPV4: Final = _Family(
    "Cannot route packet from %s: unknown IPv4 destination address %s",
    slice(30, 34),
    _SMALLEST_FRAME_IPV4,
    headers.ipv4_tos,
    format_host,
)
_IPV6: Final = _Family(
    "Cannot route packet from %s: unknown IPv6 destination address %s",
    slice(38, 54),
    _SMALLEST_FRAME_IPV6,
    headers.ipv6_traffic_class,
    headers.format_groups,
)


class Router(Rules):
    """Routes frames by what the mesh knows."""

    def __init__(
        self, mesh: Mesh, options: RouteOptions, *, local_address: LocalAddress
    ) -> None:
        super().__init__(mesh, options, local_address=local_address)
        switch = SwitchRules(mesh, options, local_address=local_address)
        self._route_by_mode = {
            Mode.ROUTER: self._route_packet,
            Mode.SWITCH: switch.route,
            Mode.HUB: switch.repeat,
        }[options.mode]

    def route(self, frame: bytearray, source: Node, now: float) -> Verdict:
        """Return what to do with a frame that came from ``source``, any bytes at all.

        ``source`` is our own node for frames of the device; ``now`` is in seconds.
        """
        if len(frame) < headers.ETHERNET:
            return self._too_short(source)
        if (
            self._options.forwarding is Forwarding.KERNEL
            and source is not self._mesh.myself
        ):
            return Deliver(frame)
        return self._route_by_mode(frame, source, now)

    def _route_packet(self, frame: bytearray, source: Node, now: float) -> Verdict:
        kind = frame[12:14]
        if kind == headers.TYPE_IPV4:
            return self._route_ipv4(frame, source, now)
        if kind == headers.TYPE_IPV6:
            return self._route_ipv6(frame, source, now)
        if kind == headers.TYPE_ARP:
            return self._route_arp(frame, source)
        self._log(
            logging.WARNING,
            "Cannot route packet from %s: unknown type %x",
            source,
            headers.get16(frame, 12),
        )
        return Discard(Reason.UNKNOWN_TYPE)

    def _route_ipv4(self, frame: bytearray, source: Node, now: float) -> Verdict:
        if len(frame) < headers.ETHERNET + headers.IPV4:
            return self._too_short(source)
        if self._options.broadcast and (
            frame[30] & 0xF0 == 0xE0 or frame[30:34] == b"\xff\xff\xff\xff"
        ):
            return self._broadcast(frame, source, now)
        return self._route_unicast(frame, source, now, _IPV4)

    def _route_ipv6(self, frame: bytearray, source: Node, now: float) -> Verdict:
        if len(frame) < headers.ETHERNET + headers.IPV6:
            return self._too_short(source)
        if frame[20] == headers.PROTOCOL_ICMPV6:
            if len(frame) < _SHORTEST_ICMPV6:
                self._too_short(source)
            elif frame[54] == headers.NEIGHBOUR_SOLICITATION:
                return self._route_solicitation(frame, source)
        if self._options.broadcast and frame[38] == 0xFF:
            return self._broadcast(frame, source, now)
        return self._route_unicast(frame, source, now, _IPV6)

    def _route_unicast(
        self, frame: bytearray, source: Node, now: float, family: _Family
    ) -> Verdict:
        """Apply the rules for one destination; their order shows in errors and logs."""
        myself, options, errors = self._mesh.myself, self._options, self._errors
        address = bytes(frame[family.destination])
        owner = self._owner(address)
        if owner is None:
            shown = family.format(address)
            self._log(logging.WARNING, family.unknown_address, source, shown)
            return errors.answer(frame, IcmpError.UNKNOWN, now)
        if owner is source:
            return self._loop_back(source)
        if not owner.reachable:
            return errors.answer(frame, IcmpError.UNREACHABLE, now)
        if source is not myself and owner is not myself:
            if options.forwarding is Forwarding.OFF:
                return errors.answer(frame, IcmpError.PROHIBITED, now)
            expired = self._age(frame, source, now)
            if expired is not None:
                return expired
        tos = family.priority(frame) if options.priority_inheritance else 0
        via = self._next_stop(owner)
        if via is source:
            self._log(logging.ERROR, "Routing loop for packet from %s!", source)
            return Discard(Reason.ROUTING_LOOP)
        if options.direct_only and owner is not via:
            return errors.answer(frame, IcmpError.PROHIBITED, now, tos=tos)
        if via is not myself and len(frame) > max(via.mtu, family.smallest):
            self._log_too_large(frame, owner, via)
            return self._shrink(frame, via, family, tos, now)
        self._clamp(frame, source, via)
        return Deliver(frame) if owner is myself else SendTo(owner, frame, tos)

    def _shrink(
        self, frame: bytearray, via: Node, family: _Family, tos: int, now: float
    ) -> Verdict:
        """Cut a packet that is too big for the path, or tell its author the limit."""
        limit = max(via.mtu, family.smallest)
        if family is _IPV4 and not frame[20] & headers.DONT_FRAGMENT:
            return self._fragment(frame, headers.ETHERNET, via, limit, tos)
        mtu = limit - headers.ETHERNET
        return self._errors.answer(frame, IcmpError.TOO_BIG, now, mtu, tos)

    def _route_arp(self, frame: bytearray, source: Node) -> Verdict:
        if len(frame) < neighbours.ARP_LENGTH:
            return self._too_short(source)
        if source is not self._mesh.myself:
            text = "Got ARP request from %s while in router mode!"
            self._log(logging.WARNING, text, source)
            return Discard(Reason.NOT_FROM_DEVICE)
        complain = partial(self._log, logging.WARNING)
        return neighbours.answer_arp(frame, self._owner, self._mesh.myself, complain)

    def _route_solicitation(self, frame: bytearray, source: Node) -> Verdict:
        if len(frame) < neighbours.SOLICITATION_LENGTH:
            return self._too_short(source)
        if source is not self._mesh.myself:
            text = "Got neighbor solicitation request from %s while in router mode!"
            self._log(logging.WARNING, text, source)
            return Discard(Reason.NOT_FROM_DEVICE)
        complain = partial(self._log, logging.WARNING)
        return neighbours.answer_solicitation(
            frame, self._owner, self._mesh.myself, complain
        )
