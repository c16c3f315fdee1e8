"""The way that packets would take if a link of ours broke.

A search as :mod:`tincd_compat.mesh.graph` makes it, breadth first and by names, which
writes nothing into the nodes and leaves one pair of edges out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.observe.answers import Fallback
from tincd_compat.observe.steps import AT_ONCE, in_steps


def fallback(mesh: Mesh, node: Node) -> Generator[None, None, Fallback | None]:
    """Return the way to a node without our link with its next hop; in steps.

    None if it is not reached over a link of ours at all.
    """
    nexthop = node.nexthop
    if not node.reachable or nexthop is None or node is mesh.myself:
        return None
    found: dict[Node, Edge | None] = {mesh.myself: None}
    queue = deque([mesh.myself])
    while queue and node not in found:
        here = queue.popleft()
        yield
        for edge in in_steps(tuple(here.sorted_edges())):
            if edge is None:
                yield
                continue
            ours = here is mesh.myself and edge.target is nexthop
            if ours or edge.target in found or edge.reverse is None:
                continue
            found[edge.target] = edge
            queue.append(edge.target)
    without = mesh.myself.name, nexthop.name
    if node not in found:
        return Fallback(without=without, nexthop=None)
    first, weight, distance = node, 0, 0
    while (step := found[node]) is not None:
        first, node = node, step.source
        weight, distance = weight + step.weight, distance + 1
        if distance % AT_ONCE == 0:
            yield
    return Fallback(
        without=without, nexthop=first.name, weight=weight, distance=distance
    )
