"""The way that packets would take if a link of ours broke.

A search as :mod:`tincd_compat.mesh.graph` makes it, breadth first and by names, which
writes nothing into the nodes and leaves one pair of edges out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.observe.answers import Fallback


def fallback(mesh: Mesh, node: Node) -> Generator[None, None, Fallback | None]:
    """Return the way to a node without our link with its next hop; a node a step.

    None if it is not reached over a link of ours at all.
    """
    nexthop = node.nexthop
    if not node.reachable or nexthop is None or node is mesh.myself:
        return None
    found: dict[Node, Edge | None] = {mesh.myself: None}
    queue = deque([mesh.myself])
    while queue and node not in found:
        yield
        here = queue.popleft()
        for edge in tuple(here.sorted_edges()):
            ours = here is mesh.myself and edge.target is nexthop
            if ours or edge.target in found or edge.reverse is None:
                continue
            found[edge.target] = edge
            queue.append(edge.target)
    without = mesh.myself.name, nexthop.name
    if node not in found:
        return Fallback(without=without, nexthop=None)
    edges = _back(found, node)
    return Fallback(
        without=without,
        nexthop=edges[-1].target.name,
        weight=sum(edge.weight for edge in edges),
        distance=len(edges),
    )


def _back(found: dict[Node, Edge | None], node: Node) -> list[Edge]:
    edges: list[Edge] = []
    while (edge := found[node]) is not None:
        edges.append(edge)
        node = edge.source
    return edges
