"""A control plane whose graph waits or runs after every message, and its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, cast

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.control.context import GossipPolicy
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.seen import SeenRequests
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.control import ControlPlane
from tincd_compat.daemon.scriptevents import ScriptEvents
from tincd_compat.mesh import graph
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.messages import Message, Request, parse
from tincd_compat.tunnel.tunnel import KeyFields, Parameters
from tincd_compat.tunnel.tunnels import Tunnels

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links


class Clock:
    """Time that passes when told to, and calls back."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, function: Callable[[], None]) -> None:
        self.due.append((self.now + delay, function))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.due.sort(key=lambda planned: planned[0])
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()


NEIGHBOURS = ("a", "b")
FAR = ("c", "d", "e")
NAMES = ("us", *NEIGHBOURS, *FAR)


def place(name: str) -> SocketAddress:
    return SocketAddress(f"10.0.0.{NAMES.index(name) + 1}", 655)


class KeyRing(Tunnels):
    """The keys that packets are sent with, by node: what a tunnel keeps and forgets."""

    def __init__(self) -> None:
        suite = Suite.configured("aes-256-cbc", "sha256", 4)
        super().__init__(Parameters(suite=suite), bytes)
        self.held: dict[str, str] = {}

    def new_key(self, node: Node, now: float) -> KeyFields:
        return KeyFields("00", 427, 672, 4, 0)

    def key_requested(self, node: Node, methods: tuple[str, ...]) -> bool:
        return False

    def introduces(self, node: Node) -> bool:
        return False

    def restarted(self, node: Node) -> None:
        self.void_key(node)

    def install_key(self, node: Node, key: KeyFields, now: float) -> bool:
        self.held[node.name] = key.key
        return True

    def void_key(self, node: Node) -> None:
        self.held.pop(node.name, None)

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.held.pop(node.name, None)


class Scripts(ScriptEvents):
    """Counts how often nodes went up and down."""

    def __init__(self) -> None:
        self.flips: Counter[tuple[str, bool]] = Counter()

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None:
        self.flips.update((node.name, up) for node, up, _ in flips)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None: ...


class Neighbour:
    """An active link; what is sent over it is kept by destination of the relay."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.sent: list[bytes] = []

    def __str__(self) -> str:
        return self.node.name

    def send(self, message: Message) -> None:
        self.sent.append(message.encode())

    def send_line(self, line: bytes, request: object = None) -> None:
        self.sent.append(line)


class World:
    """``us`` with two neighbours; ``eager`` runs the graph after every message."""

    def __init__(self, *, eager: bool) -> None:
        self._eager = eager
        self.mesh = Mesh("us")
        self.keys = KeyRing()
        self.scripts = Scripts()
        self.clock = Clock()
        self._neighbours = {
            name: Neighbour(self.mesh.get_or_add(name)) for name in NEIGHBOURS
        }
        for name in NEIGHBOURS:
            for ends in (("us", name), (name, "us")):
                nodes = self.mesh.get_or_add(ends[0]), self.mesh.get_or_add(ends[1])
                self.mesh.add_edge(*nodes, place(ends[1]), 0xC, 5)
        graph.run(self.mesh)
        nonces = count(0x10000)
        self.control = ControlPlane(
            self.mesh,
            Gossip(self.mesh, GossipPolicy(), SeenRequests(60), lambda: next(nonces)),
            KeyExchange(
                self.mesh,
                tunnel_server=False,
                udp_confirmed=lambda node: False,
                nonce=lambda: next(nonces),
                key_expire=3600,
                now=0,
            ),
            cast("Links", self),
            self.keys,
            self.scripts,
            self.clock.time,
            self.clock.call_later,
        )

    # What ControlPlane asks of Links.

    congested = False

    def active(self) -> list[Neighbour]:
        return list(self._neighbours.values())

    def told_everyone(self, request: Request, count: int) -> None:
        """Count nothing: what was said is looked at where it is heard."""

    def of(self, node: Node) -> Neighbour | None:
        return self._neighbours.get(node.name)

    def hear(self, *lines: str, source: str = "a") -> None:
        """Take lines that arrive in one read."""
        self.tell(*lines, source=source)
        self.control.batch_done()

    def tell(self, *lines: str, source: str = "a") -> None:
        """Take lines in the middle of a read."""
        link = self._neighbours[source]
        for line in lines:
            raw = line.encode()
            self.control.handle(cast("Link", link), parse(raw), raw)
            if self._eager:
                self.control.settle()

    def reachable(self) -> set[str]:
        return {name for name, node in self.mesh.nodes.items() if node.reachable}

    def usable_keys(self) -> dict[str, str]:
        """The keys of reachable nodes; the others lose theirs on coming back."""
        held, reachable = self.keys.held, self.reachable()
        return {name: key for name, key in held.items() if name in reachable}


def add(nonce: int, source: str, target: str) -> str:
    return f"12 {nonce:x} {source} {target} {place(target).host} 655 c 5"


def both(nonce: int, first: str, second: str) -> list[str]:
    return [add(nonce, first, second), add(nonce, second, first)]


def answer(source: str, key: str) -> str:
    return f"16 {source} us {key} 427 672 4 0"
