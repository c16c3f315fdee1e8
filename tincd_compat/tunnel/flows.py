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

from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat.addresses import Subnet, SubnetKind
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.destinations import Destinations
from tincd_compat.mesh.node import MAX_MTU, Mesh, Node
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY, Minor, minor
from tincd_compat.routing.headers import Buffer
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.plain import MAX_DESTINATIONS, plain_destination, plain_station
from tincd_compat.tunnel.tables import PumpTables
from tincd_compat.tunnel.tunnel import Tunnel

#: Subnets of a node that are forgotten one by one; if it has more, everything is.
MAX_FORGOTTEN: Final = 256
#: Nodes that are forgotten one by one if one event has changed them; if there are more,
#: everything is.
MAX_CHANGED: Final = 64
#: Seconds after which the author of a frame is announced again, as a part of the time
#: after which it expires, and the bounds of that.
STATION_SHARE: Final = 0.25
LEAST_STATION_MEMORY: Final = 0.25
STATION_MEMORY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Flow:
    """The way to a destination; longer frames than ``limit`` are not plain.

    ``via`` is the next stop on the way to ``owner``, and ``node`` the next hop: ``via``
    itself or, where there is no UDP to it, the neighbour in between.  A TCP route is
    such a way, too: its frames take the meta connection with ``node``.
    """

    owner: Node
    via: Node
    node: Node
    limit: int

    def leads_on_from(self, source: Node) -> bool:
        """Tell whether frames of another node may take this way, and not back."""
        return source not in (self.owner, self.via, self.node)


