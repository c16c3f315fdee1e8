"""What neighbours have of edges otherwise than we do, kept until it can be judged.

A connection begins with a dump of all that the other end knows.  Its lines are as old
as they may be, but look like news.  While nodes come back in numbers the two ends of a
new link disagree about many edges, mostly because a flood has reached one of them and
is still on its way to the other.  Were each to take the word of the other and pass it
on, they would exchange their errors, and the new word and the old would chase each
other through the mesh, once more with every link that comes up.

So a word from a dump that concerns third nodes is set aside if what these say reaches
us without the new link: what is true will come that way.

Where two floods about one edge cross, the ends of a link may swap their words, and the
lines that would show it are swallowed as repetitions of what was heard before.  But a
neighbour passes on only what is news to it, so a repeated line that differs from what
we know is set aside as well.

Any other word about the same edge settles the matter.  If none comes the two ends may
differ for good, and after a while one of them speaks up; see
:meth:`EdgeRules.judge_hearsay`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from tincd_compat.mesh.node import Edge, Node
from tincd_compat.meta.messages import AddEdge, DelEdge

#: Seconds that the flood with the truth may need, and then, longer than the ticks of
#: two nodes can lie apart, that the other end of the link has for speaking first.
PATIENCE: Final = 3.0
LAST_PATIENCE: Final = 7.0
#: Words set aside at most; beyond that every word is taken as it comes.
MAX_HELD: Final = 16384


#: What is said of an edge, in the order in which the ends of a link yield.
Rank: TypeAlias = tuple[int, int, int, str, str]
_ABSENT: Final[Rank] = (1, 0, 0, "", "")


def rank(edge: Edge | None) -> Rank:
    """The rank of what we know of an edge; None stands for an edge that is not."""
    if edge is None:
        return _ABSENT
    address = edge.address
    return (0, edge.weight, edge.options, address.host, str(address.port))


def rank_of(message: AddEdge | DelEdge) -> Rank:
    """The rank of what a message says of an edge."""
    if isinstance(message, DelEdge):
        return _ABSENT
    return (0, message.weight, message.options, message.address, message.port)


@dataclass(frozen=True, slots=True)
class Word:
    """What a neighbour said, and when to judge it, for the last time if ``final``."""

    message: AddEdge | DelEdge
    neighbour: Node
    due: float
    final: bool = False


class Hearsay:
    """Words set aside, by the names of both ends of the edge."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], dict[str, Word]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, message: AddEdge | DelEdge, neighbour: Node, now: float) -> bool:
        """Set a word aside; False if there is no room."""
        return self._put(Word(message, neighbour, now + PATIENCE))

    def hold_on(self, word: Word, now: float) -> bool:
        """Set a word that was due aside once more; False if there is no room."""
        due = now + LAST_PATIENCE
        return self._put(Word(word.message, word.neighbour, due, final=True))

    def _put(self, word: Word) -> bool:
        if self._count >= MAX_HELD:
            return False
        ends = word.message.source, word.message.target
        words = self._words.setdefault(ends, {})
        self._count += word.neighbour.name not in words
        words[word.neighbour.name] = word
        return True

    def settle(self, source: str, target: str) -> bool:
        """The edge is being talked about: forget what was set aside, if anything."""
        words = self._words.pop((source, target), None)
        if words is None:
            return False
        self._count -= len(words)
        return True

    def agree(self, source: str, target: str, neighbour: Node) -> None:
        """A neighbour has said since what we know too."""
        words = self._words.get((source, target))
        if words is not None and words.pop(neighbour.name, None) is not None:
            self._count -= 1
            if not words:
                del self._words[source, target]

    def forget(self, neighbour: Node) -> None:
        """Its connection has ended; the next one begins with a new dump."""
        for ends in list(self._words):
            self.agree(*ends, neighbour)

    def due(self, now: float) -> list[Word]:
        """Return and forget the words that have waited long enough, oldest first."""
        found = [
            word
            for words in self._words.values()
            for word in words.values()
            if word.due <= now
        ]
        for word in found:
            self.agree(word.message.source, word.message.target, word.neighbour)
        return sorted(found, key=lambda word: word.due)
