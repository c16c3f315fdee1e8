"""Short cuts for ordinary packets: the way to a destination, remembered.

Routing a packet and choosing its path answers a dozen questions whose answers change
only when the mesh, a key or a path MTU changes.  For plain unicast they are asked once
per destination, an IP address in router mode and a MAC address in switch mode.
Whatever is not plain - broadcast, neighbour discovery, an MSS to clamp, priorities -
is left to the full rules, and so is everything while single packets are logged.  A
short cut never decides differently from :mod:`tincd_compat.routing.route` and
:mod:`tincd_compat.tunnel.delivery`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tincd_compat.mesh.node import MAX_MTU, Mesh, Node
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY
from tincd_compat.routing import headers
from tincd_compat.routing.options import Forwarding, Mode, RouteOptions
from tincd_compat.tunnel.tunnel import Tunnel

#: Destinations remembered; forged ones can fill the memory, so it is emptied when full.
MAX_FLOWS: Final = 4096

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


@dataclass(frozen=True, slots=True)
class Flow:
    """The way to a destination; longer frames than ``limit`` are not plain.

    ``via`` is the next stop on the way to ``owner``; where there is no UDP to it, the
    next stop is the neighbour in between, ``node``.
    """

    owner: Node
    via: Node
    node: Node
    tunnel: Tunnel
    limit: int

    def leads_on_from(self, source: Node) -> bool:
        """Tell whether frames of another node may take this way, and not back."""
        return source not in (self.owner, self.via, self.node)


@dataclass(frozen=True, slots=True)
class Passage:
    """The way to a destination on the meta connection with ``node``, for want of UDP.

    As with a :class:`Flow`, longer frames than ``limit`` are not plain, and ``via`` is
    the next stop on the way to ``owner``.
    """

    owner: Node
    via: Node
    node: Node
    limit: int

    def leads_on_from(self, source: Node) -> bool:
        """Tell whether frames of another node may take this way, and not back."""
        return source not in (self.owner, self.via, self.node)


class FlowTable:
    """Next stops by destination, a snapshot of mesh, keys and path MTUs.

    ``own_options`` are our node's option bits.  Whoever changes one of the three calls
    :meth:`invalidate`.
    """

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        own_options: int,
        route: RouteOptions,
    ) -> None:
        self._mesh = mesh
        self._tunnels = tunnels
        self._own_options = own_options
        self._direct_only = route.direct_only
        #: Reads what decides about a plain frame, the key of :meth:`lookup`.
        self.destination = (
            plain_station if route.mode is Mode.SWITCH else plain_destination
        )
        #: Whether frames from the mesh can be short cut.
        self.inward = route.mode is not Mode.HUB
        #: Whether frames from the device can be short cut.
        self.outward = (
            self.inward and not route.priority_inheritance and not own_options & TCPONLY
        )
        self.switching = route.mode is Mode.SWITCH
        passes_on = route.forwarding is Forwarding.INTERNAL and not route.decrement_ttl
        #: Whether frames that nodes send to each other can be short cut.
        self.relays = self.outward and passes_on
        self._relays_over_tcp = self.inward and passes_on
        #: Called when what was looked up is void.
        self.changed: Callable[[], None] = lambda: None
        self._flows: dict[bytes, Flow | None] = {}
        self._passages: dict[bytes, Passage | None] = {}
        self._ours: dict[bytes, bool] = {}

    def invalidate(self) -> None:
        self._flows.clear()
        self._passages.clear()
        self._ours.clear()
        self.changed()

    def lookup(self, destination: bytes) -> Flow | None:
        """Return the way of our own packets to an IP or MAC address."""
        try:
            return self._flows[destination]
        except KeyError:
            pass
        if len(self._flows) >= MAX_FLOWS:
            self._flows.clear()
        flow = self._flows[destination] = self._build(destination)
        return flow

    def relay(self, destination: bytes, source: Node) -> Flow | None:
        """Return the way of packets that a node sends to an IP or MAC address."""
        flow = self.lookup(destination) if self.relays else None
        return flow if flow is not None and flow.leads_on_from(source) else None

    def passage(self, destination: bytes) -> Passage | None:
        """Return the way of our own packets to an address if it is over TCP."""
        try:
            return self._passages[destination]
        except KeyError:
            pass
        if len(self._passages) >= MAX_FLOWS:
            self._passages.clear()
        passage = self._passages[destination] = self._build_passage(destination)
        return passage

    def relay_passage(self, destination: bytes, source: Node) -> Passage | None:
        """Return the way of packets that a node sends to an address over TCP."""
        passage = self.passage(destination) if self._relays_over_tcp else None
        return passage if passage and passage.leads_on_from(source) else None

    def is_ours(self, destination: bytes) -> bool:
        """Tell whether packets from the mesh to this address are for our device."""
        ours = self._ours.get(destination)
        if ours is None:
            if len(self._ours) >= MAX_FLOWS:
                self._ours.clear()
            found = self._mesh.subnets.lookup(destination)
            ours = found is not None and found[1] is self._mesh.myself
            self._ours[destination] = ours
        return ours

    def _next_stop(self, destination: bytes) -> tuple[Node, Node] | None:
        """Return the owner of an address and the next stop on the way to it."""
        myself = self._mesh.myself
        found = self._mesh.subnets.lookup(destination)
        if found is None or found[1] is myself or not found[1].reachable:
            return None
        owner = found[1]
        via = owner.nexthop if owner.via is myself else owner.via
        if via is None or via is myself or (self._direct_only and via is not owner):
            return None
        return owner, via

    def _build_passage(self, destination: bytes) -> Passage | None:
        found = self._next_stop(destination)
        if found is None or not (self._own_options | found[1].options) & TCPONLY:
            return None
        owner, via = found
        return Passage(owner, via, via.nexthop or via, via.mtu)

    def _build(self, destination: bytes) -> Flow | None:
        found = self._next_stop(destination)
        if found is None:
            return None
        owner, via = found
        tunnel = self._usable(via)
        if tunnel is None:
            return None
        node, limit = via, via.mtu
        around = via.nexthop
        if _path_limit(via, tunnel) == 0 and around is not None and around is not via:
            node, tunnel = around, self._usable(around)
            if tunnel is None:
                return None
        limit = min(limit, _path_limit(node, tunnel))
        return Flow(owner, via, node, tunnel, limit)

    def _usable(self, node: Node) -> Tunnel | None:
        """Return the tunnel of a node that we can send datagrams to."""
        if not node.reachable or node.options & TCPONLY:
            return None
        tunnel = self._tunnels(node)
        return tunnel if tunnel.valid_key else None


def _path_limit(node: Node, tunnel: Tunnel) -> int:
    """Return the longest frame that the path to a node is known to carry."""
    return tunnel.pmtu.minmtu if node.options & PMTU_DISCOVERY else MAX_MTU