class FlowTable:
    """Next stops by destination, remembered until what they depend on changes.

    A destination depends on the subnets that cover it and on its owner's reachability,
    the way to an owner on the nodes that are stops on it.  ``own_options`` are our
    node's option bits.  :class:`~tincd_compat.tunnel.pipeline.Pipeline` tells what has
    changed.
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
        #: Seconds after which the author of a frame is announced again (switch mode):
        #: one that goes on speaking must not expire meanwhile.
        self.station_memory = min(
            max(route.mac_expire * STATION_SHARE, LEAST_STATION_MEMORY), STATION_MEMORY
        )
        passes_on = route.forwarding is Forwarding.INTERNAL and not route.decrement_ttl
        #: Whether frames that nodes send to each other can be short cut.
        self.relays = self.outward and passes_on
        self._relays_over_tcp = self.inward and passes_on
        #: The tables of pumps, which know no address and no way that is not known here.
        self._pumps: list[PumpTables] = []
        self._destinations = Destinations(mesh.subnets)
        self._owners = self._destinations.owners
        #: The way to each owner, None if there is no such way.
        self._flows: dict[Node | None, Flow | None] = {}
        self._tcp_routes: dict[Node | None, Flow | None] = {}
        #: The owners to whom the way depends on a node.
        self._dependents: dict[Node, set[Node]] = {}

    # The tables of pumps.

    def attach(self, pump: PumpTables) -> None:
        """Tell a pump from now on what is void."""
        self._pumps.append(pump)

    def detach(self, pump: PumpTables) -> None:
        """Tell a pump no more; it is not to run again."""
        self._pumps.remove(pump)
        pump.forget()

    def add_outward(self, pump: PumpTables, frames: Sequence[Buffer]) -> None:
        """Add to a pump's tables what would have brought our frames on their way."""
        if self.switching:
            for frame in frames:
                pump.add_station(bytes(frame[6:12]))
        for destination in self._destinations_of(frames):
            self._add(pump, destination, self.lookup(destination))

    def add_inward(
        self, pump: PumpTables, source: Node, frames: Sequence[Buffer]
    ) -> None:
        """Add to a pump's tables what would have brought a node's frames on."""
        for destination in self._destinations_of(frames):
            if self.is_ours(destination):
                pump.add_own(destination)
            else:
                self._add(pump, destination, self.relay(destination, source))

    def _destinations_of(self, frames: Sequence[Buffer]) -> Sequence[bytes]:
        found = dict.fromkeys(map(self.destination, frames))
        return [destination for destination in found if destination is not None]

    @staticmethod
    def _add(pump: PumpTables, destination: bytes, flow: Flow | None) -> None:
        if flow is not None:
            way = flow.owner, flow.node, flow.via, flow.limit
            pump.add_destination(destination, *way)

    # What is void.

    def forget(self) -> None:
        """Forget all ways: anything may have changed."""
        self._destinations.clear()
        self._flows.clear()
        self._tcp_routes.clear()
        self._dependents.clear()
        for pump in self._pumps:
            pump.forget()

    def forget_subnet(self, subnet: Subnet) -> None:
        """Forget the ways to a subnet, which a node has got or lost."""
        void = self._destinations.forget(subnet)
        if subnet.kind is SubnetKind.MAC:
            # Whoever asks for no way to a station may still know it for an author.
            void = [subnet.address]
        if void:
            for pump in self._pumps:
                pump.forget_addresses(void)

    def forget_node(self, node: Node) -> None:
        """Forget the ways over a node with another key, path MTU, address or socket."""
        owners = self._dependents.pop(node, None)
        if owners:
            for owner in owners:
                self._flows.pop(owner, None)
                self._tcp_routes.pop(owner, None)
            for pump in self._pumps:
                pump.forget_ways(owners)
        for pump in self._pumps:
            pump.forget_node(node)

    def forget_nodes(self, nodes: Sequence[Node]) -> None:
        """Forget the ways over several nodes that one event has changed."""
        if len(nodes) > MAX_CHANGED:
            self.forget()
            return
        for node in nodes:
            self.forget_node(node)

    def forget_owners(self, owners: Sequence[Node]) -> None:
        """Forget the ways to nodes that became reachable or unreachable."""
        if len(owners) > MAX_CHANGED:
            self.forget()
            return
        for owner in owners:
            self._forget_owner(owner)

    def _forget_owner(self, owner: Node) -> None:
        subnets = self._mesh.subnets.of(owner)
        if len(subnets) > MAX_FORGOTTEN:
            self.forget()
            return
        self.forget_node(owner)
        self._flows.pop(owner, None)
        self._tcp_routes.pop(owner, None)
        for pump in self._pumps:
            pump.forget_ways((owner,))
        for subnet in subnets:
            self.forget_subnet(subnet)

    # What is asked.

    def lookup(self, destination: bytes) -> Flow | None:
        """Return the way of our own packets to an IP or MAC address."""
        try:
            return self._flows[self._owners[destination]]
        except KeyError:
            pass
        owner = self._owner(destination)
        if owner not in self._flows:
            flow = self._build(owner)
            self._depends(owner)
            self._flows[owner] = flow
        return self._flows[owner]

    def relay(self, destination: bytes, source: Node) -> Flow | None:
        """Return the way of packets that a node sends to an IP or MAC address."""
        flow = self.lookup(destination) if self.relays else None
        return flow if flow is not None and flow.leads_on_from(source) else None

    def tcp_route(self, destination: bytes) -> Flow | None:
        """Return the way of our own packets to an address if it is over TCP."""
        try:
            return self._tcp_routes[self._owners[destination]]
        except KeyError:
            pass
        owner = self._owner(destination)
        if owner not in self._tcp_routes:
            route = self._build_tcp_route(owner)
            self._depends(owner)
            self._tcp_routes[owner] = route
        return self._tcp_routes[owner]

    def relay_tcp_route(self, destination: bytes, source: Node) -> Flow | None:
        """Return the way of packets that a node sends to an address over TCP."""
        route = self.tcp_route(destination) if self._relays_over_tcp else None
        return route if route and route.leads_on_from(source) else None

    def is_ours(self, destination: bytes) -> bool:
        """Tell whether packets from the mesh to this address are for our device."""
        try:
            return self._owners[destination] is self._mesh.myself
        except KeyError:
            return self._owner(destination) is self._mesh.myself

    # How it is found out.

    def _owner(self, destination: bytes) -> Node | None:
        if len(self._owners) >= MAX_DESTINATIONS and destination not in self._owners:
            self.forget()
        return self._destinations.find(destination)

    def _next_stop(self, owner: Node | None) -> Node | None:
        """Return the next stop on the way to an owner, None if there is no such way."""
        myself = self._mesh.myself
        if owner is None or owner is myself or not owner.reachable:
            return None
        via = owner.nexthop if owner.via is myself else owner.via
        if via is None or via is myself or (self._direct_only and via is not owner):
            return None
        return via

    def _depends(self, owner: Node | None) -> None:
        """Note the stops on the way to an owner, which has been found out.

        Not sooner: to ask for a tunnel can change it, and what depends on it is
        forgotten then.  The owner itself is a stop only if frames are sealed for it.
        """
        via = self._next_stop(owner)
        if owner is None or via is None:
            return
        for stop in (via, via.nexthop or via):
            self._dependents.setdefault(stop, set()).add(owner)

    def _build_tcp_route(self, owner: Node | None) -> Flow | None:
        via = self._next_stop(owner)
        if owner is None or via is None:
            return None
        if owner.has_sessions and owner.nexthop is not owner:
            # It is sealed for the owner, over TCP as well.
            return None
        if not (self._own_options | via.options) & TCPONLY:
            return None
        return Flow(owner, via, via.nexthop or via, via.mtu)

    def _build(self, owner: Node | None) -> Flow | None:
        via = self._next_stop(owner)
        if owner is not None and owner is via and owner.has_sessions:
            return self._build_for_session(owner)
        tunnel = None if via is None else self._usable(via)
        if owner is None or via is None or tunnel is None or owner.has_sessions:
            return None
        node, limit = via, via.mtu
        around = via.nexthop
        if _path_limit(via, tunnel) == 0 and around is not None and around is not via:
            node, tunnel = around, self._usable(around)
            if tunnel is None:
                return None
        limit = min(limit, _path_limit(node, tunnel))
        return Flow(owner, via, node, limit)

    def _build_for_session(self, owner: Node) -> Flow | None:
        """Return the way straight to a node that has sessions with us.

        What has to be relayed or goes over TCP is for :mod:`.sessionpath`.
        """
        if owner.options & TCPONLY or minor(owner.options) < Minor.NODE_IDS:
            return None
        tunnel = self._tunnels(owner)
        limit = min(owner.mtu, tunnel.pmtu.minmtu)
        if tunnel.session_sealer is None or not tunnel.valid_key or limit == 0:
            return None
        return Flow(owner, owner, owner, limit)

    def _usable(self, node: Node) -> Tunnel | None:
        """Return the tunnel of a node that we can send datagrams to."""
        if not node.reachable or node.options & TCPONLY or node.has_sessions:
            return None
        tunnel = self._tunnels(node)
        return tunnel if tunnel.valid_key else None


def _path_limit(node: Node, tunnel: Tunnel) -> int:
    """Return the longest frame that the path to a node is known to carry."""
    return tunnel.pmtu.minmtu if node.options & PMTU_DISCOVERY else MAX_MTU
