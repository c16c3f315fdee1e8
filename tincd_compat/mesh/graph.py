"""The graph search: reachability and next hops.

The breadth-first search ignores weights; among equal paths the byte order of names
decides.  Each node searches for itself, but relays rely on the same rules at all nodes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from tincd_compat import logs, options
from tincd_compat.addresses import SocketAddress
from tincd_compat.dataclass import dataclass
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
        #: Whether each node can be reached now, in the same order.
        self.up = [node.reachable for node in nodes]
        self._addresses = [node.address for node in nodes]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Change]:
        return map(Change, self.nodes, self.up, self._addresses)


#: The order of nodes that come or go by one event.
_by_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class GraphChanges:
    """The result of a run: flips in name order, and nodes that got a UDP address."""

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
    """Make reachable nodes unreachable and the other way round."""
    turned = sorted(nodes, key=_by_name)
    for node in turned:
        node.reachable = not node.reachable
    _classify(mesh, turned)
    flips = Flips(turned)
    if logs.traffic.isEnabledFor(logging.DEBUG):
        for node, up, address in flips:
            state = "reachable" if up else "unreachable"
            place = _place(address)
            logs.traffic.debug("Node %s (%s) became %s", node.name, place, state)
    if turned:
        mesh.subnets.invalidate()
    return flips


def _classify(mesh: Mesh, nodes: list[Node]) -> None:
    """Settle for as long as nodes can be reached which of them have sessions with us.

    Both ends have to come to the same verdict.  They do, because each goes by the minor
    version that the other has announced, once.  (tinc 1.1 behaviour)
    """
    if options.minor(mesh.myself.options) < options.Minor.SESSIONS:
        return
    for node in nodes:
        knows = options.minor(node.options) >= options.Minor.SESSIONS
        node.has_sessions = node.reachable and knows


def _starts_the_tree(mesh: Mesh) -> bool:
    """Tell whether tincd's dump shows our own node as visited.

    C tincd draws the broadcast tree with the same flag: where there are edges, but none
    that starts at a reachable node, it leaves no node visited.
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

    A node that has become reachable again in the meantime keeps them.
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
        # The next search, for the reverse edge, would leave the node like this.
        node.visited, node.indirect = False, True
        node.options = 0
    if moved:
        mesh.listener.addresses_changed(moved)


def relied_on(edge: Edge) -> bool:
    """Tell whether the last run reached a node by way of this edge.

    An edge counts only together with its reverse.
    """
    ahead, back = edge.target.prevedge, edge.source.prevedge
    return (ahead is not None and ahead.source is edge.source) or (
        back is not None and back.source is edge.target
    )


def _place(address: SocketAddress | None) -> str:
    return "(null)" if address is None else str(address)


def _start_anew(mesh: Mesh) -> None:
    """Mark our own node as visited and every other node as not."""
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
    """Search breadth-first along edges, then along the edges of the nodes found.

    The answer is the nodes found, some twice, and those that got a UDP address by that,
    about which the listener has not been told.  ``joining`` looks for unreachable nodes
    only.
    """
    found: list[Node] = []
    addressed: list[Node] = []
    onward = chain.from_iterable(map(Node.sorted_edges, found))
    for edge in chain(edges, onward):
        source, target = edge.source, edge.target
        # A second visit of a node only makes an indirect path direct.
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
    """Write the path over an edge into its target; tell if it has got an address.

    A better path that is found later changes via, never the next hop.
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
