"""The facts behind what operators see, gathered from the living parts of the daemon.

What nobody counts or has noted is None.  Nothing here walks through a table: whoever
reads a look does, one record at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from heapq import heapify, heappop
from typing import TYPE_CHECKING, Final

from tincd_compat import options
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.observe.records import (
    LISTED_SUBNETS,
    Address,
    EdgeRecord,
    Key,
    LinkRecord,
    NodeRecord,
    SubnetRecord,
    Suite,
)
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import TunnelView
from tincd_compat.observe.words import (
    AddressSource,
    Opened,
    Option,
    PathKind,
    ProbePhase,
)
from tincd_compat.tunnel.suites import find_cipher, find_digest

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.daemon.dataplane import DataPlane
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links
    from tincd_compat.tunnel.tunnel import Tunnel

_OPTIONS: Final = (
    (Option.INDIRECT, options.INDIRECT),
    (Option.TCPONLY, options.TCPONLY),
    (Option.PMTU_DISCOVERY, options.PMTU_DISCOVERY),
    (Option.CLAMP_MSS, options.CLAMP_MSS),
)


class Clock:
    """Both clocks of the daemon: that of the loop, and the one on the wall."""

    def __init__(self, loop: Callable[[], float], wall: Callable[[], float]) -> None:
        self._loop = loop
        self._wall = wall

    def now(self) -> Time:
        return Time(self._wall())

    def wall(self, moment: float | None) -> Time | None:
        """Return a moment of the loop by the wall clock, as that is set now."""
        return None if moment is None else Time(self._wall() - self._loop() + moment)


def option_words(bits: int) -> tuple[Option, ...]:
    return tuple(word for word, bit in _OPTIONS if bits & bit)


def suite_of(cipher: str, digest: str, mac_length: int, compression: int) -> Suite:
    return Suite(
        cipher=cipher, digest=digest, mac_length=mac_length, compression=compression
    )


def key_of(cipher: int, digest: int, mac_length: int, compression: int) -> Key | None:
    """Return what an ANS_KEY with these numbers asks for; None if they mean nothing."""
    found, hashed = find_cipher(cipher), find_digest(digest)
    if found is None or hashed is None:
        return None
    return Key(
        since=None,
        cipher=found.name,
        digest=hashed.name,
        mac_length=mac_length,
        compression=compression,
    )


def place(address: SocketAddress, source: AddressSource | None) -> Address:
    return Address(host=address.host, port=address.port, from_=source)


class Gatherer:
    """Makes the views of tunnels and the records of links."""

    def __init__(
        self,
        mesh: Mesh,
        links: Links,
        dataplane: DataPlane,
        settings: CurrentSettings,
        clock: Clock,
    ) -> None:
        self._mesh = mesh
        self._links = links
        self._dataplane = dataplane
        self._settings = settings
        self._clock = clock

    def tunnel(self, node: Node) -> TunnelView | None:
        """Return the view of a node's tunnel; None if it has none."""
        tunnel = self._dataplane.known_tunnel(node)
        return None if tunnel is None else self._tunnel_view(tunnel)

    def _tunnel_view(self, tunnel: Tunnel) -> TunnelView:
        dump, pmtu = tunnel.dump(), tunnel.pmtu
        known = any(dump[:4]) or tunnel.valid_key
        return TunnelView(
            valid_key=tunnel.valid_key,
            key=key_of(*dump[:4]) if known else None,
            phase=ProbePhase(pmtu.phase.value),
            min_mtu=pmtu.minmtu,
            max_mtu=pmtu.maxmtu,
        )

    def link_with(self, node: Node) -> LinkRecord | None:
        """Return the record of the active link with a node."""
        link = self._links.of(node)
        return None if link is None else self.link(link, ())

    def links(self) -> list[LinkRecord]:
        """Return the records of all links."""
        tree = self._dataplane.broadcast_neighbours()
        return [self.link(link, tree) for link in self._links]

    def link(self, link: Link, tree: Collection[Node]) -> LinkRecord:
        connection, sock = link.connection, link.socket
        ours = link.outgoing is not None
        source = AddressSource.DIALLED if ours else AddressSource.ACCEPTED
        node = link.node
        edge = None if node is None else self._mesh.myself.edges.get(node.name)
        return LinkRecord(
            name=None if node is None else node.name,
            address=place(link.address, source),
            opened=Opened.US if ours else Opened.PEER,
            connect_to=link.outgoing is not None,
            active=link.active,
            since=None,
            weight=None if edge is None else edge.weight,
            options=option_words(connection.options),
            queued=sock.queued,
            queued_most=sock.most_queued,
            blocked_since=self._clock.wall(sock.blocked_since),
            broadcast=node is not None and node in tree,
        )

    # Tables.

    def nodes(self) -> Iterator[NodeRecord]:
        """Yield every node by name."""
        for node in self._by_name():
            yield self.node(node)

    def _by_name(self) -> Iterator[Node]:
        """Yield nodes by name; those that come or go meanwhile are seen or not.

        A heap puts them in order as they are asked for.
        """
        names = list(self._mesh.nodes)
        heapify(names)
        while names:
            node = self._mesh.nodes.get(heappop(names))
            if node is not None:
                yield node

    def node(self, node: Node) -> NodeRecord:
        """Return the record of one node."""
        mesh = self._mesh
        tunnel = self.tunnel(node)
        subnets = mesh.subnets.of(node)
        path, via = self._path(node)
        return NodeRecord(
            name=node.name,
            self_=node is mesh.myself,
            reachable=node.reachable,
            path=path,
            nexthop=None if node.nexthop is None else node.nexthop.name,
            via=None if via is None else via.name,
            address=None if node.address is None else place(node.address, None),
            mtu=tunnel.min_mtu or None if tunnel is not None else None,
            key=None if tunnel is None else tunnel.key,
            options=option_words(node.options),
            subnets=tuple(str(each) for each in subnets[:LISTED_SUBNETS]),
            subnet_count=len(subnets),
            connect_to=node.name in self._settings.current.connect_to,
            linked=self._links.of(node) is not None,
        )

    def _path(self, node: Node) -> tuple[PathKind | None, Node | None]:
        """Return how packets travel to a node, and whom they are sealed for."""
        myself = self._mesh.myself
        if node is myself:
            return PathKind.SELF, None
        via = node.nexthop if node.via is myself else node.via
        if not node.reachable or via is None:
            return PathKind.NONE, None
        straight = via is node
        if (myself.options | via.options) & options.TCPONLY:
            straight = straight and node.nexthop is node
            return PathKind.TCP if straight else PathKind.RELAY_TCP, via
        tunnel = self._dataplane.known_tunnel(via)
        if tunnel is None or not tunnel.valid_key:
            return None, via
        if not via.options & options.PMTU_DISCOVERY or tunnel.pmtu.minmtu > 0:
            return PathKind.UDP if straight else PathKind.RELAY_UDP, via
        straight = straight and node.nexthop is node
        return PathKind.TCP if straight else PathKind.RELAY_TCP, via

    def edges(self) -> Iterator[EdgeRecord]:
        """Yield every edge by the names of its ends."""
        for node in self._by_name():
            for edge in tuple(node.sorted_edges()):
                yield EdgeRecord(
                    from_=edge.source.name,
                    to=edge.target.name,
                    address=place(edge.address, AddressSource.EDGE),
                    options=option_words(edge.options),
                    weight=edge.weight,
                    both=edge.reverse is not None,
                )

    def subnets(self) -> Iterator[SubnetRecord]:
        """Yield every subnet in tinc's order."""
        for subnet, owner in self._mesh.subnets:
            yield SubnetRecord(
                subnet=str(subnet),
                net=subnet.net,
                weight=subnet.weight,
                owner=owner.name,
                reachable=owner.reachable,
            )
