"""Which of our edges others may have got wrong, and when to set them right.

Two floods about one edge that cross each other leave some nodes with the older word:
what was said of a link before it broke, or a DEL_EDGE that overtakes the new ADD_EDGE.
A correction goes to whoever sent the old word and dies where it is no news, so nodes
behind that one would keep the old word for ever, and draw another broadcast tree.

What passes every node is an edge that is news to each of them.  Hence, once the old
words have died down, it is announced with a weight that nobody can have heard before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Seconds after the last contradiction in which old words may still be under way, and
#: the most that is waited for that after the first.
ECHO: Final = 3.0
LONGEST_ECHO: Final = 15.0
#: Edges and weights of each that are remembered; who sends more is not just mistaken.
MAX_EDGES: Final = 1024
MAX_WEIGHTS: Final = 16


@dataclass(slots=True)
class _Doubt:
    """The weights heard of one edge, and when all may have heard the last word."""

    over_at: float
    latest: float
    weights: set[int] = field(default_factory=set)

    def put_off(self, now: float) -> None:
        self.over_at = min(now + ECHO, self.latest)


class Doubts:
    """Contradictions about our edges, by the name of the other end."""

    def __init__(self) -> None:
        self._doubts: dict[str, _Doubt] = {}
        self._withdrawn: set[str] = set()
        self._withdrawn_earlier: set[str] = set()

    def note(self, name: str, now: float, weight: int | None = None) -> bool:
        """Remember that somebody gave the edge another weight, or took it away.

        Returns False if there are too many doubts already.
        """
        doubt = self._doubts.get(name)
        if doubt is None:
            if len(self._doubts) >= MAX_EDGES:
                return False
            doubt = self._doubts[name] = _Doubt(now, now + LONGEST_ECHO)
        doubt.put_off(now)
        if weight is not None and len(doubt.weights) < MAX_WEIGHTS:
            doubt.weights.add(weight)
        return True

    def put_off(self, name: str, now: float) -> None:
        """The edge has just been announced: let that die down too."""
        if name in self._doubts:
            self._doubts[name].put_off(now)

    def settled(self, now: float) -> list[str]:
        """Return the edges about which nothing false has been heard for a while."""
        return sorted(
            name for name, doubt in self._doubts.items() if doubt.over_at <= now
        )

    def resolve(self, name: str, weight: int) -> int:
        """Forget the doubts about an edge; return a new weight close to the old."""
        heard = self._doubts.pop(name).weights
        weight += 1
        while weight in heard:
            weight += 1
        return weight

    # The opposite edges, which are not ours.

    def note_withdrawn(self, name: str) -> None:
        """We have told everybody that this node has no edge to us."""
        self._withdrawn.add(name)

    def was_withdrawn(self, name: str) -> bool:
        """Tell whether that may still be under way."""
        return name in self._withdrawn or name in self._withdrawn_earlier

    def age(self) -> None:
        """Let a tick pass, which takes longer than anything is under way."""
        self._withdrawn_earlier = self._withdrawn
        self._withdrawn = set()
