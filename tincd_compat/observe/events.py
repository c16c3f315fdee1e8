"""The ring of events: what has happened lately, and who wants to hear what happens.

The last ``EventHistory`` events are kept.  One node, or whatever is about no node, has
a quarter of them at most: beyond that its oldest ones give way to its newest, and one
event of the kind ``counted`` in their place says how many.  So a node that comes and
goes all day leaves room for the others, and its own last words are there all the same.

To add an event costs an entry in two tables.  Its sentence and its record are made when
somebody reads it.  The reasons and facts of each kind are in :data:`.wording.SHAPES`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from tincd_compat.addresses import Subnet
from tincd_compat.observe.codec import Fact, Facts
from tincd_compat.observe.records import Event
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.times import Time
from tincd_compat.observe.wording import SHAPES, sentence
from tincd_compat.observe.words import EventKind

#: The default of ``EventHistory``.
HISTORY: Final = 1000
#: Facts as they are noted: a subnet becomes a text when somebody reads.
Noted: TypeAlias = Mapping[str, Fact | Subnet]
#: One node has at most the whole divided by this.
SHARES: Final = 4


class _Entry(NamedTuple):
    """An event without its sentence."""

    seq: int
    at: Time
    kind: EventKind
    node: str | None
    reason: str | None
    facts: Noted

    def event(self) -> Event:
        seq, at, kind, node, reason, noted = self
        facts: Facts = {
            name: str(fact) if isinstance(fact, Subnet) else fact
            for name, fact in noted.items()
        }
        text = sentence(kind, node, reason, facts)
        return Event(
            seq=seq,
            at=at,
            kind=kind,
            node=node,
            reason=None if reason is None else str(reason),
            text=text,
            # Whoever has noted it need not know every fact.
            facts={**dict.fromkeys(SHAPES[kind].facts), **facts},
        )


def _counted(entry: _Entry) -> int:
    """Return for how many events an entry stands."""
    number = entry.facts["count"] if entry.kind is EventKind.COUNTED else 1
    assert isinstance(number, int)
    return number


class Events:
    """The ring of events; ``history`` is EventHistory, 0 keeps nothing."""

    def __init__(self, history: int = HISTORY) -> None:
        self._history = max(0, history)
        #: The number of the last event.
        self.last = 0
        self._kept: OrderedDict[int, _Entry] = OrderedDict()
        #: The numbers of each node's events that are kept, oldest first.
        self._of: dict[str | None, deque[int]] = {}
        self._waking: dict[Follower, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def resize(self, history: int) -> None:
        """Keep so many from now on (a reload)."""
        self._history = max(0, history)
        self._trim()
        for node in tuple(self._of):
            while len(self._of[node]) > self._share:
                self._give_way(node)

    def add(
        self,
        at: Time,
        kind: EventKind,
        node: str | None = None,
        reason: str | None = None,
        **facts: Fact | Subnet,
    ) -> None:
        """Add an event of now; its reason and facts are those of its kind."""
        self._put(at, kind, node, reason, facts)
        self._wake()

    def add_many(
        self,
        at: Time,
        kind: EventKind,
        nodes: Sequence[str],
        reason: str | None = None,
        **facts: Fact | Subnet,
    ) -> None:
        """Add an event with the same reason and facts for each of many nodes.

        A line of a member can make ten thousand nodes come or go: those of which
        nothing would be left by the end are numbered, and that is all.
        """
        first = max(0, len(nodes) - self._history)
        self.last += first
        for node in nodes[first:]:
            self._put(at, kind, node, reason, facts)
        self._wake()

    def _put(
        self,
        at: Time,
        kind: EventKind,
        node: str | None,
        reason: str | None,
        facts: Noted,
    ) -> None:
        self.last += 1
        if not self._history:
            return
        its = self._of.get(node)
        if its is None:
            its = self._of[node] = deque()
        its.append(self.last)
        self._kept[self.last] = _Entry(self.last, at, kind, node, reason, facts)
        if len(its) > self._share:
            self._give_way(node)
        self._trim()

    @property
    def _share(self) -> int:
        # With less than two, the one that counts would be all that there is.
        return max(2, self._history // SHARES)

    def _trim(self) -> None:
        while len(self._kept) > self._history:
            _, entry = self._kept.popitem(last=False)
            its = self._of[entry.node]
            its.popleft()
            if not its:
                del self._of[entry.node]

    def _give_way(self, node: str | None) -> None:
        """Count a node's two oldest entries as one, in the place of the second.

        The first may stand for many already.
        """
        its = self._of[node]
        counts = _counted(self._kept.pop(its.popleft())), _counted(self._kept[its[0]])
        self._kept[its[0]] = self._kept[its[0]]._replace(
            kind=EventKind.COUNTED, reason=None, facts={"count": sum(counts)}
        )

    # Reading.

    def of(self, node: str | None, most: int) -> list[Event]:
        """Return the last events of a node, the newest first."""
        numbers = self._of.get(node, ())
        found = (self._kept[seq] for seq in islice(reversed(numbers), most))
        return [entry.event() for entry in found]

    def since(
        self,
        time: Time | None = None,
        after: int = 0,
        node: str | None = None,
    ) -> Iterator[Event]:
        """Yield what is kept, the oldest first, from that time on and behind ``after``.

        What comes or is lost meanwhile makes no difference.  With ``node`` those about
        that node only.
        """
        return filter(None, self.search(time, after, node))

    def search(
        self,
        time: Time | None = None,
        after: int = 0,
        node: str | None = None,
    ) -> Iterator[Event | None]:
        """Yield the same, and None now and then while there is nothing to yield."""
        for entry in in_steps(tuple(self._kept.values())):
            if entry is None:
                yield None
                continue
            late_enough = time is None or entry.at >= time
            if entry.seq > after and late_enough and node in (None, entry.node):
                yield entry.event()

    def follow(
        self,
        wake: Callable[[], None],
        after: int | None = None,
        node: str | None = None,
    ) -> Follower:
        """Return a follower of what comes behind ``after``, by default of what is new.

        ``wake`` is called for each event; it must not read.
        """
        follower = Follower(self, self.last if after is None else after, node)
        self._waking[follower] = wake
        return follower

    def leave(self, follower: Follower) -> None:
        """Wake the follower no more."""
        self._waking.pop(follower, None)

    def _wake(self) -> None:
        if self._waking:
            # Followers of one socket have one that wakes them all.
            for wake in dict.fromkeys(self._waking.values()):
                wake()

    def behind(self, seq: int, most: int) -> tuple[list[_Entry], int]:
        """Return the first entries behind a number, the oldest first.

        At most ``most`` numbers are looked at, however long the ring is; the second
        value is the last of them.  An entry that gave way has left its number empty.
        """
        oldest = next(iter(self._kept), self.last + 1)
        first = max(seq + 1, oldest)
        end = min(first + most, self.last + 1)
        found = map(self._kept.get, range(first, end))
        return [entry for entry in found if entry is not None], end - 1


class Follower:
    """A reader of the ring in its own time, which keeps only the number it is at.

    An event of the kind ``gap`` stands for events that were gone when it read.
    """

    def __init__(self, events: Events, after: int, node: str | None) -> None:
        self._events = events
        #: The last event that it has read or left out, and the last number looked at.
        self._at = self._looked = min(after, events.last)
        self._node = node

    @property
    def waiting(self) -> bool:
        """Tell whether there is something that it has not read."""
        return self._looked < self._events.last

    def take(self, most: int) -> list[Event]:
        """Return the next events, at most so many and as many gaps.

        None are a sign of nothing: :attr:`waiting` tells whether there are more.
        """
        taken: list[Event] = []
        found, self._looked = self._events.behind(self._looked, most)
        for entry in found:
            taken += self._gap(entry.seq, entry.at)
            self._at = entry.seq
            if self._node in (None, entry.node):
                taken.append(entry.event())
        return taken

    def _gap(self, seq: int, at: Time) -> Iterator[Event]:
        missed = seq - self._at - 1
        if missed > 0:
            facts: Facts = {"missed": missed}
            yield _Entry(seq - 1, at, EventKind.GAP, None, None, facts).event()
