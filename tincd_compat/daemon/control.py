"""The performer of the control plane: rules return effects, and they are done here.

A node that comes or goes by a message does so at once, but the graph is not run for
each message.  One run serves all messages of one turn, and of several under a storm.
The graph runs first where a message depends on it: keys and packets do not take a path
that is broken.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control import effects as fx
from tincd_compat.control.context import Envelope
from tincd_compat.control.gossip import Gossip, link_weight
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.table import Settle, message_table
from tincd_compat.daemon.graphruns import MANY, GraphRuns
from tincd_compat.daemon.scriptevents import MeshEvents
from tincd_compat.daemon.slices import LATER, Begin, at_once
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.messages import (
    AnsKey,
    DelEdge,
    Message,
    ReqKey,
    Request,
    request_number,
)
from tincd_compat.observe.words import Unreachable
from tincd_compat.tunnel.tunnel import KeyFields
from tincd_compat.tunnel.tunnels import Tunnels

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.daemon.sessionplane import SessionPlane
    from tincd_compat.meta.connection import Activated

#: Effects of a walk between two looks at the links, and the pauses of so many seconds
#: that it makes at most because one of them is congested.
EFFECTS_AT_ONCE: Final = 64
PAUSE: Final = 0.01
MAX_PAUSES: Final = 500


class LostNodes(NamedTuple):
    """Why nodes became unreachable, and the name of the one that was lost first."""

    reason: Unreachable | None = None
    first: str | None = None


_NOTHING_LOST: Final = LostNodes()


class ControlPlane:
    """The control plane: gossip and key messages, and the effects of both."""

    def __init__(
        self,
        mesh: Mesh,
        gossip: Gossip,
        exchange: KeyExchange,
        links: LinkTable,
        tunnels: Tunnels,
        events: MeshEvents,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
        begin: Begin = at_once,
        sessions: SessionPlane | None = None,
    ) -> None:
        """``call_later(seconds, function)`` allows graph runs to be put off.

        ``begin(subject, work)`` does what may take long, an iterator, in small steps.
        ``sessions`` is None in a daemon without an Ed25519 key.
        """
        self.mesh = mesh
        self.gossip = gossip
        self._exchange = exchange
        self._links = links
        #: Keys and path MTUs of all nodes.
        self.tunnels = tunnels
        self._sessions = sessions
        if sessions is not None:
            sessions.link_towards = self._link_towards
        self._events = events
        self._clock = clock
        self._begin = begin
        self._call_later = call_later
        self._corrections_planned = False
        self.runs = GraphRuns(self._run_graph, clock, call_later)
        #: Called when nodes came or went, or the graph was searched.
        self.changed: Callable[[], None] = lambda: None
        #: Called for each node that has left the tables.
        self.forgot: Callable[[Node], None] = lambda node: None
        #: Why nodes become unreachable just now, and the first of them.
        self.loss = _NOTHING_LOST
        self._table = message_table(gossip, exchange)

    # Messages.

    def handle(self, link: Link, message: Message, line: bytes) -> None:
        """Act on one message from an active connection."""
        row = self._table.get(type(message))
        if row is None or link.node is None:
            return
        self.loss = _NOTHING_LOST
        if isinstance(message, DelEdge):
            self.loss = LostNodes(Unreachable.EDGE_GONE, message.target)
        self._settle_first(row.first)
        envelope = Envelope(line, link.node, link, self._clock())
        self.perform(row.rule(message, envelope), link)

    def _settle_first(self, first: Settle) -> None:
        if first is Settle.LOSSES:
            self.runs.settle_losses()
        elif first is Settle.DETOURS:
            self.runs.settle_detours()

    def perform(self, found: Iterable[fx.Effect], source: Link | None = None) -> None:
        """Carry out effects in their order; ``source`` brought the message."""
        for effect in found:
            match effect:
                # First what most messages of a flood bring about.
                case fx.Forward(line, request):
                    self._forward(line, request, source)
                case fx.GraphChanged(loss, detour, flips):
                    count = 0 if flips is None else len(flips)
                    if flips is not None and count:
                        self._flip(flips)
                    unknown = loss and flips is None
                    self.runs.change(loss=unknown, detour=detour, flips=count)
                case fx.Announce(message):
                    self._announce(message)
                case fx.Reply(message):
                    if source is not None:
                        source.send(message)
                case fx.Relay(node, line):
                    self._relay(node, line)
                case fx.SendKey(node):
                    self._send_key(node)
                case fx.KeyRequested(node, request):
                    if self.tunnels.key_requested(node, request.methods):
                        self.request_key(node)
                    self._send_key(node)
                case fx.KeyReceived(node, answer):
                    self._install_key(node, answer)
                case fx.KeyVoid(node):
                    self.tunnels.void_key(node)
                case (
                    fx.SendTowards()
                    | fx.SessionReady()
                    | fx.SessionRecord()
                    | fx.KeyLearned()
                    | fx.AddressSeen()
                ):
                    assert self._sessions is not None
                    self._sessions.perform((effect,))
                case fx.SubnetUp(node, subnet):
                    self._events.subnets(node, (subnet,), True, node.address)
                case fx.SubnetDown(node, subnet):
                    self._events.subnets(node, (subnet,), False, node.address)
                case fx.CheckReverse(node):
                    self._check_reverse(node)
                case fx.NodeForgotten(node):
                    self.tunnels.forget(node)
                    self.forgot(node)

    def _forward(self, line: bytes, request: Request, source: Link | None) -> None:
        links = self._links.active()
        if source in links:
            links.remove(source)
        for link in links:
            link.send_line(line)
        self._links.told_everyone(request, len(links))

    def _announce(self, message: Message) -> None:
        line = message.encode()
        name = message.request.name
        if logs.meta.isEnabledFor(logging.DEBUG):
            text = line.decode("latin-1")
            logs.meta.debug("Sending %s to everyone (BROADCAST): %s", name, text)
        else:
            logs.protocol.debug("Sending %s to everyone (BROADCAST)", name)
        links = self._links.active()
        for link in links:
            link.send_line(line)
        self._links.told_everyone(message.request, len(links))

    def _relay(self, node: Node, line: bytes) -> None:
        link = self._link_towards(node)
        if link is not None:
            link.send_line(line, Request(request_number(line)))

    def _link_towards(self, node: Node) -> Link | None:
        # While a new neighbour is known by a detour only, keys that go there and keys
        # that come over the link would overtake each other.
        direct = self._links.of(node)
        if direct is not None or node.nexthop is None:
            return direct
        return self._links.of(node.nexthop)

    def _check_reverse(self, node: Node) -> None:
        # Whoever is linked to us is reachable, and no run has to say so.
        if self._links.of(node) is None:
            self.runs.settle_losses()
            self.perform(self.gossip.edges.withdraw_reverse(node))

    def _send_key(self, node: Node) -> None:
        """Send a new key; it replaces the old, so only if it can leave."""
        link = self._link_towards(node)
        if link is not None and self._exchange.gives_key(node):
            key = self.tunnels.new_key(node, self._clock())
            link.send(
                AnsKey(
                    self.mesh.myself.name,
                    node.name,
                    key.key,
                    key.cipher,
                    key.digest,
                    key.maclength,
                    key.compression,
                )
            )

    def _install_key(self, node: Node, answer: AnsKey) -> None:
        """Use a key for packets to that node, and the address that others see it at."""
        key = KeyFields(
            answer.key,
            answer.cipher,
            answer.digest,
            answer.maclength,
            answer.compression,
        )
        if not self.tunnels.install_key(node, key, self._clock()):
            return
        if answer.address is not None and answer.port is not None:
            address = SocketAddress.parse(answer.address, answer.port)
            if address is not None:
                text = "Using reflexive UDP address from %s: %s"
                logs.protocol.debug(text, node.name, address)
                self.tunnels.of(node).reflexive = address
                self.mesh.set_address(node, address)
        self.tunnels.search_mtu(node)

    def request_key(self, node: Node) -> None:
        """Ask a reachable node for its key, or for a session."""
        if self._sessions is not None and node.has_sessions:
            self._sessions.want(node)
            return
        link = self._link_towards(node)
        if link is not None:
            methods = self.tunnels.new_request(node, self._clock())
            link.send(ReqKey(self.mesh.myself.name, node.name, methods))

    # The graph.

    def settle(self) -> None:
        """Run the graph if edges changed, and act on nodes that came or went."""
        self.runs.settle()

    def batch_done(self) -> None:
        """Note that all messages of one turn have been handled."""
        self.runs.batch_done()
        self._plan_corrections()

    def settle_detours(self) -> None:
        """Run the graph if a path leads over an edge that has gone."""
        self.runs.settle_detours()

    def _run_graph(self) -> None:
        if flips := graph.run(self.mesh).flips:
            self._flip(flips)
        else:
            self.changed()

    def _flip(self, flips: graph.Flips) -> None:
        """Act on nodes that came or went."""
        self.tunnels.nodes_changed(flips.nodes)
        self._forget_sessions(flips.nodes)
        if self.tunnels.outdated:
            self._begin("tunnels", self._reset_tunnels())
        self._events.nodes(flips, self.mesh.subnets.of)
        graph.settle_down(self.mesh, flips.nodes)
        for node in filter(self._links.of, flips.nodes):
            if node.reachable:
                self._offer_key(node)
        self.changed()

    def _forget_sessions(self, nodes: Iterable[Node]) -> None:
        if self._sessions is not None:
            self._sessions.forget(nodes)

    def hosts_changed(self) -> None:
        """Host files may say other keys of nodes than before."""
        if self._sessions is not None:
            self._sessions.hosts_changed()

    def _reset_tunnels(self) -> Iterator[float | None]:
        if self.tunnels.outdated > MANY:
            # The turn in which so many come or go is long without that.
            yield LATER
        yield from self.tunnels.reset_outdated()

    def _offer_key(self, neighbour: Node) -> None:
        """Send a neighbour that has just come up a key that it has not asked for."""
        if neighbour.has_sessions:
            return
        if self.tunnels.introduces(neighbour):
            self.request_key(neighbour)
        self._send_key(neighbour)

    # Links coming and going.

    def link_up(self, link: Link, event: Activated, bits: int) -> None:
        """Send a new neighbour the dump, and everybody the new edge."""
        node = link.node
        assert node is not None
        self.runs.settle_losses()
        link.send_dump(self.gossip.state_dump(node))
        weight = link_weight(event.my_weight, event.weight)
        found = self.gossip.connection_up(
            node, link.address, event.port, weight, bits, self._clock()
        )
        self.perform(found, link)
        self.settle()

    def link_down(self, node: Node, report: bool, settle: bool = True) -> None:
        """Remove our edge; then its reverse, if that cuts the node off.

        Without ``settle`` the daemon is about to end, and the graph is run later.
        """
        self.loss = LostNodes(Unreachable.LINK_DOWN, node.name)
        for effect in self.gossip.connection_down(node, report=report):
            if settle and isinstance(effect, fx.CheckReverse):
                # The opposite edge is there when the graph runs; a dump shows that.
                self.settle()
            self.perform((effect,))
        if not settle:
            return
        self.settle()
        if node.reachable:
            # By a detour, or so old words of others have it: it may have been restarted
            # and have forgotten its keys.
            self._forget_sessions((node,))
            self.tunnels.restarted(node)

    # Walks through whole tables.

    def purge(self) -> None:
        """Forget what is unreachable."""
        self._begin("purge", self.walk(self.gossip.purge))

    def walk(self, rule: Callable[[], Iterable[fx.Effect]]) -> Iterator[float | None]:
        """Perform what a rule finds on its way through a table, one effect each step.

        What a rule withdraws depends on who is reachable, and messages that change it
        may arrive between two steps.
        """
        self.runs.settle_losses()
        for pause in self._as_links_take_it(rule()):
            yield pause
            self.runs.settle_losses()

    def _as_links_take_it(self, found: Iterable[fx.Effect]) -> Iterator[float | None]:
        """Perform effects no faster than the links take their messages.

        A link that takes nothing ends before the patience of this walk does.
        """
        for number, effect in enumerate(found, 1):
            self.perform((effect,))
            yield None
            pauses = 0 if number % EFFECTS_AT_ONCE else MAX_PAUSES
            while pauses and self._links.congested:
                pauses -= 1
                yield PAUSE

    # Time.

    def tick(self, now: float) -> int:
        """Do the periodic work; return the seconds to rest if our name is taken."""
        self._begin("keys", self._look_after_keys(now))
        if self._sessions is not None:
            self._begin("sessions", self._sessions.tick(now))
        self._begin("tick", self._upkeep(self.gossip.tick(now)))
        renewal = self._exchange.tick(now)
        if renewal:
            self.tunnels.expire_keys()
        self.perform(renewal)
        return self.gossip.edges.pause(now)

    def _look_after_keys(self, now: float) -> Iterator[None]:
        """Forget replaced keys; renew ours where a node's numbers get too large."""
        worn = False
        for used_up in self.tunnels.look_after_keys(now):
            worn = worn or used_up
            yield
        if worn:
            self.expire_keys_now()

    def _plan_corrections(self) -> None:
        """See to it that edges are corrected in time, however rare ticks are."""
        if self._corrections_planned or self._call_later is None:
            return
        due = self.gossip.edges.next_timer()
        if not math.isinf(due):
            self._corrections_planned = True
            self._call_later(max(due - self._clock(), 0), self._correct)

    def _correct(self) -> None:
        self._begin("corrections", self._corrections())

    def _corrections(self) -> Iterator[float | None]:
        try:
            yield from self._upkeep(self.gossip.edges.corrections(self._clock()))
        finally:
            self._corrections_planned = False
        self._plan_corrections()

    def _upkeep(self, found: Iterable[fx.Effect]) -> Iterator[float | None]:
        for pause in self._as_links_take_it(found):
            if pause:
                # Links make the rest wait, but not the paths of packets.
                self.batch_done()
            yield pause
        self.batch_done()

    def learn_mac(self, mac: bytes, now: float) -> None:
        """Announce a MAC address behind our device, if it is new."""
        self.perform(self.gossip.subnets.learn(mac, now))

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        """Withdraw a MAC address that is not behind our device any longer."""
        self.perform(self.gossip.subnets.heard_elsewhere(mac, now))

    def expire_keys_now(self) -> None:
        """Renew the keys at the next tick: a peer's packet numbers get too large."""
        self._exchange.expire_now(self._clock())


def new_nonce() -> int:
    """Return the 31 random bits that make every announcement unique."""
    return secrets.randbits(31)
