"""Contested edges: own edges that others may have wrong, and when to announce them.

Two floods about one edge that cross each other leave some nodes with the older state: a
link's edge from before it broke, or a DEL_EDGE that overtook the new ADD_EDGE.  A
correction goes to the node that sent the old state and dies where it is no news.  The
nodes behind that one would keep the old state for ever, and with it another broadcast
tree.

An edge passes every node only if it is news to each of them.  So once the old messages
have died down, the edge is announced with a weight that no node has heard before.
"""

from __future__ import annotations

from dataclasses import field
from math import inf
from typing import Final

from tincd_compat.dataclass import dataclass

#: Seconds after the last contradiction in which old messages may still be under way,
#: and the longest wait for that after the first contradiction.
ECHO: Final = 3.0
LONGEST_ECHO: Final = 15.0
#: Edges, and weights of each, that are remembered; honest nodes do not send more.
MAX_EDGES: Final = 1024
MAX_WEIGHTS: Final = 16


@dataclass(slots=True)
class _Contest:
    """The weights heard of one edge, and when the last flood about it is over."""

    over_at: float
    latest: float
    weights: set[int] = field(default_factory=set)

    def put_off(self, now: float) -> None:
        self.over_at = min(now + ECHO, self.latest)


class ContestedEdges:
    """Contradictions about our own edges, by the name of the other end."""

    def __init__(self) -> None:
        self._contested: dict[str, _Contest] = {}
        self._withdrawn: set[str] = set()
        self._withdrawn_earlier: set[str] = set()

    def note(self, name: str, now: float, weight: int | None = None) -> bool:
        """Remember that a node gave the edge another weight, or withdrew it.

        Returns False if there are too many contested edges already.
        """
        doubt = self._contested.get(name)
        if doubt is None:
            if len(self._contested) >= MAX_EDGES:
                return False
            doubt = self._contested[name] = _Contest(now, now + LONGEST_ECHO)
        doubt.put_off(now)
        if weight is not None and len(doubt.weights) < MAX_WEIGHTS:
            doubt.weights.add(weight)
        return True

    def put_off(self, name: str, now: float) -> None:
        """Wait for the end of another flood: the edge has just been announced."""
        if name in self._contested:
            self._contested[name].put_off(now)

    def next_timer(self) -> float:
        """Return when the next edge is settled; infinite without contradictions."""
        return min((edge.over_at for edge in self._contested.values()), default=inf)

    def settled(self, now: float) -> list[str]:
        """Return the edges without a contradiction for some time, by name."""
        return sorted(
            name for name, doubt in self._contested.items() if doubt.over_at <= now
        )

    def resolve(self, name: str, weight: int) -> int:
        """Forget contradictions about an edge; return a new weight close to the old."""
        heard = self._contested.pop(name).weights
        weight += 1
        while weight in heard:
            weight += 1
        return weight

    # The opposite edges, which are not ours.

    def note_withdrawn(self, name: str) -> None:
        """Remember that we have withdrawn the edge of this node to us."""
        self._withdrawn.add(name)

    def was_withdrawn(self, name: str) -> bool:
        """Tell whether our withdrawal of the edge may still be under way."""
        return name in self._withdrawn or name in self._withdrawn_earlier

    def age(self) -> None:
        """Forget withdrawals of the tick before the last: no flood takes that long."""
        self._withdrawn_earlier = self._withdrawn
        self._withdrawn = set()
