"""A small mesh for the tests of the rules: alpha between two neighbours.

alpha is us, ``peer`` and ``other`` are connected to us, ``far`` lies behind ``peer``,
and ``ghost`` is known by name only.  Nonces count up from 0x100.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.control.context import Envelope, GossipPolicy, Limits
from tincd_compat.control.effects import CheckReverse, Effect, Forward, GraphChanged
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.seen import SeenRequests
from tincd_compat.control.table import MessageRow, message_table
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta import messages

PLACES = {
    "alpha": SocketAddress("10.99.0.1", 6551),
    "peer": SocketAddress("10.99.0.2", 7001),
    "other": SocketAddress("10.99.0.3", 7002),
    "far": SocketAddress("10.99.0.4", 7003),
}
OPTIONS = 0xC
PEER = "peer (127.0.0.1 port 54924)"
NORMAL = GossipPolicy()
STRICT = GossipPolicy(strict_subnets=True)
TUNNEL_SERVER = GossipPolicy(tunnel_server=True)
GROWN = GraphChanged(loss=False)
SHRUNK = GraphChanged(loss=True)


def passed_on(line: bytes) -> Forward:
    """Return what passes a received line on."""
    return Forward(line, messages.Request(messages.request_number(line)))


def subnet(text: str) -> Subnet:
    parsed = Subnet.parse(text)
    assert parsed is not None
    return parsed


def link(mesh: Mesh, first: str, second: str, weight: int = 5) -> None:
    for source, target in ((first, second), (second, first)):
        ends = mesh.get_or_add(source), mesh.get_or_add(target)
        mesh.add_edge(*ends, PLACES[target], OPTIONS, weight)


def small_mesh() -> Mesh:
    mesh = Mesh("alpha")
    for pair in (("alpha", "peer"), ("alpha", "other"), ("peer", "far")):
        link(mesh, *pair)
    mesh.get_or_add("ghost")
    for owner, text in (
        ("alpha", "10.1.0.0/24"),
        ("peer", "10.2.0.0/24"),
        ("far", "10.4.0.0/24"),
        ("ghost", "10.5.0.0/24"),
    ):
        mesh.subnets.add(mesh.nodes[owner], subnet(text))
    graph.run(mesh)
    return mesh


def table_of(gossip: Gossip, mesh: Mesh) -> Mapping[type[messages.Message], MessageRow]:
    """Return the table of a daemon that knows no key."""
    exchange = KeyExchange(
        mesh,
        tunnel_server=False,
        udp_confirmed=lambda _node: False,
        nonce=lambda: 0,
        key_expire=3600,
        now=0,
    )
    return message_table(gossip, exchange)


class World:
    """The mesh, the rules, and a daemon that does no more than run the graph."""

    def __init__(
        self, policy: GossipPolicy = NORMAL, limits: Limits | None = None
    ) -> None:
        self.mesh = small_mesh()
        nonces = count(0x100)
        self.seen = SeenRequests(60)
        self.gossip = Gossip(self.mesh, policy, self.seen, lambda: next(nonces), limits)
        self.table = table_of(self.gossip, self.mesh)

    def __getitem__(self, name: str) -> Node:
        return self.mesh.nodes[name]

    def hear(self, line: str, source: str = "peer", now: float = 0) -> list[Effect]:
        """Handle one line that a neighbour sent over its connection."""
        raw = line.encode("latin-1")
        message = messages.parse(raw)
        envelope = Envelope(raw, self[source], PEER, now)
        return self.table[type(message)].rule(message, envelope)

    def settle(self, effects: list[Effect]) -> list[Effect]:
        """Run the graph where effects ask for it; return them with what follows."""
        done: list[Effect] = []
        for effect in effects:
            done.append(effect)
            if isinstance(effect, GraphChanged):
                flips = graph.run(self.mesh).flips
                lost = [each.node for each in flips if not each.up]
                graph.settle_down(self.mesh, lost)
            elif isinstance(effect, CheckReverse):
                done += self.gossip.edges.withdraw_reverse(effect.node)
        return done

    def edges(self) -> set[str]:
        return {f"{edge.source.name}-{edge.target.name}" for edge in self.mesh.edges()}

    def subnets(self) -> set[str]:
        return {f"{owner.name} {item}" for item, owner in self.mesh.subnets.all()}
