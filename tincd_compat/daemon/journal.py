"""What happens in the daemon, noted for operators where the reason is known.

Each note is one call with values that are there anyway: words and sentences are made
when somebody reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.dials import Dials, dial_result
from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.scriptresults import ScriptResults
from tincd_compat.daemon.slices import LATER, Begin, at_once
from tincd_compat.mesh.graph import Flips
from tincd_compat.observe.events import Events
from tincd_compat.observe.paths import PathsWatch
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    DialResult,
    EventKind,
    LinkEnd,
    OpenedBy,
    SubnetReason,
    Unreachable,
)

if TYPE_CHECKING:
    from tincd_compat.addresses import SocketAddress, Subnet
    from tincd_compat.daemon.control import LostNodes
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.scriptevents import ScriptEvents
    from tincd_compat.mesh.node import Node

#: Ends in the handshake of a caller that an operator wants to hear of: others are what
#: any stranger can bring about.
_TELLING: Final = frozenset(
    {LinkEnd.WRONG_KEY, LinkEnd.IDENTITY, LinkEnd.INCOMPATIBLE, LinkEnd.AUTH_TIMEOUT}
)

#: Nodes that came or went and wait to be noted at most; what is older is not told of.
MAX_WAITING: Final = 65_536


class _Flipped(NamedTuple):
    """A part of the nodes that came or went by one event."""

    at: Time
    part: Flips
    reason: Unreachable | None
    by: str | None


class Journal:
    """The notes of all parts of the daemon, which become events of the ring."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self.events = events
        self.dials = Dials(events, clock)
        self.scripts = ScriptResults(events, clock)
        self.paths = PathsWatch(events)
        self._clock = clock
        #: Does what may take long, an iterator, in small steps.
        self.begin: Begin = at_once
        #: Nodes that came or went, many at once, and are to be noted.
        self._flips: deque[_Flipped] = deque()
        #: Nodes that have left the tables since, and are to be forgotten behind that.
        self._gone: list[Node] = []

    def started(self, version: str, pid: int) -> None:
        now = self._clock.now()
        self.events.add(now, EventKind.START, version=version, pid=pid)

    def reloaded(self, error: str | None, waiting: Sequence[str] = ()) -> None:
        """The configuration was read again, or is broken.

        ``waiting`` are the variables whose new values wait for the next start.
        """
        self.events.add(
            self._clock.now(),
            EventKind.RELOAD,
            ok=error is None,
            error=error,
            waiting=[*waiting],
        )

    # Links.

    def link_up(self, link: Link, weight: int | None) -> None:
        """A link is active now."""
        node = link.node
        assert node is not None
        ours = link.outgoing is not None
        self.events.add(
            *(self._clock.now(), EventKind.LINK_UP, node.name),
            host=link.address.host,
            port=link.address.port,
            opened=OpenedBy.US if ours else OpenedBy.PEER,
            weight=weight,
        )
        if link.outgoing is not None:
            self.dials.note(node.name, DialResult.OK, link.address)

    def link_down(self, link: Link, now: float) -> None:
        """A link has ended; a stranger in the handshake is not worth an event."""
        end, outgoing = link.end, link.outgoing
        assert end is not None
        active = link.node is not None
        if not active and outgoing is None and end.reason not in _TELLING:
            return
        # A caller that has a host file is named as it says, which explains why the node
        # of that name is lost; nobody else gets a name into the history.
        named = active or outgoing is not None or link.host is not None
        name = link.connection.name if named else None
        self.events.add(
            *(self._clock.now(), EventKind.LINK_DOWN, name, end.reason),
            host=link.address.host,
            port=link.address.port,
            opened=OpenedBy.PEER if outgoing is None else OpenedBy.US,
            active=active,
            seconds=round(now - link.since, 1),
            words=end.text,
        )
        failed = not active and end.reason is not LinkEnd.UPGRADED
        if outgoing is not None and failed:
            result = dial_result(end.reason, link.connection.key_unread)
            self.dials.note(outgoing.name, result, link.address, end.text)

    # The mesh.

    def nodes(self, flips: Flips, reason: Unreachable | None, by: str | None) -> None:
        """Nodes came or went, for that reason; ``by`` is the first that was lost.

        Of many at once each is noted in another turn, in their order.
        """
        now = self._clock.now()
        if len(flips) <= MANY and not self._flips:
            self.paths.flipped(now, flips, reason, by)
            return
        for start in range(0, len(flips), MANY):
            part = Flips([])
            part.nodes = flips.nodes[start : start + MANY]
            part.up = flips.up[start : start + MANY]
            self._flips.append(_Flipped(now, part, reason, by))
        while len(self._flips) > MAX_WAITING // MANY:
            self._flips.popleft()
            self.paths.mark_all()
        self.begin("flips", self._note_flips())

    def _note_flips(self) -> Iterator[float | None]:
        # The turn in which so many come or go is long without that.
        yield LATER
        while self._flips:
            at, part, reason, by = self._flips.popleft()
            if by is not None and all(node.name != by for node in part.nodes):
                reason = Unreachable.CUT_OFF
            self.paths.flipped(at, part, reason, by)
            yield None
        while self._gone:
            self.paths.forget(self._gone.pop())
            yield None

    def forgotten(self, node: Node) -> None:
        """A node has left the tables; of it events are kept, and nothing else."""
        if self._flips or self._gone:
            self._gone.append(node)
        else:
            self.paths.forget(node)

    def subnets(self, node: Node, subnets: Iterable[Subnet], added: bool) -> None:
        """A node has announced subnets, or has withdrawn them."""
        reason = SubnetReason.ADDED if added else SubnetReason.REMOVED
        now = self._clock.now()
        for subnet in subnets:
            self.events.add(
                *(now, EventKind.SUBNET, node.name, reason),
                subnet=subnet,
                by=None,
            )


class NotedEvents:
    """Passes on what happens in the mesh to the scripts, and notes it.

    ``loss`` returns why nodes become unreachable just now.
    """

    def __init__(
        self, events: ScriptEvents, journal: Journal, loss: Callable[[], LostNodes]
    ) -> None:
        self._events = events
        self._journal = journal
        self._loss = loss

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None:
        self._journal.nodes(flips, *self._loss())
        self._events.nodes(flips, subnets)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        every = (*subnets,)
        self._journal.subnets(node, every, up)
        self._events.subnets(node, every, up, address)
