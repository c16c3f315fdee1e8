"""The path to each node: how packets leave for it, since when, and why it changed.

:func:`way` decides as ``tunnel/delivery.py`` does for a packet of ordinary size.
:class:`Paths` remembers what it found, so that a change becomes an event with a reason.
Only nodes that were marked are looked at, in steps, and many changes within a moment
are one.  What a member says can mean another path to every node: those are looked at in
rounds, so many a second, however often it is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.observe.events import Events
from tincd_compat.observe.records import TrafficRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import NodeHistory, TunnelView, Views
from tincd_compat.observe.words import (
    EventKind,
    KeyReason,
    PathKind,
    PathReason,
    ProbePhase,
    Unreachable,
)
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY, Minor, minor

#: Seconds over which changes of reachability are counted together.
LATELY: Final = 600.0
#: Nodes that a call of :meth:`PathsWatch.work` looks at, which comes each second: so
#: many at most of those that have changed themselves, and so many of a round.
FULL_LOOK_RATE: Final = 500
#: Relays that a packet for one node is sent around by at most.
_HOPS: Final = 8
#: Phases in which the MTU of a path has been found.
SETTLED: Final = frozenset({ProbePhase.IDLE, ProbePhase.CHECK})


class Way(NamedTuple):
    """How packets for a node leave: the kind, and to whom.

    ``hop`` is the node to which datagrams go, or what goes over TCP is meant for;
    ``kind`` is None while no packet has gone there.
    """

    kind: PathKind | None
    hop: Node | None = None


def first_hop(mesh: Mesh, node: Node) -> Node | None:
    """Return the node to which our datagrams for a reachable node go."""
    return node.nexthop if node.via is mesh.myself else node.via


def way(
    mesh: Mesh,
    node: Node,
    tunnel: Callable[[Node], TunnelView | None],
    own_options: int,
) -> Way:
    """Return how an ordinary packet for the node leaves now."""
    if node is mesh.myself:
        return Way(PathKind.SELF, node)
    if node.reachable and node.has_sessions:
        return _session_way(mesh, node, tunnel, own_options)
    hop = first_hop(mesh, node) if node.reachable else None
    for _ in range(_HOPS):
        if hop is None or not hop.reachable:
            return Way(PathKind.NONE)
        if (own_options | hop.options) & TCPONLY:
            break
        view = tunnel(hop)
        if view is None or not view.valid_key:
            if view is None or (view.requested is None and view.unusable is None):
                return Way(None, hop)
            break
        if view.min_mtu or not hop.options & PMTU_DISCOVERY:
            return Way(PathKind.UDP if hop is node else PathKind.RELAY_UDP, hop)
        # Nothing is known to get through: through the neighbour on the way.
        if hop.nexthop is None or hop.nexthop is hop:
            break
        hop = first_hop(mesh, hop.nexthop)
    direct = hop is node and node.nexthop is node
    return Way(PathKind.TCP if direct else PathKind.RELAY_TCP, hop)


def _session_way(
    mesh: Mesh,
    node: Node,
    tunnel: Callable[[Node], TunnelView | None],
    own_options: int,
) -> Way:
    """Return how a packet for a node leaves that has sessions (``sessionpath.py``).

    It is sealed for the node, whatever is on the way.
    """
    direct = node.nexthop is node
    tcp = Way(PathKind.TCP if direct else PathKind.RELAY_TCP, node.nexthop)
    if direct and (own_options | node.options) & TCPONLY:
        return tcp
    view = tunnel(node)
    if view is None or not view.valid_key:
        idle = view is None or view.requested is None
        return Way(None, node) if idle else tcp
    for hop in (node.via, node.nexthop):
        if hop is None or hop is mesh.myself or not _takes_ids(hop, own_options):
            continue
        view = tunnel(hop)
        if view is not None and view.valid_key and view.min_mtu:
            return Way(PathKind.UDP if hop is node else PathKind.RELAY_UDP, hop)
    return tcp


def _takes_ids(node: Node, own_options: int) -> bool:
    """Tell whether datagrams of sessions may go to a node by UDP."""
    if (
        not (node.reachable and node.has_sessions)
        or minor(node.options) < Minor.NODE_IDS
    ):
        return False
    return not (own_options | node.options) & TCPONLY


@dataclass(slots=True)
class _Known:
    """What is remembered of a node."""

    kind: PathKind | None = None
    hop: Node | None = None
    since: Time | None = None
    changes: int = 0
    lately: int = 0
    lately_since: Time | None = None
    best_mtu: int = 0
    mtu: int = 0
    key_since: Time | None = None
    unusable: str | None = None
    address: object = None
    sent: int = 0
    received: int = 0
    unanswered: int = 0
    unanswered_since: Time | None = None


_NOTHING: Final = NodeHistory()


def _packets(traffic: TrafficRecord | None) -> int:
    return 0 if traffic is None else traffic.packets


class PathsWatch:
    """The memory of the paths to all nodes; ``events`` gets their changes."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._known: dict[Node, _Known] = {}
        self._marked: dict[Node, None] = {}
        #: What is left of the round under way.
        self._round: deque[Node] = deque()
        #: The next round is one through all nodes, or else through these.
        self._all = False
        self._some: list[Node] = []

    # For the daemon, whenever something changes.

    def mark(self, nodes: Iterable[Node]) -> None:
        """Look at these nodes: a tunnel, an address or an option may have changed."""
        self._marked.update(dict.fromkeys(nodes))

    def mark_all(self) -> None:
        """Look at every node in the next round: the graph was searched.

        A round under way ends first, or the last nodes of the mesh would never have
        their turn while it is searched every second.
        """
        self._all = True

    def mark_round(self, nodes: list[Node]) -> None:
        """Look at these in a round: time has passed, nothing else has happened."""
        self._some = nodes

    def forget(self, node: Node) -> None:
        """Forget a node that has left the tables."""
        self._known.pop(node, None)
        self._marked.pop(node, None)

    def flipped(
        self,
        at: Time,
        flips: Flips,
        reason: Unreachable | None = None,
        by: str | None = None,
    ) -> None:
        """Note that nodes came or went; ``by`` names the node that told of a loss.

        ``reason`` is for the first that is lost, and for all by LINK_DOWN or EDGE_GONE
        the others are cut off with it.
        """
        lost: list[str] = []
        for node, up in zip(flips.nodes, flips.up, strict=True):
            known = self._of(node)
            known.changes += 1
            since = known.lately_since
            if since is None or at - since > LATELY:
                known.lately, known.lately_since = 0, at
            known.lately += 1
            known.kind, known.hop = (None if up else PathKind.NONE), None
            known.since, known.best_mtu, known.mtu = at, 0, 0
            if not up:
                lost.append(node.name)
        self._tell_flips(at, flips, lost, reason, by)
        self.mark(flips.nodes)

    def _tell_flips(
        self,
        at: Time,
        flips: Flips,
        lost: list[str],
        reason: Unreachable | None,
        by: str | None,
    ) -> None:
        told = reason or Unreachable.CUT_OFF
        subject = by if by in lost else None
        if subject is not None and told is not Unreachable.CUT_OFF:
            # The others hang on the one that was lost.
            self._events.add(at, EventKind.UNREACHABLE, subject, told, by=None)
            lost = [name for name in lost if name != subject]
            told = Unreachable.CUT_OFF
        self._events.add_many(at, EventKind.UNREACHABLE, lost, told, by=by)
        came = [n.name for n, up in zip(flips.nodes, flips.up, strict=True) if up]
        self._events.add_many(at, EventKind.REACHABLE, came, None, nexthop=None)

    def history(self, node: Node) -> NodeHistory:
        """Return what is remembered of a node."""
        known = self._known.get(node)
        if known is None:
            return _NOTHING
        return NodeHistory(
            since=known.since,
            changes=known.changes,
            lately=known.lately,
            lately_since=known.lately_since,
            best_mtu=known.best_mtu,
            unanswered=known.unanswered,
            unanswered_since=known.unanswered_since,
        )

    @property
    def waiting(self) -> bool:
        """Tell whether some node was marked and not looked at."""
        return bool(self._marked or self._round or self._all or self._some)

    def work(self, views: Views) -> Iterator[None]:
        """Look at what was marked, one node a step, and go on with the round.

        To be called each second; what is beyond :data:`FULL_LOOK_RATE` is for the next
        call.
        """
        for nodes in (self._take_marked, self._take_of_round):
            for node in nodes(views.mesh):
                if views.mesh.nodes.get(node.name) is node:
                    self._look(views, node)
                yield

    def _take_marked(self, mesh: Mesh) -> list[Node]:
        taken = [*islice(self._marked, FULL_LOOK_RATE)]
        for node in taken:
            del self._marked[node]
        return taken

    def _take_of_round(self, mesh: Mesh) -> list[Node]:
        if not self._round:
            self._round.extend(mesh.nodes.values() if self._all else self._some)
            self._all, self._some = False, []
        left = min(len(self._round), FULL_LOOK_RATE)
        return [self._round.popleft() for _ in range(left)]

    def _of(self, node: Node) -> _Known:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = _Known()
        return known

    # One node.

    def _look(self, views: Views, node: Node) -> None:
        if node is views.mesh.myself:
            return
        known, view = self._of(node), views.tunnel(node)

        def tunnel(hop: Node) -> TunnelView | None:
            return view if hop is node else views.tunnel(hop)

        found = way(views.mesh, node, tunnel, views.own.options)
        self._look_at_path(views, node, known, found)
        self._look_at_address(views, node, known)
        if view is not None:
            self._look_at_key(views.now, node, known, view)
            self._look_at_mtu(views.now, node, known, view)
            self._look_at_traffic(views, node, known, view)

    def _look_at_path(
        self, views: Views, node: Node, known: _Known, found: Way
    ) -> None:
        # A void key is no change of the path: the next packet brings another key.
        if found.kind is None or (found.kind, found.hop) == (known.kind, known.hop):
            return
        before, hop = known.kind, known.hop
        known.kind, known.hop = found.kind, found.hop
        if before is None and found.kind is PathKind.NONE:
            return
        reason = self._reason(before, hop, found, views)
        if reason is not PathReason.REACHABLE or known.since is None:
            known.since = views.now
        self._events.add(
            *(views.now, EventKind.PATH, node.name, reason),
            before=before,
            now=found.kind,
            via=None if found.hop is None else found.hop.name,
            nexthop=None if node.nexthop is None else node.nexthop.name,
        )

    @staticmethod
    def _reason(
        before: PathKind | None, hop: Node | None, found: Way, views: Views
    ) -> PathReason:
        if found.kind is PathKind.NONE:
            return PathReason.UNREACHABLE
        if before in (None, PathKind.NONE):
            return PathReason.REACHABLE
        if found.kind in (PathKind.UDP, PathKind.RELAY_UDP):
            straight = hop is found.hop or found.kind is PathKind.UDP
            return PathReason.PROBES_ANSWERED if straight else PathReason.GRAPH
        stop = found.hop
        if stop is not None and (views.own.options | stop.options) & TCPONLY:
            return PathReason.OPTIONS
        view = None if stop is None else views.tunnel(stop)
        if view is not None and not view.valid_key:
            return PathReason.NO_KEY
        return PathReason.NO_ANSWER if hop is stop else PathReason.GRAPH

    def _look_at_address(self, views: Views, node: Node, known: _Known) -> None:
        address, before = node.address, known.address
        if address is None or address == before:
            return
        known.address = address
        if before is None:
            return
        view = views.tunnel(node)
        source = None if view is None else view.address_from
        self._events.add(
            *(views.now, EventKind.ADDRESS, node.name),
            host=address.host,
            port=address.port,
            before=str(before),
            source=source,
        )

    def _look_at_key(
        self, now: Time, node: Node, known: _Known, view: TunnelView
    ) -> None:
        key, words = view.key, view.unusable
        if key is None or (key.since, words) == (known.key_since, known.unusable):
            return
        known.key_since, known.unusable = key.since, words
        reason = KeyReason.GIVEN if words is None else KeyReason.UNUSABLE
        self._events.add(
            *(now, EventKind.KEY, node.name, reason),
            cipher=key.cipher,
            digest=key.digest,
            mac_length=key.mac_length,
            compression=key.compression,
            words=words,
        )

    def _look_at_mtu(
        self, now: Time, node: Node, known: _Known, view: TunnelView
    ) -> None:
        mtu = view.min_mtu
        if not mtu or view.phase not in SETTLED or mtu == known.mtu:
            return
        before, known.mtu = known.mtu or None, mtu
        known.best_mtu = max(known.best_mtu, mtu)
        self._events.add(now, EventKind.MTU, node.name, before=before, now=mtu)

    def _look_at_traffic(
        self, views: Views, node: Node, known: _Known, view: TunnelView
    ) -> None:
        link = views.link(node)
        sent = _packets(view.sent) - (view.probes_sent or 0)
        received = _packets(view.received)
        if link is not None:
            sent += _packets(link.sent)
            received += _packets(link.received)
        if received != known.received or sent < known.sent:
            known.sent, known.received = sent, received
        known.unanswered = sent - known.sent
        if not known.unanswered:
            known.unanswered_since = None
        elif known.unanswered_since is None:
            known.unanswered_since = views.now
