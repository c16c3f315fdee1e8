"""The flooded messages: what the mesh tells each other about edges, subnets and keys.

A received line is handled once, however often it comes back, and passed on unchanged.
The rules are in :mod:`~tincd_compat.control.edges` and
:mod:`~tincd_compat.control.subnets`; this is their one door.

Who can be reached is up to date, unless a :class:`GraphChanged` says that a run has to
find out: then the graph has to run before anything else is asked of this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias, assert_never

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.control.edges import EdgeRules
from tincd_compat.control.effects import Effect, KeyVoid
from tincd_compat.control.rules import Arrival, Ground, Limits, Policy, forward
from tincd_compat.control.seen import SeenRequests
from tincd_compat.control.subnets import SubnetRules
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.messages import (
    AddEdge,
    AddSubnet,
    DelEdge,
    DelSubnet,
    KeyChanged,
    Message,
)

Flooded: TypeAlias = AddSubnet | DelSubnet | AddEdge | DelEdge | KeyChanged


def _subject(message: Flooded) -> str:
    """Return the node that says such things, and says them again after a restart."""
    match message:
        case AddSubnet() | DelSubnet():
            return message.owner
        case KeyChanged():
            return message.origin
        case _:
            return message.source


def link_weight(ours: int, theirs: int) -> int:
    """The weight of a new edge: the mean of both ACKs, rounded towards zero."""
    total = ours + theirs
    return total // 2 if total >= 0 else -(-total // 2)


class Gossip:
    """Changes the mesh as messages and connections demand; returns what is left to do.

    ``nonce`` yields fresh random numbers of 31 bits: a line that repeats an old one is
    swallowed by the others.
    """

    def __init__(
        self,
        mesh: Mesh,
        policy: Policy,
        seen: SeenRequests,
        nonce: Callable[[], int],
        limits: Limits | None = None,
    ) -> None:
        self._mesh = mesh
        self._seen = seen
        self._ground = Ground(mesh, policy, limits or Limits(), nonce)
        #: When the present connection with a neighbour became active.
        self._connected: dict[Node, float] = {}
        #: New neighbours that have not yet told all they know.
        self._dumping: set[Node] = set()
        #: Lines so far that had been seen before.
        self.duplicates = 0
        self._edges = EdgeRules(self._ground)
        self._subnets = SubnetRules(self._ground)

    @property
    def policy(self) -> Policy:
        return self._ground.policy

    @property
    def remembered(self) -> int:
        """How many lines would be recognised now."""
        return len(self._seen)

    @property
    def contradictions(self) -> tuple[int, int]:
        """ADD_EDGEs and DEL_EDGEs about our own edges in this tick that were wrong."""
        return (self._edges.contradicting_adds, self._edges.contradicting_dels)

    def handle(
        self,
        message: Flooded,
        line: bytes,
        source: Node,
        now: float,
        peer: str | None = None,
    ) -> list[Effect]:
        """Handle one line (without its LF) from the connection of node ``source``.

        ``peer`` is how logs name the connection; by default the node and its UDP
        address.
        """
        in_dump = source in self._dumping
        if in_dump and self._ends_dump(message, source):
            self._dumping.remove(source)
            in_dump = False
        if not self._seen.add(line, now):
            if not self._said_anew(message, line, source, now):
                self.duplicates += 1
                logs.scary.debug("Already seen request")
                return self._repeated(message, source, now)
            line = self._with_new_nonce(line, now)
        if peer is None:
            peer = f"{source.name} ({source.address or '(null)'})"
        arrival = Arrival(line, source, peer, now, in_dump)
        match message:
            case AddSubnet():
                return self._subnets.add(message, arrival)
            case DelSubnet():
                return self._subnets.delete(message, arrival)
            case AddEdge():
                return self._edges.add(message, arrival)
            case DelEdge():
                return self._edges.delete(message, arrival)
            case KeyChanged():
                return self._key_changed(message, arrival)
            case _:
                assert_never(message)

    def _repeated(self, message: Flooded, source: Node, now: float) -> list[Effect]:
        match message:
            case AddEdge() | DelEdge():
                self._edges.repeated(message, source, now)
            case _:
                pass
        return []

    def _ends_dump(self, message: Flooded, source: Node) -> bool:
        """Tell whether this is the edge to us, which follows a neighbour's dump."""
        match message:
            case AddEdge():
                ends = (message.source, message.target)
                return ends == (source.name, self._mesh.myself.name)
            case _:
                return False

    def _said_anew(
        self, message: Flooded, line: bytes, source: Node, now: float
    ) -> bool:
        """Tell whether a known line is news all the same.

        A tincd 1.0 that was killed and starts again repeats its "random" nonces.  What
        a node says of itself over its own connection is news if it was last heard
        before that connection; copies that come by way of others stay repetitions, so
        nothing can go round in circles.
        """
        since = self._connected.get(source)
        if since is None or _subject(message) != source.name:
            return False
        return self._seen.renew(line, now, since)

    def _with_new_nonce(self, line: bytes, now: float) -> bytes:
        """Return a line that the others have not heard yet either."""
        number, _, rest = line.split(maxsplit=2)
        renewed = b"%s %x %s" % (number, self._ground.nonce(), rest)
        self._seen.add(renewed, now)
        return renewed

    def _key_changed(self, message: KeyChanged, arrival: Arrival) -> list[Effect]:
        origin = self._mesh.nodes.get(message.origin)
        if origin is None:
            logs.always.error(
                "Got KEY_CHANGED from %s origin %s which does not exist",
                arrival.peer,
                message.origin,
            )
            return []
        # Our own name changes nothing here, but others take it as any other.
        effects: list[Effect] = [] if origin is self._mesh.myself else [KeyVoid(origin)]
        if not self.policy.tunnel_server:
            effects.append(forward(message.request, arrival))
        return effects

    def state_dump(self, neighbour: Node) -> Iterator[Message]:
        """All that a new neighbour has to know, but for the new edge to it.

        Each message says what is known by the time that it is asked for.  The mesh may
        change before the next: the neighbour hears of that as all others do, and so
        what comes later need not be told.
        """
        if self.policy.tunnel_server:
            yield from self._subnets.dump(self._mesh.myself)
            return
        for name in sorted(self._mesh.nodes):
            node = self._mesh.nodes.get(name)
            if node is not None:
                yield from self._subnets.dump(node)
                yield from self._edges.dump(node, neighbour)

    def connection_up(
        self,
        node: Node,
        address: SocketAddress,
        port_text: str,
        weight: int,
        options: int,
        now: float,
    ) -> list[Effect]:
        """Add our edge to a node whose connection has become active.

        ``address`` is the other end of the connection, ``port_text`` the port of the
        peer's ACK; weight and options are those both sides agree on.
        """
        if port_text.isascii() and port_text.isdigit() and 0 < int(port_text) <= 0xFFFF:
            address = address.with_port(int(port_text))
        self._connected[node] = now
        self._dumping.add(node)
        return self._edges.link_up(node, address, options, weight, now)

    def connection_down(self, node: Node, *, report: bool) -> list[Effect]:
        """Remove our edge to a node whose connection has ended.

        With ``report`` the others are told, and after the graph run comes the second
        step, :meth:`withdraw_reverse`, if the effects ask for it.
        """
        self._connected.pop(node, None)
        self._dumping.discard(node)
        return self._edges.link_down(node, report)

    def withdraw_reverse(self, node: Node) -> list[Effect]:
        """Perform :class:`CheckReverse`: withdraw the edge to us of a lost node."""
        return self._edges.withdraw_reverse(node)

    # Walks through whole tables: the mesh changes by what each effect tells when that
    # is asked for, and may change otherwise before the next.

    def purge(self) -> Iterator[Effect]:
        """Forget what belongs to unreachable nodes, and tell the others."""
        logs.protocol.debug("Purging unreachable nodes")
        for node in self._mesh.sorted_nodes():
            if node.reachable:
                continue
            logs.scary.debug(
                "Purging node %s (%s)", node.name, node.address or "(null)"
            )
            yield from self._subnets.purge(node)
            yield from self._edges.purge_edges(node)
        yield from self._edges.purge_nodes()

    def reload_subnets(
        self, configured: Mapping[str, Collection[Subnet]]
    ) -> Iterator[Effect]:
        """Apply the subnets of all host files, by owner (StrictSubnets, on reload)."""
        return self._subnets.reload(configured)

    def reload_own_subnets(self, configured: Collection[Subnet]) -> Iterator[Effect]:
        """Apply a change of our own subnets (on reload)."""
        return self._subnets.reload_own(configured)

    def learn_mac(self, mac: bytes, now: float) -> list[Effect]:
        """Note that a frame from ``mac`` came out of our device (switch mode)."""
        return self._subnets.learn(mac, now)

    def heard_elsewhere(self, mac: bytes, now: float) -> list[Effect]:
        """Note that a frame from ``mac`` came from the mesh (switch mode)."""
        return self._subnets.heard_elsewhere(mac, now)

    def tick(self, now: float) -> Iterator[Effect]:
        """Age learned MACs and seen requests; due every PingTimeout seconds."""
        self._seen.expire(now)
        self._ground.notices.renew()
        yield from self._subnets.expire_learned(now)
        yield from self._edges.resolve_doubts(now)
        yield from self._edges.judge_hearsay(now)

    def pause(self, now: float) -> int:
        """Seconds to rest because another node uses our name; after each tick."""
        return self._edges.pause(now)
