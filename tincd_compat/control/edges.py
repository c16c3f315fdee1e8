"""ADD_EDGE and DEL_EDGE: accept, correct, pass on; the edges of our own connections.

An address or port that is not numeric makes every tincd 1.0 that computes a path over
the edge abort, so such an edge is neither kept nor passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.contested import ECHO, ContestedEdges
from tincd_compat.control.context import Context, Envelope, forward
from tincd_compat.control.deferred import DeferredUpdate, DeferredUpdates, rank, rank_of
from tincd_compat.control.effects import (
    Announce,
    CheckReverse,
    Effect,
    GraphChanged,
    NodeForgotten,
    Relay,
    Reply,
)
from tincd_compat.mesh import graph, reach
from tincd_compat.mesh.node import Edge, Node
from tincd_compat.meta.messages import AddEdge, DelEdge

#: More contradictions of each kind than this per tick mean that a node uses our name.
MAX_CONTRADICTIONS: Final = 100
#: Seconds of the first pause; each further pause is twice as long, up to the longest.
FIRST_REST: Final = 10
LONGEST_REST: Final = 3600


class EdgeRules:
    """The rules for edges.  Methods change the mesh and return what is left to do."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._mesh = context.mesh
        self.contradicting_adds = 0
        self.contradicting_dels = 0
        self._pause = FIRST_REST
        self._silent_until = float("-inf")
        self._contested = ContestedEdges()
        self._deferred = DeferredUpdates()
        #: When all nodes know of our latest link, and when they know of each link.
        self._settled_at = float("-inf")
        self._link_settled_at: dict[str, float] = {}

    def add(self, message: AddEdge, envelope: Envelope) -> list[Effect]:
        """Handle ADD_EDGE."""
        if self._is_indirect(message, envelope):
            return []
        address = SocketAddress.parse(message.address, message.port)
        if address is None and message.source != self._mesh.myself.name:
            self._refuse_address(message, envelope)
            return []
        source = self._context.node(message.source, envelope)
        target = self._context.node(message.target, envelope)
        if source is None or target is None:
            return []
        edge = source.edges.get(target.name)
        if edge is not None and _matches(edge, message, address):
            return self._confirm(message, envelope)
        if source is self._mesh.myself or address is None:
            return self._contradict_add(edge, target, message.weight, envelope)
        if self._is_deferred(message, source, envelope):
            return []
        self._deferred.settle(source.name, target.name)
        if edge is None:
            return self._add(message, source, target, address, envelope)
        logs.protocol.warning(
            "Got ADD_EDGE from %s which does not match existing entry", envelope.peer
        )
        edge.weight = message.weight
        edge.options = message.options
        edge.address = address
        return [*self._forward(message, envelope), GraphChanged(loss=False)]

    def _add(
        self,
        message: AddEdge,
        source: Node,
        target: Node,
        address: SocketAddress,
        envelope: Envelope,
    ) -> list[Effect]:
        if not self._context.room_for_edge(source, envelope):
            return []
        effects = self._forward(message, envelope)
        edge = self._context.add_edge(
            source, target, address, message.options, message.weight
        )
        return [*effects, self._joined(edge)]

    def delete(self, message: DelEdge, envelope: Envelope) -> list[Effect]:
        """Handle DEL_EDGE."""
        if self._is_indirect(message, envelope):
            return []
        source = self._mesh.nodes.get(message.source)
        target = self._mesh.nodes.get(message.target)
        missing = "Got DEL_EDGE from %s which does not appear in the edge tree"
        if source is None or target is None:
            logs.protocol.error(missing, envelope.peer)
            return []
        edge = source.edges.get(target.name)
        denied = self._deferred.settle(source.name, target.name)
        if edge is None:
            logs.protocol.warning(missing, envelope.peer)
            # A neighbour that announced the edge has to hear that it is gone.
            return self._forward(message, envelope) if denied else []
        if source is self._mesh.myself:
            logs.protocol.warning("Got DEL_EDGE from %s for ourself", envelope.peer)
            self.contradicting_dels += 1
            noted = self._contested.note(target.name, envelope.now)
            # A node that believes this message loses traffic, so it is corrected at
            # once.  Only about a young link may the message be an old one.
            young = envelope.now < self._link_settled_at.get(target.name, 0)
            return self._correct(self.describe(edge), envelope, noted and young)
        effects = self._forward(message, envelope)
        self._context.remove_edge(edge)
        effects.append(self._lost(edge))
        return effects + self._check_reverse(target)

    def link_up(
        self,
        node: Node,
        address: SocketAddress,
        options: int,
        weight: int,
        now: float,
    ) -> list[Effect]:
        """Add and announce the edge to a node whose connection became active."""
        edge = self._context.add_edge(self._mesh.myself, node, address, options, weight)
        if node.address == address:
            # The connection has proved the address, whatever other nodes said of it.
            self._mesh.set_address(node, address)
        message = self.describe(edge)
        self._contested.put_off(node.name, now)
        self._settled_at = self._link_settled_at[node.name] = now + ECHO
        if self._context.policy.tunnel_server:
            return [Reply(message), self._joined(edge)]
        effects: list[Effect] = [Announce(message), self._joined(edge)]
        if (
            self._contested.was_withdrawn(node.name)
            and len(self._mesh.myself.edges) > 1
        ):
            # Our DEL_EDGE of the reverse edge may overtake the peer's ADD_EDGE on some
            # path.  Only the peer can mend that, and a contradiction makes it do so.
            ends = node.name, self._mesh.myself.name
            effects.append(Reply(DelEdge(self._context.nonce(), *ends)))
        return effects

    def link_down(self, node: Node, report: bool) -> list[Effect]:
        """Remove the edge to a node whose connection has ended."""
        self._deferred.forget(node)
        edge = self._mesh.myself.edges.get(node.name)
        if edge is None:
            return []
        self._link_settled_at.pop(node.name, None)
        effects = self._withdraw(edge, announce=report)
        effects.append(self._lost(edge))
        return effects + self._check_reverse(node) if report else effects

    def withdraw_reverse(self, node: Node) -> list[Effect]:
        """Remove the edge to us of a node that the last run found unreachable.

        The node itself cannot withdraw the edge, and no other node would.
        """
        edge = node.edges.get(self._mesh.myself.name)
        if edge is None or node.reachable:
            return []
        self._contested.note_withdrawn(node.name)
        return self._withdraw(edge)

    def purge_edges(self, node: Node) -> Iterator[Effect]:
        """Withdraw the edges of an unreachable node."""
        for edge in node.sorted_edges():
            if node.reachable:
                return
            if node.edges.get(edge.target.name) is edge:
                yield from self._withdraw(edge)

    def purge_nodes(self) -> Iterator[Effect]:
        """Forget the unreachable nodes without edges, subnets or edges to them."""
        for node in self._mesh.sorted_nodes():
            if not (node.reachable or self._mesh.needed(node)):
                self._mesh.remove_node(node)
                yield NodeForgotten(node)

    def age(self) -> None:
        """Forget what old floods may have said; called once per tick."""
        self._contested.age()

    def next_timer(self) -> float:
        """Return when :meth:`corrections` has something to do; never is infinite."""
        deferred = self._deferred.next_timer()
        if self._context.policy.tunnel_server:
            return deferred
        return min(deferred, max(self._contested.next_timer(), self._silent_until))

    def corrections(self, now: float) -> Iterator[Effect]:
        """Send the states of edges that others have wrong, as far as that is known."""
        yield from self._resolve_contested(now)
        yield from self._judge_deferred(now)

    def _resolve_contested(self, now: float) -> Iterator[Effect]:
        """Announce contested edges of ours anew."""
        if now < self._silent_until or self._context.policy.tunnel_server:
            return
        for name in self._contested.settled(now):
            edge = self._mesh.myself.edges.get(name)
            weight = self._contested.resolve(name, edge.weight if edge else 0)
            if edge is not None:
                edge.weight = weight
                yield Announce(self.describe(edge))
                yield GraphChanged(loss=False)
            else:
                yield Announce(self._no_edge_to(name))

    def _judge_deferred(self, now: float) -> Iterator[Effect]:
        """Settle deferred updates that no message has settled.

        The two ends of a link have different states of an edge, and one end has to send
        its state to the other, this time as news.  If both did so at once, they would
        swap their states.  So the end with the greater rank sends first, a missing edge
        being the greatest; the other end only if nothing arrived after some more time,
        since a tincd 1.0 defers nothing.  If the wrong state prevails, it reaches the
        owner of the edge, which corrects it.
        """
        for word in self._deferred.due(now):
            yield from self._judge(word, now)

    def _judge(self, word: DeferredUpdate, now: float) -> list[Effect]:
        message = word.message
        source = self._mesh.nodes.get(message.source)
        target = self._mesh.nodes.get(message.target)
        if source is None or target is None:
            return []
        edge = source.edges.get(target.name)
        ours, theirs = rank(edge), rank_of(message)
        if ours == theirs:
            return []
        if ours < theirs and not word.final:
            self._deferred.hold_on(word, now)
            return []
        if edge is not None:
            return [Relay(word.neighbour, self.describe(edge).encode())]
        # An edge that may be the only way to its target is not withdrawn.
        if target.reachable:
            denial = DelEdge(self._context.nonce(), source.name, target.name)
            return [Relay(word.neighbour, denial.encode())]
        return self._believe(message, source, target)

    def _believe(
        self, message: AddEdge | DelEdge, source: Node, target: Node
    ) -> list[Effect]:
        assert isinstance(message, AddEdge)
        address = SocketAddress.parse(message.address, message.port)
        if address is None or self._context.edges_full:
            return []
        edge = self._context.add_edge(
            source, target, address, message.options, message.weight
        )
        return [Announce(self.describe(edge)), self._joined(edge)]

    def repeated(self, message: AddEdge | DelEdge, neighbour: Node, now: float) -> None:
        """Compare our table with a line that is a repetition.

        The neighbour passes on only what is news to it, so the line says what its table
        has now.
        """
        source = self._mesh.nodes.get(message.source)
        if source is None or message.target not in self._mesh.nodes:
            return
        if self._context.policy.tunnel_server:
            return
        edge = source.edges.get(message.target)
        if rank(edge) == rank_of(message):
            self._deferred.agree(message.source, message.target, neighbour)
        elif source is self._mesh.myself:
            weight = message.weight if isinstance(message, AddEdge) else None
            self._contested.note(message.target, now, weight)
        else:
            self._deferred.hold(message, neighbour, now)

    def dump(self, source: Node, neighbour: Node) -> Iterator[AddEdge]:
        """Yield the messages about a node's edges, without those lost in the meantime.

        Our own edge to the neighbour is left out: it follows the dump and ends it.
        """
        for edge in tuple(source.sorted_edges()):
            if source.edges.get(edge.target.name) is not edge:
                continue
            if edge.target is not neighbour or source is not self._mesh.myself:
                yield self.describe(edge)

    def describe(self, edge: Edge) -> AddEdge:
        """Return the message that announces an edge."""
        host, port = edge.address.host, str(edge.address.port)
        ends = edge.source.name, edge.target.name
        nonce = self._context.nonce()
        return AddEdge(nonce, *ends, host, port, edge.options, edge.weight)

    def pause(self, now: float) -> int:
        """Judge the contradictions since the last call; called once per tick.

        The answer is for how many seconds no ConnectTo should be dialled, mostly 0.
        During a pause our own edges are not defended; packets of all nodes go on.
        """
        adds, dels = self.contradicting_adds, self.contradicting_dels
        self.contradicting_adds = self.contradicting_dels = 0
        if now < self._silent_until:
            return 0
        if adds <= MAX_CONTRADICTIONS or dels <= MAX_CONTRADICTIONS:
            self._pause = max(FIRST_REST, self._pause // 2)
            return 0
        pause = self._pause
        logs.always.warning(
            "Possible node with same Name as us! Sleeping %d seconds.", pause
        )
        self._pause = min(pause * 2, LONGEST_REST)
        self._silent_until = now + pause
        return pause

    def _is_indirect(self, message: AddEdge | DelEdge, envelope: Envelope) -> bool:
        """Tell whether TunnelServer makes us ignore the edge."""
        if not self._context.policy.tunnel_server:
            return False
        neighbours = {self._mesh.myself.name, envelope.source.name}
        if not neighbours.isdisjoint((message.source, message.target)):
            return False
        name = message.request.name
        logs.protocol.warning("Ignoring indirect %s from %s", name, envelope.peer)
        return True

    def _is_deferred(self, message: AddEdge, source: Node, envelope: Envelope) -> bool:
        """Defer an update from a dump if the edge's own node can tell us by itself."""
        if not envelope.in_dump or envelope.source is source:
            return False
        if not (source.reachable or source.name in self._mesh.myself.edges):
            return False
        return self._deferred.hold(message, envelope.source, envelope.now)

    def _confirm(self, message: AddEdge, envelope: Envelope) -> list[Effect]:
        """Pass on an edge that we know already, if a neighbour is known to differ."""
        if envelope.in_dump or not self._deferred.settle(
            message.source, message.target
        ):
            return []
        return self._forward(message, envelope)

    def _refuse_address(self, message: AddEdge, envelope: Envelope) -> None:
        self._context.notices.warn(
            f"address {message.source} {message.target}",
            "Ignoring ADD_EDGE from %s: %s to %s has no numeric address: %s port %s",
            envelope.peer,
            message.source,
            message.target,
            message.address,
            message.port,
        )

    def _contradict_add(
        self, edge: Edge | None, target: Node, weight: int, envelope: Envelope
    ) -> list[Effect]:
        noted = self._contested.note(target.name, envelope.now, weight)
        if edge is not None:
            logs.protocol.warning(
                "Got ADD_EDGE from %s for ourself which does not match existing entry",
                envelope.peer,
            )
            return self._correct(self.describe(edge), envelope, noted)
        logs.protocol.warning(
            "Got ADD_EDGE from %s for ourself which does not exist", envelope.peer
        )
        self.contradicting_adds += 1
        return self._correct(self._no_edge_to(target.name), envelope, noted)

    def _correct(
        self, truth: AddEdge | DelEdge, envelope: Envelope, noted: bool
    ) -> list[Effect]:
        """Contradict the sender at once, unless that would only feed a storm.

        While links of ours come up, floods about our edges are under way, and a node
        that is wrong now will most likely get the right one before our answer.  A
        contested edge is announced to all nodes when the floods have died down.
        """
        if envelope.now < self._silent_until:
            return []
        later = noted and not self._context.policy.tunnel_server
        return [] if later and envelope.now < self._settled_at else [Reply(truth)]

    def _no_edge_to(self, name: str) -> DelEdge:
        return DelEdge(self._context.nonce(), self._mesh.myself.name, name)

    def _forward(self, message: AddEdge | DelEdge, envelope: Envelope) -> list[Effect]:
        if self._context.policy.tunnel_server:
            return []
        return [forward(message.request, envelope)]

    def _joined(self, edge: Edge) -> GraphChanged:
        return GraphChanged(loss=False, flips=reach.join(self._mesh, edge))

    def _lost(self, edge: Edge) -> GraphChanged:
        flips = reach.lose(self._mesh, edge)
        if flips is None:
            return GraphChanged(loss=True)
        detour = not flips and graph.relied_on(edge)
        return GraphChanged(bool(flips), detour, flips)

    def _check_reverse(self, node: Node) -> list[Effect]:
        return [CheckReverse(node)] if self._mesh.myself.name in node.edges else []

    def _withdraw(self, edge: Edge, announce: bool = True) -> list[Effect]:
        self._context.remove_edge(edge)
        if not announce or self._context.policy.tunnel_server:
            return []
        ends = edge.source.name, edge.target.name
        return [Announce(DelEdge(self._context.nonce(), *ends))]


def _matches(edge: Edge, message: AddEdge, address: SocketAddress | None) -> bool:
    known = (edge.weight, edge.options, edge.address)
    return known == (message.weight, message.options, address)
