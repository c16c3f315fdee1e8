"""The graph of a mesh by its edges: its tree, and nodes it cannot do without."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tincd_compat.admin.text import Record, number

#: Of those that a node is the only way to as many are named; in a chain of thousands
#: each is the only way to thousands.
LISTED: Final = 100

#: Node to its neighbours and the weight of the edge to each.
Graph = Mapping[str, Mapping[str, float]]


class CutNode(NamedTuple):
    """A node without which others cannot be reached: how many, and some of them."""

    node: str
    amount: int
    lost: Sequence[str]


def graph_of(edges: Iterable[Record]) -> dict[str, dict[str, float]]:
    """Return the graph; an edge counts if both of its ends have announced it."""
    found: dict[str, dict[str, float]] = {}
    for edge in edges:
        if edge.get("both"):
            neighbours = found.setdefault(str(edge.get("from")), {})
            neighbours[str(edge.get("to"))] = number(edge.get("weight")) or 0
    return {node: dict(sorted(found[node].items())) for node in sorted(found)}


def links(graph: Graph) -> Iterator[tuple[str, str, float]]:
    """Yield each link once, with the weight that its first end has announced."""
    for node, neighbours in graph.items():
        for other, weight in neighbours.items():
            if node < other or node not in graph.get(other, {}):
                yield node, other, weight


def tree(graph: Graph, root: str) -> dict[str, list[str]]:
    """Return node to those that are reached over it, by the fewest links."""
    children: dict[str, list[str]] = {root: []}
    level = [root]
    while level:
        following = []
        for node in level:
            for other in graph.get(node, {}):
                if other not in children:
                    children[other] = []
                    children[node].append(other)
                    following.append(other)
        level = following
    return children


def cuts(graph: Graph, root: str) -> list[CutNode]:
    """Return the articulation points, those that cost the most first.

    What is lost is what ``root`` cannot reach any more.  Hopcroft and Tarjan, without
    recursion: a chain of thousands of nodes is as deep as it is long.
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    preorder: list[str] = []
    lost: dict[str, list[tuple[int, int]]] = {}
    stack: list[tuple[str, str | None, Iterator[str]]] = []

    def enter(node: str, parent: str | None) -> None:
        order[node] = low[node] = len(preorder)
        preorder.append(node)
        stack.append((node, parent, iter(graph.get(node, {}))))

    enter(root, None)
    while stack:
        node, parent, rest = stack[-1]
        for other in rest:
            if other not in order:
                enter(other, node)
                break
            if other != parent:
                low[node] = min(low[node], order[other])
        else:
            stack.pop()
            if parent is None:
                continue
            low[parent] = min(low[parent], low[node])
            if low[node] >= order[parent] and parent != root:
                # All that was met since is below this child, and nowhere else.
                lost.setdefault(parent, []).append((order[node], len(preorder)))
    found = [_cut(node, spans, preorder) for node, spans in lost.items()]
    return sorted(found, key=lambda cut: (-cut.amount, cut.node))


def _cut(node: str, spans: list[tuple[int, int]], preorder: list[str]) -> CutNode:
    amount = sum(end - start for start, end in spans)
    names = (name for start, end in spans for name in preorder[start:end])
    return CutNode(node, amount, sorted(itertools.islice(names, LISTED)))
