"""The facts behind what operators see, gathered from the living parts of the daemon.

A value that no part counts or notes is None.  Tables are walked by whoever reads a
look, one record at a time, and not here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from tincd_compat.crypto.suites import find_cipher, find_digest
from tincd_compat.daemon.clock import Clock
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.negotiation import MetaProtocol
from tincd_compat.observe.records import Address, Key, LinkRecord, TrafficRecord
from tincd_compat.observe.summary import ConnectTo
from tincd_compat.observe.tables import option_words
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import RefusedSubnet, TunnelView, Views
from tincd_compat.observe.words import (
    AddressSource,
    LinkProtocol,
    OpenedBy,
    ProbePhase,
)

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.control.gossip import Gossip
    from tincd_compat.daemon.counting import Counting
    from tincd_compat.daemon.dataplane import DataPlane
    from tincd_compat.daemon.dialer import Dialer
    from tincd_compat.daemon.journal import Journal
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links
    from tincd_compat.daemon.own import OwnFacts
    from tincd_compat.tunnel.traffic import Traffic
    from tincd_compat.tunnel.tunnel import Tunnel
    from tincd_compat.tunnel.tunnels import Tunnels


def _key_of(tunnel: Tunnel, since: Time) -> Key | None:
    """Return how packets for a node are sealed; None if its ANS_KEY means nothing."""
    if tunnel.session_sealer is not None:
        # There is no other suite in protocol 17.7.
        return Key(
            since=since,
            cipher="chacha20",
            digest="poly1305",
            mac_length=16,
            compression=0,
        )
    cipher, digest, mac_length, compression = tunnel.dump()[:4]
    found, hashed = find_cipher(cipher), find_digest(digest)
    if found is None or hashed is None:
        return None
    return Key(
        since=since,
        cipher=found.name,
        digest=hashed.name,
        mac_length=mac_length,
        compression=compression,
    )


def _address_source(node: Node, tunnel: Tunnel) -> AddressSource | None:
    """Return where the UDP address of a node is known from; None if it is not known.

    Datagrams, ANS_KEY, our own connection and edges are all that say one.
    """
    address = node.address
    if address is None:
        return None
    if address == tunnel.heard_from:
        return AddressSource.UDP
    if address == tunnel.reflexive:
        return AddressSource.REFLEXIVE
    if address == node.dialled:
        return AddressSource.DIALLED
    return AddressSource.EDGE


def traffic_record(traffic: Traffic) -> TrafficRecord:
    return TrafficRecord(packets=traffic.packets, bytes=traffic.bytes)


class Gatherer:
    """The maker of views of tunnels and of records of links."""

    def __init__(
        self,
        own: OwnFacts,
        counting: Counting,
        mesh: Mesh,
        gossip: Gossip,
        links: Links,
        dialer: Dialer,
        tunnels: Tunnels,
        dataplane: DataPlane,
        settings: CurrentSettings,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._own = own
        self._counting = counting
        #: Makes the counters, in steps.
        self.count = counting.count
        self._mesh = mesh
        self._gossip = gossip
        self._links = links
        self._dialer = dialer
        self._tunnels = tunnels
        self._dataplane = dataplane
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._events = journal.events

    def look(self) -> Views:
        """Return everything as it is now; tables are walked by whoever reads them."""
        return Views(
            now=self._clock.now(),
            own=self._own.view(),
            mesh=self._mesh,
            tunnel=self.tunnel,
            history=self._journal.paths.history,
            link=self.link_with,
            links=self.links,
            active_links=self._links.active_count,
            connect_to=self._connect_to(),
            count=self._counting.count,
            events=self._events.of,
            last_event=self._events.last,
            refused=self._refused(),
            scripts=self._journal.scripts.views(),
        )

    def _connect_to(self) -> tuple[ConnectTo, ...]:
        names = [*dict.fromkeys(self._settings.current.connect_to)]
        dials = self._journal.dials
        return (*dials.records(names, self._linked_since, self._dialer.next_at),)

    def _refused(self) -> tuple[RefusedSubnet, ...]:
        now = self._settings.current
        by = "TunnelServer" if now.tunnel_server else "StrictSubnets"
        return tuple(
            RefusedSubnet(owner=owner, subnet=subnet, by=by, since=since)
            for (owner, subnet), at in self._gossip.subnets.refused.items()
            if (since := self._clock.wall(at)) is not None
        )

    def _linked_since(self, name: str) -> float | None:
        link = self._links.link_to(name)
        return None if link is None else link.since

    def tunnel(self, node: Node) -> TunnelView | None:
        """Return the view of a node's tunnel; None if it has none."""
        tunnel = self._tunnels.known(node)
        return None if tunnel is None else self._tunnel_view(node, tunnel)

    def _tunnel_view(self, node: Node, tunnel: Tunnel) -> TunnelView:
        pmtu, echoes = tunnel.pmtu, tunnel.echoes
        wall, round_trip = self._clock.wall, echoes.round_trip
        given = wall(tunnel.key_given)
        ever_sealed, ever_opened = tunnel.key_given, tunnel.own_key_made
        return TunnelView(
            valid_key=tunnel.valid_key,
            key=None if given is None else _key_of(tunnel, given),
            unusable=tunnel.unusable,
            requested=wall(tunnel.awaited_since),
            own_key_since=wall(tunnel.own_key_made),
            phase=ProbePhase(pmtu.phase.value),
            min_mtu=pmtu.minmtu,
            max_mtu=pmtu.maxmtu,
            probes_sent=echoes.sent,
            probes_answered=echoes.answered,
            last_probe=wall(echoes.last_sent),
            last_answer=wall(echoes.last_answer),
            rtt=round_trip.smoothed,
            rtt_last=round_trip.last,
            last_packet=wall(tunnel.last_packet),
            sent=None if ever_sealed is None else traffic_record(tunnel.sent),
            received=None if ever_opened is None else traffic_record(tunnel.received),
            address_from=_address_source(node, tunnel),
        )

    def link_with(self, node: Node) -> LinkRecord | None:
        """Return the record of the active link with a node."""
        link = self._links.of(node)
        return None if link is None else self.link(link, ())

    def links(self) -> Iterator[LinkRecord]:
        """Yield the records of all links."""
        tree = self._dataplane.broadcast_neighbours()
        for link in self._links:
            yield self.link(link, tree)

    def link(self, link: Link, tree: Collection[Node]) -> LinkRecord:
        connection, backlog = link.connection, link.backlog
        ours = link.outgoing is not None
        source = AddressSource.DIALLED if ours else AddressSource.ACCEPTED
        node, said, ciphers = link.node, link.said, connection.ciphers
        edge = None if node is None else self._mesh.myself.edges.get(node.name)
        protocol = LinkProtocol(connection.protocol.value) if link.active else None
        is_rsa = connection.protocol is not MetaProtocol.SPTPS
        return LinkRecord(
            name=None if node is None else node.name,
            address=Address(
                host=link.address.host, port=link.address.port, from_=source
            ),
            opened=OpenedBy.US if ours else OpenedBy.PEER,
            connect_to=link.outgoing is not None,
            active=link.active,
            since=self._clock.wall(link.since),
            weight=None if edge is None else edge.weight,
            rtt=connection.round_trip.smoothed,
            rtt_last=connection.round_trip.last,
            options=option_words(link.options),
            own_options=None if said is None else option_words(said.my_options),
            peer_options=None if said is None else option_words(said.options),
            protocol=protocol,
            rsa_bits=link.rsa_bits if is_rsa else None,
            cipher=None if ciphers is None else ciphers.cipher,
            peer_cipher=None if ciphers is None else ciphers.peer_cipher,
            digest=None if ciphers is None else ciphers.digest,
            queued=backlog.queued,
            queued_most=backlog.most_queued,
            blocked_since=self._clock.wall(backlog.blocked_since),
            sent=traffic_record(link.sent),
            received=traffic_record(link.received),
            meta_sent=connection.bytes_sent,
            meta_received=connection.bytes_received,
            broadcast=node is not None and node in tree,
        )
