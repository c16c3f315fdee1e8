"""Flooded messages: ADD_EDGE, DEL_EDGE, ADD_SUBNET, DEL_SUBNET and KEY_CHANGED.

A received line is handled once, however often it comes back, and passed on unchanged.
The rules are in :mod:`~tincd_compat.control.edges` and
:mod:`~tincd_compat.control.subnets`; the table of messages names this module only.

Reachability is up to date, unless a :class:`GraphChanged` says that a graph run has to
find it out: then the graph has to run before any other method is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.context import (
    Context,
    Envelope,
    GossipPolicy,
    Limits,
    forward,
)
from tincd_compat.control.edges import EdgeRules
from tincd_compat.control.effects import Effect, KeyVoid
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


def link_weight(ours: int, theirs: int) -> int:
    """Return the weight of a new edge: the mean of both ACKs, rounded towards zero."""
    total = ours + theirs
    return total // 2 if total >= 0 else -(-total // 2)


class Gossip:
    """The rules for flooded messages: methods change the mesh and return effects.

    ``nonce`` returns fresh random numbers of 31 bits: other nodes drop a line that
    repeats an old one.
    """

    def __init__(
        self,
        mesh: Mesh,
        policy: GossipPolicy,
        seen: SeenRequests,
        nonce: Callable[[], int],
        limits: Limits | None = None,
    ) -> None:
        self._mesh = mesh
        self._seen = seen
        self._context = Context(mesh, policy, limits or Limits(), nonce)
        #: When the connection with each neighbour became active.
        self._connected: dict[Node, float] = {}
        #: New neighbours whose dump has not ended.
        self._dumping: set[Node] = set()
        #: Repeated lines so far.
        self.duplicates = 0
        #: The rules for edges alone, and those for subnets alone.
        self.edges = EdgeRules(self._context)
        self.subnets = SubnetRules(self._context)

    @property
    def policy(self) -> GossipPolicy:
        return self._context.policy

    @property
    def remembered(self) -> int:
        """The number of lines whose repetition would be recognised now."""
        return len(self._seen)

    # Messages.  An envelope has the line as it came, without its LF.

    def add_subnet(self, message: AddSubnet, envelope: Envelope) -> list[Effect]:
        """Handle ADD_SUBNET."""
        news = self._news(message.owner, envelope)
        return [] if news is None else self.subnets.add(message, news)

    def delete_subnet(self, message: DelSubnet, envelope: Envelope) -> list[Effect]:
        """Handle DEL_SUBNET."""
        news = self._news(message.owner, envelope)
        return [] if news is None else self.subnets.delete(message, news)

    def add_edge(self, message: AddEdge, envelope: Envelope) -> list[Effect]:
        """Handle ADD_EDGE; a neighbour's edge to us ends its dump."""
        source = envelope.source
        if (message.source, message.target) == (source.name, self._mesh.myself.name):
            self._dumping.discard(source)
        news = self._news(message.source, envelope)
        if news is not None:
            return self.edges.add(message, news)
        self.edges.repeated(message, source, envelope.now)
        return []

    def delete_edge(self, message: DelEdge, envelope: Envelope) -> list[Effect]:
        """Handle DEL_EDGE."""
        news = self._news(message.source, envelope)
        if news is not None:
            return self.edges.delete(message, news)
        self.edges.repeated(message, envelope.source, envelope.now)
        return []

    def key_changed(self, message: KeyChanged, envelope: Envelope) -> list[Effect]:
        """Handle KEY_CHANGED."""
        news = self._news(message.origin, envelope)
        return [] if news is None else self._key_changed(message, news)

    def _news(self, subject: str, envelope: Envelope) -> Envelope | None:
        """Return what is to be acted upon and passed on; None if it is a repetition.

        ``subject`` is the node that sends such a message, and again after a restart.
        """
        line, source, now = envelope.line, envelope.source, envelope.now
        if source in self._dumping:
            envelope = replace(envelope, in_dump=True)
        if self._seen.add(line, now):
            return envelope
        if self._said_anew(subject, envelope):
            return replace(envelope, line=self._with_new_nonce(line, now))
        self.duplicates += 1
        logs.scary.debug("Already seen request")
        return None

    def _said_anew(self, subject: str, envelope: Envelope) -> bool:
        """Tell whether a repeated line is news all the same.

        A tincd 1.0 that was killed and started again repeats its "random" nonces.  A
        line about a node that comes over that node's own connection is news if it was
        last heard before that connection.  Copies that come from other nodes stay
        repetitions, so no line goes round in circles.
        """
        since = self._connected.get(envelope.source)
        if since is None or subject != envelope.source.name:
            return False
        return self._seen.renew(envelope.line, envelope.now, since)

    def _with_new_nonce(self, line: bytes, now: float) -> bytes:
        """Return the line with a new nonce: other nodes have heard the old one, too."""
        number, _, rest = line.split(maxsplit=2)
        renewed = b"%s %x %s" % (number, self._context.nonce(), rest)
        self._seen.add(renewed, now)
        return renewed

    def _key_changed(self, message: KeyChanged, envelope: Envelope) -> list[Effect]:
        origin = self._mesh.nodes.get(message.origin)
        if origin is None:
            logs.always.error(
                "Got KEY_CHANGED from %s origin %s which does not exist",
                envelope.peer,
                message.origin,
            )
            return []
        # Our own name as origin changes nothing here, nor does one whose keys are those
        # of a session, but the line goes on as any.
        concerned = origin is not self._mesh.myself and not origin.has_sessions
        effects: list[Effect] = [KeyVoid(origin)] if concerned else []
        if not self.policy.tunnel_server:
            effects.append(forward(message.request, envelope))
        return effects

    def state_dump(self, neighbour: Node) -> Iterator[Message]:
        """Yield the messages of a dump for a new neighbour, but for the edge to it.

        Each message has the state of the moment when it is asked for.  The mesh may
        change before the next one: the neighbour hears of that change as all others do,
        so entries that are new since then need not be in the dump.
        """
        if self.policy.tunnel_server:
            yield from self.subnets.dump(self._mesh.myself)
            return
        for name in sorted(self._mesh.nodes):
            node = self._mesh.nodes.get(name)
            if node is not None:
                yield from self.subnets.dump(node)
                yield from self.edges.dump(node, neighbour)

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
        return self.edges.link_up(node, address, options, weight, now)

    def connection_down(self, node: Node, *, report: bool) -> list[Effect]:
        """Remove our edge to a node whose connection has ended.

        With ``report`` a DEL_EDGE is sent to all, and if the effects ask for it, the
        second step, :meth:`EdgeRules.withdraw_reverse`, follows after the graph run.
        """
        self._connected.pop(node, None)
        self._dumping.discard(node)
        return self.edges.link_down(node, report)

    # Walks through whole tables.  The mesh is changed when an effect is asked for, and
    # other events may change it before the next effect.

    def purge(self) -> Iterator[Effect]:
        """Withdraw subnets and edges of unreachable nodes, and forget these nodes."""
        logs.protocol.debug("Purging unreachable nodes")
        for node in self._mesh.sorted_nodes():
            if node.reachable:
                continue
            logs.scary.debug("Purging node %s", node.label)
            yield from self.subnets.purge(node)
            yield from self.edges.purge_edges(node)
        yield from self.edges.purge_nodes()

    def tick(self, now: float) -> Iterator[Effect]:
        """Age learned MACs and seen requests; due every PingTimeout seconds."""
        self._seen.expire(now)
        self._context.notices.renew()
        self.edges.age()
        yield from self.subnets.expire_learned(now)
