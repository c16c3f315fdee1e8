"""Reachability and next hops.

The breadth-first search ignores weights, and ties are broken by the byte order of
names.  It is everybody's own, but relays rely on its rules too.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
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


#: The order in which nodes come and go.
_by_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class GraphChanges:
    """What a run found: flips in name order, and who got a UDP address."""

    flips: list[Change]
    addressed: list[Node]

    @property
    def up(self) -> list[Node]:
        return [change.node for change in self.flips if change.up]

    @property
    def down(self) -> list[Node]:
        return [change.node for change in self.flips if not change.up]


def run(mesh: Mesh) -> GraphChanges:
    """Search the graph, write the results into the nodes and say what changed.

    A node that became unreachable keeps its address and options, for the scripts:
    :func:`settle_down` clears them afterwards.
    """
    addressed = _search(mesh)
    flipped = [node for node in mesh.nodes.values() if node.visited != node.reachable]
    flips = flip(mesh, flipped)
    mesh.myself.visited = _starts_the_tree(mesh)
    mesh.listener.graph_changed()
    return GraphChanges(flips, addressed)


def flip(mesh: Mesh, nodes: Iterable[Node]) -> list[Change]:
    """Turn round whether these nodes can be reached; return that in name order."""
    changes = []
    logged = logs.traffic.isEnabledFor(logging.DEBUG)
    for node in sorted(nodes, key=_by_name):
        node.reachable = not node.reachable
        changes.append(Change(node, node.reachable, node.address))
        if logged:
            state = "reachable" if node.reachable else "unreachable"
            place = _place(node.address)
            logs.traffic.debug("Node %s (%s) became %s", node.name, place, state)
    if changes:
        mesh.subnets.invalidate()
    return changes


def _starts_the_tree(mesh: Mesh) -> bool:
    """Tell whether tincd's dump shows us as visited.

    It draws the broadcast tree with the same flag: where there are edges, but none that
    starts at a reachable node, nobody is visited by the end.
    """
    linked = [node for node in mesh.nodes.values() if node.edges]
    return not linked or any(node.reachable for node in linked)


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


def _search(mesh: Mesh) -> list[Node]:
    """Breadth-first search from ourselves; return who got a UDP address."""
    myself = mesh.myself
    for node in mesh.nodes.values():
        node.visited = False
        node.indirect = True
        node.lifeline = None
    myself.visited = True
    myself.indirect = False
    myself.nexthop = myself.via = myself
    myself.prevedge = None
    addressed: list[Node] = []
    queue = deque([myself])
    while queue:
        node = queue.popleft()
        for edge in node.sorted_edges():
            target = edge.target
            # A second visit is only worth it from indirect to direct.
            if target.visited and not target.indirect:
                continue
            indirect = is_indirect(edge)
            if target.visited and indirect:
                continue
            if node.name not in target.edges:
                continue
            if find(mesh, edge, indirect):
                addressed.append(target)
            queue.append(target)
    return addressed


def is_indirect(edge: Edge) -> bool:
    """Tell whether packets over this edge do not leave for its target directly."""
    return edge.source.indirect or bool(edge.options & options.INDIRECT)


def find(mesh: Mesh, edge: Edge, indirect: bool) -> bool:
    """Write into its target what a search has found: that this edge leads there.

    Tells whether the target got its UDP address by that, of which the listener has not
    been told.
    """
    node, target = edge.source, edge.target
    if not target.visited:
        # A better path found later changes via, never the next hop.
        target.nexthop = target if node is mesh.myself else node.nexthop
    target.visited = True
    target.indirect = indirect
    target.prevedge = target.lifeline = edge
    target.via = node.via if indirect else target
    target.options = edge.options
    if target.address is not None:
        return False
    mesh.put_at(target, edge.address)
    logs.protocol.debug("UDP address of %s set to %s", target.name, edge.address)
    return True
