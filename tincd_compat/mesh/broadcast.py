"""The broadcast tree: the edges along which a node passes broadcasts on.

All nodes of a mesh must draw the same tree from the same edges, or broadcasts loop or
get lost.  The common rule is to grow the tree from one reachable node, always by the
first edge in (weight, from, to) order that leads to a new node.  That order is total,
so there is one smallest tree, and an edge is in it unless lighter edges join its ends
already.  A node needs the answer for its own edges only: they are tried in their order,
and before each the lighter edges of other nodes are followed, in any order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TypeAlias

from tincd_compat.mesh.node import Edge, Mesh, Node

_Key: TypeAlias = tuple[int, str, str]


def broadcast_neighbours(mesh: Mesh) -> set[Node]:
    """Return the direct neighbours that our broadcasts are passed to."""
    myself = mesh.myself
    return {_far_end(edge, myself) for edge in tree_edges(myself)}


def tree_edges(node: Node) -> list[Edge]:
    """Return the edges of a reachable node in the tree, in their order.

    Of an edge and its reverse the lighter one counts.  Reachability is that of the last
    run.
    """
    own = sorted(_own_edges(node), key=lambda edge: edge.sort_key)
    if len(own) < 2:
        # No other edge leads to this target.
        return own
    growth = _Growth(node, [edge.sort_key for edge in own])
    found = []
    for place, edge in enumerate(own):
        growth.follow_lighter(place)
        far = _far_end(edge, node)
        if far not in growth.reached:
            found.append(edge)
            growth.waiting[place + 1].append(far)
    return found


class _Growth:
    """The nodes reached from a node by all edges lighter than one of its own edges.

    ``waiting`` has the nodes next to these, at the index of the first own edge that is
    heavier than the edge to them; nodes behind the last index are never reached.
    """

    def __init__(self, node: Node, keys: list[_Key]) -> None:
        self.reached = {node}
        self.waiting: list[list[Node]] = [[] for _ in range(len(keys) + 1)]
        self._keys = keys

    def follow_lighter(self, place: int) -> None:
        """Reach the nodes behind edges lighter than the own edge of that index."""
        waiting = self.waiting[place]
        while waiting:
            node = waiting.pop()
            if node not in self.reached:
                self.reached.add(node)
                self._look_around(node, place)

    def _look_around(self, node: Node, place: int) -> None:
        reached, waiting, keys = self.reached, self.waiting, self._keys
        name = node.name
        for edge in node.edges.values():
            target = edge.target
            if target in reached:
                continue
            back = target.edges.get(name)
            if back is None or not target.reachable:
                continue
            key = edge.weight, name, target.name
            if back.weight <= edge.weight:
                key = min(key, (back.weight, target.name, name))
            waiting[max(place, bisect_left(keys, key))].append(target)


def _own_edges(node: Node) -> Iterator[Edge]:
    for edge in node.edges.values():
        back = edge.target.edges.get(node.name)
        if back is not None and edge.target.reachable:
            yield min(edge, back, key=lambda each: each.sort_key)


def _far_end(edge: Edge, node: Node) -> Node:
    return edge.target if edge.source is node else edge.source
