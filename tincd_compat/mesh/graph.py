"""Reachability and next hops.

The breadth-first search ignores weights, and ties are broken by the byte order of
names.  It is everybody's own, but relays rely on its rules too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from tincd_compat import logs, options
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Edge, Mesh, Node


class Change(NamedTuple):
    """A node that became reachable (``up``) or unreachable.

    ``address`` is its UDP address as the host-up or host-down scripts shall see it.
    """

    node: Node
    up: bool
    address: SocketAddress | None


class Flips:
    """Nodes that became reachable or unreachable by one event, in name order.

    There may be ten thousand, and ten thousand objects would have the collector search
    while everybody waits.  So a :class:`Change` is made when it is asked for.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        #: Which of them can be reached now, in the same order.
        self.up = [node.reachable for node in nodes]
        self._addresses = [node.address for node in nodes]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Change]:
        return map(Change, self.nodes, self.up, self._addresses)


#: The order in which nodes come and go.
_by_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class GraphChanges:
    """What a run found: flips in name order, and who got a UDP address."""

    flips: Flips
    addressed: list[Node]

    @property
    def up(self) -> list[Node]:
        return [change.node for change in self.flips if change.up]


def run(mesh: Mesh) -> GraphChanges:
    """Search the graph, write the results into the nodes and say what changed.

    A node that became unreachable keeps its address and options, for the scripts:
    :func:`settle_down` clears them afterwards.
    """
    _start_anew(mesh)
    _, addressed = search(mesh, mesh.myself.sorted_edges())
    flipped = [node for node in mesh.nodes.values() if node.visited != node.reachable]
    flips = flip(mesh, flipped)
    mesh.myself.visited = _starts_the_tree(mesh)
    mesh.listener.graph_changed()
    return GraphChanges(flips, addressed)


def flip(mesh: Mesh, nodes: Iterable[Node]) -> Flips:
    """Turn round whether these nodes can be reached."""
    turned = sorted(nodes, key=_by_name)
    for node in turned:
        node.reachable = not node.reachable
    flips = Flips(turned)
    if logs.traffic.isEnabledFor(logging.DEBUG):
        for node, up, address in flips:
            state = "reachable" if up else "unreachable"
            place = _place(address)
            logs.traffic.debug("Node %s (%s) became %s", node.name, place, state)
    if turned:
        mesh.subnets.invalidate()
    return flips


def _starts_the_tree(mesh: Mesh) -> bool:
    """Tell whether tincd's dump shows us as visited.

    It draws the broadcast tree with the same flag: where there are edges, but none that
    starts at a reachable node, nobody is visited by the end.
    """
    linked = False
    for node in mesh.nodes.values():
        if node.edges:
            linked = True
            if node.reachable:
                return True
    return not linked


def settle_down(mesh: Mesh, nodes: Iterable[Node]) -> None:
    """Forget address, flags and options of nodes that became unreachable.

    Nothing is forgotten of those that have become reachable again in the meantime.
    """
    moved = []
    logged = logs.protocol.isEnabledFor(logging.DEBUG)
    for node in nodes:
        if node.reachable:
            continue
        if node.address is not None:
            mesh.put_at(node, None)
            moved.append(node)
            if logged:
                logs.protocol.debug("UDP address of %s cleared", node.name)
        # As the next search, for the other direction of the same loss, would leave it.
        node.visited, node.indirect = False, True
        node.options = 0
    if moved:
        mesh.listener.addresses_changed(moved)


def relied_on(edge: Edge) -> bool:
    """Tell whether the last run reached anybody by way of this edge.

    An edge counts only as long as there is the opposite one too.
    """
    ahead, back = edge.target.prevedge, edge.source.prevedge
    return (ahead is not None and ahead.source is edge.source) or (
        back is not None and back.source is edge.target
    )


def _place(address: SocketAddress | None) -> str:
    return "(null)" if address is None else str(address)


def _start_anew(mesh: Mesh) -> None:
    """Find ourselves, and nobody else yet."""
    for node in mesh.nodes.values():
        node.visited = False
        node.indirect = True
        node.lifeline = None
    myself = mesh.myself
    myself.visited = True
    myself.indirect = False
    myself.nexthop = myself.via = myself
    myself.prevedge = None


def search(
    mesh: Mesh, edges: Iterable[Edge], *, joining: bool = False
) -> tuple[list[Node], list[Node]]:
    """Search breadth-first along edges, then along those of whom they lead to.

    Returns who was found, some twice, and who got a UDP address by that, of which the
    listener has not been told.  ``joining`` looks only for who is out of reach.
    """
    found: list[Node] = []
    addressed: list[Node] = []
    onward = chain.from_iterable(map(Node.sorted_edges, found))
    for edge in chain(edges, onward):
        source, target = edge.source, edge.target
        # A second visit is only worth it from indirect to direct.
        if target.visited and not target.indirect:
            continue
        indirect = source.indirect or bool(edge.options & options.INDIRECT)
        if target.visited and indirect:
            continue
        if (joining and target.reachable) or source.name not in target.edges:
            continue
        if _find(mesh, edge, indirect):
            addressed.append(target)
        found.append(target)
    if addressed and logs.protocol.isEnabledFor(logging.DEBUG):
        for node in addressed:
            text = "UDP address of %s set to %s"
            logs.protocol.debug(text, node.name, node.address)
    return found, addressed


def _find(mesh: Mesh, edge: Edge, indirect: bool) -> bool:
    """Write into its target that an edge leads there; tell if that has an address now.

    A better path found later changes via, never the next hop.
    """
    node, target = edge.source, edge.target
    if not target.visited:
        target.nexthop = target if node is mesh.myself else node.nexthop
    target.visited = True
    target.indirect = indirect
    target.prevedge = target.lifeline = edge
    target.via = node.via if indirect else target
    target.options = edge.options
    if target.address is not None:
        return False
    mesh.put_at(target, edge.address)
    return True
