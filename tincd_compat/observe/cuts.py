"""Nodes without which the mesh falls apart: the articulation points of its graph.

Tarjan's search in depth, with a stack of its own since a mesh may be a line of ten
thousand nodes; one edge a step, linear in the edges.  It looks at what can be reached
from us.  If the graph changes meanwhile, the answer is of neither graph: whoever asks
looks again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import field
from typing import NamedTuple

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Mesh, Node


class Cut(NamedTuple):
    """If ``node`` stops, ``lost`` other nodes lose the largest rest of the mesh."""

    node: str
    lost: int


@dataclass(slots=True)
class _Visit:
    """A node on the stack."""

    node: Node
    number: int
    neighbours: Iterator[Node]
    #: The lowest number that an edge leads to from here or from below.
    low: int = field(init=False)
    #: Nodes from here on downwards.
    size: int = 1
    #: Sizes of the parts below that lead to nowhere above.
    parts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.low = self.number


def cuts(mesh: Mesh) -> Generator[None, None, list[Cut]]:
    """Return all articulation points, the worst first; yields after each edge."""
    numbers = {mesh.myself: 0}
    stack = [_visit(mesh.myself, 0)]
    found: list[tuple[_Visit, bool]] = []
    while stack:
        here = stack[-1]
        for node in here.neighbours:
            yield
            if node not in numbers:
                numbers[node] = len(numbers)
                stack.append(_visit(node, numbers[node]))
                break
            if len(stack) < 2 or node is not stack[-2].node:
                here.low = min(here.low, numbers[node])
        else:
            stack.pop()
            if stack:
                _return(here, stack[-1])
            if here.parts:
                found.append((here, not stack))
    total = len(numbers)
    points = (_cut(visit, total, top) for visit, top in found)
    return sorted(filter(None, points), key=lambda cut: (-cut.lost, cut.node))


def _visit(node: Node, number: int) -> _Visit:
    # An edge counts only together with its reverse.
    others = [edge.target for edge in node.edges.values() if edge.reverse is not None]
    return _Visit(node, number, iter(others))


def _return(below: _Visit, above: _Visit) -> None:
    above.size += below.size
    above.low = min(above.low, below.low)
    if below.low >= above.number:
        above.parts.append(below.size)


def _cut(visit: _Visit, total: int, top: bool) -> Cut | None:
    rest = total - 1 - sum(visit.parts)
    parts = visit.parts if top else [*visit.parts, rest]
    lost = total - 1 - max(parts)
    return Cut(visit.node.name, lost) if lost else None
