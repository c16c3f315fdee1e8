"""Which of our edges others may have got wrong, and when to set them right.

Two floods about one edge that cross each other leave some nodes with the older word:
what was said of a link before it broke, or a DEL_EDGE that overtakes the new ADD_EDGE.
A correction goes to whoever sent the old word and dies where it is no news, so nodes
behind that one would keep the old word for ever, and draw another broadcast tree.

What passes every node is an edge that is news to each of them.  Hence, once the old
words have died down, it is announced with a weight that nobody can have heard before.
"""

from __future__ import annotations

from typing import Final

#: Seconds after the last contradiction in which old words may still be under way.
ECHO: Final = 3.0
#: Edges and weights of each that are remembered; who sends more is not just mistaken.
MAX_EDGES: Final = 1024
MAX_WEIGHTS: Final = 16


class Doubts:
    """Contradictions about our edges, by the name of the other end."""

    def __init__(self) -> None:
        self._heard: dict[str, set[int]] = {}
        self._latest: dict[str, float] = {}
        self._withdrawn: set[str] = set()
        self._withdrawn_earlier: set[str] = set()

    def note(self, name: str, now: float, weight: int | None = None) -> None:
        """Remember that somebody gave the edge another weight, or took it away."""
        if name not in self._latest and len(self._latest) >= MAX_EDGES:
            return
        self._latest[name] = now
        heard = self._heard.setdefault(name, set())
        if weight is not None and len(heard) < MAX_WEIGHTS:
            heard.add(weight)

    def put_off(self, name: str, now: float) -> None:
        """The edge has just been announced: let that die down too."""
        if name in self._latest:
            self._latest[name] = now

    def settled(self, now: float) -> list[str]:
        """Return the edges about which nothing false has been heard for a while."""
        return sorted(name for name, then in self._latest.items() if now - then >= ECHO)

    def resolve(self, name: str, weight: int) -> int:
        """Forget the doubts about an edge; return a new weight close to the old."""
        del self._latest[name]
        heard = self._heard.pop(name)
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
