"""The lists and the status of the control socket, made from one look at the daemon.

Lists are generators, since members decide how long they are; whoever writes them draws
a few records each turn.  They yield None where they have nothing to say for long.
Nodes, edges and subnets may come and go meanwhile: these are in a list or not, all
others once.  The order of a list means nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from typing import Final

from tincd_compat import options
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Edge, Node
from tincd_compat.observe.paths import way
from tincd_compat.observe.records import (
    LISTED_SUBNETS,
    Address,
    EdgeRecord,
    NodeRecord,
    Probes,
    SubnetRecord,
)
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.summary import Reachable, StatusRecord
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.words import AddressSource, PathKind, PathOption, ProblemCode

_BITS: Final = (
    (options.INDIRECT, PathOption.INDIRECT),
    (options.TCPONLY, PathOption.TCPONLY),
    (options.PMTU_DISCOVERY, PathOption.PMTU_DISCOVERY),
    (options.CLAMP_MSS, PathOption.CLAMP_MSS),
)

#: Links of a path that are counted and added up; of a longer one nothing is said.
LONGEST_WAY: Final = 256


def option_words(bits: int) -> tuple[PathOption, ...]:
    """Return the words for the option bits of an edge or a node."""
    return tuple(word for bit, word in _BITS if bits & bit)


def address_record(
    address: SocketAddress | None, source: AddressSource | None = None
) -> Address | None:
    """Return the record of an address; None for none."""
    if address is None:
        return None
    return Address(host=address.host, port=address.port, from_=source)


def edges_to(node: Node) -> list[Edge]:
    """Return the edges of the path to a node, from here on.

    Empty if there is none, or one with more than :data:`LONGEST_WAY` links: members
    decide how long it is, and a record is made in one piece.
    """
    edges: list[Edge] = []
    step: Edge | None = node.prevedge if node.reachable else None
    while step is not None:
        if len(edges) == LONGEST_WAY:
            return []
        edges.append(step)
        step = step.source.prevedge
    return edges[::-1]


def nodes(views: Views, wanted: str | None = None) -> Iterator[NodeRecord]:
    """Yield all nodes, or the one of that name if it is known."""
    mesh = views.mesh
    found = tuple(mesh.nodes.values())
    if wanted is not None:
        found = (mesh.nodes[wanted],) if wanted in mesh.nodes else ()
    asked_for = frozenset(goal.node for goal in views.connect_to)
    for node in found:
        if mesh.nodes.get(node.name) is node:
            yield node_record(views, node, asked_for)


def node_record(views: Views, node: Node, connect_to: frozenset[str]) -> NodeRecord:
    """Return the record of one node; ``connect_to`` are the names of all ConnectTo."""
    mesh = views.mesh
    myself = node is mesh.myself
    history, view = views.history(node), None if myself else views.tunnel(node)

    def tunnel(hop: Node) -> TunnelView | None:
        # Mostly it is the node's own, and a view takes as long as the rest of a record.
        return view if hop is node else views.tunnel(hop)

    found = way(mesh, node, tunnel, views.own.options)
    link = None if myself else views.link(node)
    path = edges_to(node)
    known = myself or bool(path)
    source = None if view is None else view.address_from
    return NodeRecord(
        name=node.name,
        self_=myself,
        reachable=node.reachable,
        since=views.own.started if myself else history.since,
        path=found.kind,
        nexthop=_name(node.nexthop) if node.reachable else None,
        via=_name(found.hop),
        distance=len(path) if known else None,
        weight=sum(edge.weight for edge in path) if known else None,
        address=address_record(node.address, source),
        rtt_link=None if link is None else link.rtt,
        rtt_link_last=None if link is None else link.rtt_last,
        own_suite=None if myself else views.own.suite,
        options=option_words(views.own.options if myself else node.options),
        subnets=tuple(map(str, mesh.subnets.some(node, LISTED_SUBNETS))),
        subnet_count=mesh.subnets.count(node),
        connect_to=node.name in connect_to,
        linked=link is not None,
        changes=history.changes,
        **({} if view is None else _of_tunnel(view)),  # type: ignore[arg-type]
    )


def _name(node: Node | None) -> str | None:
    return None if node is None else node.name


def _of_tunnel(view: TunnelView) -> dict[str, object]:
    return {
        "mtu": view.min_mtu or None,
        "rtt_udp": view.rtt,
        "rtt_udp_last": view.rtt_last,
        "last_packet": view.last_packet,
        "sent": view.sent,
        "received": view.received,
        "key": view.key if view.valid_key else None,
        "own_key_since": view.own_key_since,
        "probes": Probes(
            phase=view.phase,
            min_mtu=view.min_mtu,
            max_mtu=view.max_mtu,
            sent=view.probes_sent,
            answered=view.probes_answered,
            last_sent=view.last_probe,
            last_answer=view.last_answer,
        ),
    }


def edges(views: Views) -> Iterator[EdgeRecord | None]:
    """Yield all edges, and None for each node that has none."""
    for node in tuple(views.mesh.nodes.values()):
        if not node.edges:
            yield None
        for edge in tuple(node.edges.values()):
            yield edge_record(edge)


def edge_record(edge: Edge) -> EdgeRecord:
    return EdgeRecord(
        from_=edge.source.name,
        to=edge.target.name,
        address=Address(host=edge.address.host, port=edge.address.port),
        options=option_words(edge.options),
        weight=edge.weight,
        both=edge.reverse is not None,
    )


def subnets(views: Views) -> Iterator[SubnetRecord | None]:
    """Yield the subnets of all nodes, and None for each that has none.

    Those of one node are in tinc's order.
    """
    table = views.mesh.subnets
    for owner in tuple(views.mesh.nodes.values()):
        if not table.owns(owner):
            yield None
        for subnet in table.of(owner):
            yield SubnetRecord(
                subnet=str(subnet),
                net=subnet.net,
                weight=subnet.weight,
                owner=owner.name,
                reachable=owner.reachable,
            )


def status(
    views: Views, counts: Mapping[ProblemCode, int]
) -> Generator[None, None, StatusRecord]:
    """Return the status; a generator, since nodes are counted by their paths.

    How many problems there are of each code a ``Judge`` counts; what it lists is left
    for whoever writes the record, since each of them is a step, too.
    """
    mesh, own = views.mesh, views.own
    paths: Counter[PathKind | None] = Counter()
    edges = 0
    for node in in_steps(tuple(mesh.nodes.values())):
        if node is None:
            yield
            continue
        paths[way(mesh, node, views.tunnel, own.options).kind] += 1
        edges += len(node.edges)
    return StatusRecord(
        net=own.net,
        name=own.name,
        version=own.version,
        pid=own.pid,
        mode=own.mode,
        data_plane=own.data_plane,
        python_why=own.python_why,
        started=own.started,
        reloaded=own.reloaded,
        reload_ok=own.reload_ok,
        reload_error=own.reload_error,
        interface=own.interface,
        port=own.port,
        debug_level=own.debug_level,
        suite=own.suite,
        rsa_bits=own.rsa_bits,
        strict_subnets=own.strict_subnets,
        tunnel_server=own.tunnel_server,
        nodes=reachable(paths),
        links=views.active_links,
        edges=edges,
        subnets=len(mesh.subnets),
        connect_to=tuple(views.connect_to),
        problems=(),
        problem_counts=dict(counts),
        last_event=views.last_event,
    )


def reachable(paths: Counter[PathKind | None]) -> Reachable:
    """Return how many other nodes there are by path."""
    return Reachable(
        known=sum(paths.values()) - paths[PathKind.SELF],
        udp=paths[PathKind.UDP],
        tcp=paths[PathKind.TCP],
        relay_udp=paths[PathKind.RELAY_UDP],
        relay_tcp=paths[PathKind.RELAY_TCP],
        none=paths[PathKind.NONE],
        idle=paths[None],
    )
