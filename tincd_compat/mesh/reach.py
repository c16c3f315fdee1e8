"""Who can be reached, kept up to date with every edge that comes or goes.

A run of the graph looks at all there is.  Whether an edge joins somebody to us, or its
loss cuts somebody off, mostly shows without one.  Beside the path that the last run has
found each node keeps a lifeline, the last edge of some path from us that is whole, and
lifelines make a tree.  A node whose line breaks looks around for another, among those
that hang on it; if there is none, they are cut off.  So what a member causes by a line
costs what it changes, and who comes back does not wait for a run.

Paths may be longer than they need to be until the next run.
"""

from __future__ import annotations

from typing import Final

from tincd_compat.mesh.graph import Flips, flip, search
from tincd_compat.mesh.node import Edge, Mesh, Node

#: Steps after a loss before it is left to a run who is cut off: about as many take as
#: long as a run does in a mesh of a few hundred nodes.
MAX_STEPS: Final = 1000

#: What an event comes to that changes nobody's reachability.
NOBODY: Final = Flips([])


def join(mesh: Mesh, edge: Edge) -> Flips:
    """Reach whom an edge, just added, joins to us; return who came."""
    back = edge.reverse
    if back is None or edge.source.reachable is edge.target.reachable:
        return NOBODY
    line = edge if edge.source.reachable else back
    found, _ = search(mesh, (line,), joining=True)
    # Who is found twice comes once.
    return _flip(mesh, list(dict.fromkeys(found)))


def lose(mesh: Mesh, edge: Edge) -> Flips | None:
    """Give up whom the loss of an edge, just removed, cuts off.

    Returns who went; None if finding out takes too many steps: a run has to do that,
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
        # As the next search would leave it.
        node.visited, node.indirect, node.lifeline = False, True, None
    return _flip(mesh, cut_off)


def _hangs_on(node: Node, above: Node) -> bool:
    return node.lifeline is not None and node.lifeline.source is above


def _look_around(lost: Node) -> list[Node] | None:
    """Look for an edge from anybody else to a node, or to one that hangs on it.

    Returns whom there is no such edge to, or None after too many steps.
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
    """Turn the lifelines round that lead from where an edge was found to its target."""
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
