"""Nodes without which the mesh falls apart: the articulation points of its graph.

Tarjan's search in depth, with a stack of its own since a mesh may be a line of ten
thousand nodes; one edge a step, linear in the edges.  It looks at what can be reached
from us.  If the graph changes meanwhile, the answer is of neither graph: whoever asks
looks again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import field
from typing import Final, NamedTuple

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Edge, Mesh, Node

#: Articulation points that are returned; in a line of nodes nearly all are some.
MOST_CUTS: Final = 10


class Cut(NamedTuple):
    """If ``node`` stops, ``lost`` other nodes lose the largest rest of the mesh."""

    node: str
    lost: int


@dataclass(slots=True)
class _Visit:
    """A node on the stack."""

    node: Node
    number: int
    edges: Iterator[Edge]
    #: The lowest number that an edge leads to from here or from below.
    low: int = field(init=False)
    #: Nodes from here on downwards.
    size: int = 1
    #: Sizes of the parts below that lead to nowhere above.
    parts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.low = self.number


def cuts(mesh: Mesh) -> Generator[None, None, list[Cut]]:
    """Return the worst articulation points in their order, in short steps."""
    numbers = {mesh.myself: 0}
    stack = [_visit(mesh.myself, 0)]
    found: list[tuple[_Visit, bool]] = []
    while stack:
        here = stack[-1]
        for edge in here.edges:
            yield
            node = edge.target
            # An edge counts only together with its reverse.
            if edge.reverse is None:
                continue
            if node not in numbers:
                numbers[node] = len(numbers)
                stack.append(_visit(node, numbers[node]))
                break
            if len(stack) < 2 or node is not stack[-2].node:
                here.low = min(here.low, numbers[node])
        else:
            yield
            stack.pop()
            if stack:
                _return(here, stack[-1])
            if here.parts:
                found.append((here, not stack))
    total = len(numbers)
    worst: list[Cut] = []
    for visit, top in found:
        yield
        cut = _cut(visit, total, top)
        if cut is not None:
            worst.append(cut)
        if len(worst) == 2 * MOST_CUTS:
            worst = _worst(worst)
    return _worst(worst)


def _worst(found: Iterable[Cut]) -> list[Cut]:
    return sorted(found, key=lambda cut: (-cut.lost, cut.node))[:MOST_CUTS]


def _visit(node: Node, number: int) -> _Visit:
    return _Visit(node, number, iter(tuple(node.edges.values())))


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
