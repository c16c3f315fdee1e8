"""Reachability of nodes, kept up to date with every edge that comes or goes.

A graph run looks at every node and edge.  Whether a new edge joins nodes to us, or a
lost edge cuts nodes off, mostly shows without a run.  Beside the path that the last run
found, each node keeps a lifeline: the last edge of some unbroken path from us.  The
lifelines of all nodes form a tree.  When a lifeline breaks, the nodes below it are
searched for an edge to a node outside; without such an edge they are cut off.  So the
cost of a message is that of the change it makes, and a node that comes back does not
wait for a run.

Paths may be longer than necessary until the next run.
"""

from __future__ import annotations

from typing import Final

from tincd_compat.mesh.graph import Flips, flip, search
from tincd_compat.mesh.node import Edge, Mesh, Node

#: Steps of a search for another edge; after these a graph run has to find out which
#: nodes are cut off.  A search of that length takes as long as a run over a few hundred
#: nodes.
MAX_STEPS: Final = 1000

#: The answer for an event that changes the reachability of no node.
NOBODY: Final = Flips([])


def join(mesh: Mesh, edge: Edge) -> Flips:
    """Mark nodes reachable that an added edge joins to us; return these nodes."""
    back = edge.reverse
    if back is None or edge.source.reachable is edge.target.reachable:
        return NOBODY
    line = edge if edge.source.reachable else back
    found, _ = search(mesh, (line,), joining=True)
    # A node that the search found twice became reachable once.
    return _flip(mesh, list(dict.fromkeys(found)))


def lose(mesh: Mesh, edge: Edge) -> Flips | None:
    """Mark nodes unreachable that a removed edge cuts off; return these nodes.

    None means that the search took too many steps: a graph run has to find the nodes,
    before any edge is added.
    """
    source, target = edge.source, edge.target
    if _hangs_on(target, source):
        lost = target
    elif _hangs_on(source, target):
        lost = source
    else:
        return NOBODY
    cut_off = _look_around(lost)
    if cut_off is None:
        return None
    for node in cut_off:
        # The next search would leave the node like this.
        node.visited, node.indirect, node.lifeline = False, True, None
    return _flip(mesh, cut_off)


def _hangs_on(node: Node, above: Node) -> bool:
    return node.lifeline is not None and node.lifeline.source is above


def _look_around(lost: Node) -> list[Node] | None:
    """Search for an edge to a node or to one below it, from a node that is neither.

    If there is none, the answer is all these nodes; if one was found it is empty, and
    their lifelines lead over it.  None means too many steps.
    """
    found_from = {lost: lost}
    steps = MAX_STEPS
    for node in (queue := [lost]):
        for edge in node.edges.values():
            if (steps := steps - 1) < 0:
                return None
            target = edge.target
            line = target.edges.get(node.name)
            if line is None or target in found_from or not target.reachable:
                continue
            above = target
            while above not in found_from and above.lifeline is not None:
                if (steps := steps - 1) < 0:
                    return None
                above = above.lifeline.source
            if above not in found_from:
                _hang(line, found_from)
                return []
            found_from[target] = node
            queue.append(target)
    return queue


def _hang(line: Edge, found_from: dict[Node, Node]) -> None:
    """Turn round the lifelines between the target of a found edge and the lost node."""
    node = line.target
    node.lifeline = line
    while (above := found_from[node]) is not node:
        above.lifeline = node.edges[above.name]
        node = above


def _flip(mesh: Mesh, nodes: list[Node]) -> Flips:
    if not nodes:
        return NOBODY
    flips = flip(mesh, nodes)
    mesh.listener.reachability_changed(nodes)
    return flips
