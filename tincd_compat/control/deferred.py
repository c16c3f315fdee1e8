"""Deferred updates: messages of neighbours about edges, kept until they can be judged.

A connection begins with a dump of everything the other end knows.  The lines of a dump
may be old, but look like news.  While many nodes come back, the two ends of a new link
disagree about many edges, mostly because a flood has reached one end and is still on
its way to the other.  If each end believed the other and passed the line on, the ends
would exchange their errors; the new and the old state of an edge would chase each other
through the mesh, again with every link that comes up.

So a line of a dump about an edge of third nodes is set aside, if messages of these
nodes reach us without the new link: the true state will arrive that way.

Where two floods about one edge cross, the ends of a link may swap their states of it,
and the lines that would show this are dropped as repetitions.  But a neighbour passes
on only what is news to it, so a repeated line that differs from our table is set aside,
too.

Any further message about the same edge settles the matter.  If none comes, the two ends
may differ for good, and after a while one of them sends its state again; see
:meth:`EdgeRules.corrections`.
"""

from __future__ import annotations

from math import inf
from typing import Final, TypeAlias

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Edge, Node
from tincd_compat.meta.messages import AddEdge, DelEdge

#: Seconds that the flood with the true state may need; then seconds that the other end
#: of the link has for sending first, longer than the ticks of two nodes lie apart.
FLOOD_PATIENCE: Final = 3.0
LAST_PATIENCE: Final = 7.0
#: Messages set aside at most; beyond that every message is believed at once.
MAX_HELD: Final = 16384


#: The state of an edge as a tuple; the end of a link with the lower one yields.
Rank: TypeAlias = tuple[int, int, int, str, str]
_ABSENT: Final[Rank] = (1, 0, 0, "", "")


def rank(edge: Edge | None) -> Rank:
    """Return the rank of an edge of our table; None stands for a missing edge."""
    if edge is None:
        return _ABSENT
    address = edge.address
    return (0, edge.weight, edge.options, address.host, str(address.port))


def rank_of(message: AddEdge | DelEdge) -> Rank:
    """Return the rank of the edge that a message describes or denies."""
    if isinstance(message, DelEdge):
        return _ABSENT
    return (0, message.weight, message.options, message.address, message.port)


@dataclass(frozen=True, slots=True)
class DeferredUpdate:
    """A message that was set aside and when it is due; ``final`` the second time."""

    message: AddEdge | DelEdge
    neighbour: Node
    due: float
    final: bool = False


class DeferredUpdates:
    """Messages set aside, by the names of both ends of the edge."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], dict[str, DeferredUpdate]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, message: AddEdge | DelEdge, neighbour: Node, now: float) -> bool:
        """Set a message aside; False if there is no room."""
        return self._put(DeferredUpdate(message, neighbour, now + FLOOD_PATIENCE))

    def hold_on(self, word: DeferredUpdate, now: float) -> bool:
        """Set a due message aside for a second time; False if there is no room."""
        due = now + LAST_PATIENCE
        return self._put(DeferredUpdate(word.message, word.neighbour, due, final=True))

    def _put(self, word: DeferredUpdate) -> bool:
        if self._count >= MAX_HELD:
            return False
        ends = word.message.source, word.message.target
        words = self._words.setdefault(ends, {})
        self._count += word.neighbour.name not in words
        words[word.neighbour.name] = word
        return True

    def settle(self, source: str, target: str) -> bool:
        """Forget messages about an edge that a new one has arrived for; tell if any."""
        words = self._words.pop((source, target), None)
        if words is None:
            return False
        self._count -= len(words)
        return True

    def agree(self, source: str, target: str, neighbour: Node) -> None:
        """Forget the message of a neighbour that agrees with our table by now."""
        words = self._words.get((source, target))
        if words is not None and words.pop(neighbour.name, None) is not None:
            self._count -= 1
            if not words:
                del self._words[source, target]

    def forget(self, neighbour: Node) -> None:
        """Forget all messages of a neighbour: a new connection brings a new dump."""
        for ends in list(self._words):
            self.agree(*ends, neighbour)

    def next_timer(self) -> float:
        """Return when the next message is due; infinite if none is set aside."""
        words = self._words.values()
        return min((word.due for each in words for word in each.values()), default=inf)

    def due(self, now: float) -> list[DeferredUpdate]:
        """Return and forget the messages that are due, oldest first."""
        found = [
            word
            for words in self._words.values()
            for word in words.values()
            if word.due <= now
        ]
        for word in found:
            self.agree(word.message.source, word.message.target, word.neighbour)
        return sorted(found, key=lambda word: word.due)
