"""One simulated daemon: all of the control plane, nothing of the packets.

Links, dialling, gossip, graph and key exchange are the real ones, wired as the daemon
wires them.  Configuration comes from memory, scripts are counted, and instead of
tunnels there is :class:`KeyRing`, which knows which key either side believes in.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from tests.simulation.network import End, Network
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control.context import GossipPolicy
from tincd_compat.control.effects import Effect
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.seen import SeenRequests
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.control import ControlPlane
from tincd_compat.daemon.dialer import Dialer
from tincd_compat.daemon.hosts import HostFiles, link_options, own_options
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.scriptevents import ScriptEvents
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.errors import ConfigError
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.connection import Identity, PeerIdentity
from tincd_compat.meta.messages import Message
from tincd_compat.transport.tcp import AcceptLimit, Tarpit
from tincd_compat.tunnel.tunnel import KeyFields, Parameters
from tincd_compat.tunnel.tunnels import Tunnels

if TYPE_CHECKING:
    from tincd_compat.config.keys import PrivateKey

PORT = "655"
META_CIPHER = 421


class AddressBook(HostFiles):
    """The host files of everybody, in memory: where to call whom, and no keys."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(Path("/nonexistent"), ())
        self._addresses = {
            name: f"10.{number >> 8}.{number & 255}.1"
            for number, name in enumerate(names)
        }
        self._names = {address: name for name, address in self._addresses.items()}

    def address(self, name: str) -> str:
        return self._addresses[name]

    def name(self, address: str) -> str:
        return self._names[address]

    def read(self, name: str) -> HostSettings:
        if name not in self._addresses:
            raise ConfigError(f"no host file for {name}")
        return HostSettings(addresses=((self._addresses[name], PORT),))

    def identity(self, name: str, host: HostSettings, own: int) -> PeerIdentity:
        return PeerIdentity(None, host.weight, link_options(own, host))


SUITE = Suite.configured("aes-256-cbc", "sha256", 4)


class KeyRing(Tunnels):
    """The keys of one daemon, by node name: those given out and those received.

    It forgets and keeps what a tunnel forgets and keeps.
    """

    def __init__(self, name: str, incarnation: int) -> None:
        super().__init__(Parameters(suite=SUITE), bytes)
        self._name = name
        self._prefix = incarnation
        self._number = 0
        #: The key that packets from a node must use.
        self.given: dict[str, str] = {}
        #: Who has heard what we can seal with, since it can be reached.
        self.introduced: set[str] = set()
        #: The key that packets to a node use.
        self.received: dict[str, str] = {}

    def new_key(self, node: Node, now: float) -> KeyFields:
        self._number += 1
        key = f"{self._prefix:04X}{self._number:08X}"
        self.given[node.name] = key
        return KeyFields(key, 427, 672, 4, 0)

    def new_request(self, node: Node, now: float) -> tuple[str, ...]:
        self.introduced.add(node.name)
        return ("zstd",)

    def key_requested(self, node: Node, methods: tuple[str, ...]) -> bool:
        assert methods
        return node.name not in self.introduced

    def introduces(self, node: Node) -> bool:
        # Some want levels that have to be agreed on, some do not.
        return sum(self._name.encode()) % 2 == 0 and node.name not in self.introduced

    def restarted(self, node: Node) -> None:
        self.nodes_changed((node,))

    def install_key(self, node: Node, key: KeyFields, now: float) -> bool:
        self.received[node.name] = key.key
        return True

    def void_key(self, node: Node) -> None:
        self.received.pop(node.name, None)

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.void_key(node)
            self.introduced.discard(node.name)

    def expire_keys(self) -> None:
        self.given.clear()

    def forget(self, node: Node) -> None:
        self.given.pop(node.name, None)
        self.nodes_changed((node,))


class Scripts(ScriptEvents):
    """Counts the scripts that would run, and remembers who is up by them."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.up: set[str] = set()

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None:
        for node, up, address in flips:
            self.runs["host-up" if up else "host-down"] += 1
            assert (node.name in self.up) is not up
            (self.up.add if up else self.up.remove)(node.name)
            self.subnets(node, subnets(node), up, address)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        self.runs["subnet-up" if up else "subnet-down"] += sum(1 for _ in subnets)


class StrictMishaps(UnexpectedErrors):
    """Nothing unforeseen may happen."""

    def report(self, what: str, error: BaseException) -> None:
        raise AssertionError(what) from error


class CountedGossip(Gossip):
    """Counts the lines that new links begin with, and edges that come and go."""

    counts: Counter[str]

    def state_dump(self, neighbour: Node) -> Iterator[Message]:
        for message in super().state_dump(neighbour):
            self.counts["dumped"] += 1
            yield message

    def connection_up(
        self,
        node: Node,
        address: SocketAddress,
        port_text: str,
        weight: int,
        options: int,
        now: float,
    ) -> list[Effect]:
        self.counts["up"] += 1
        return super().connection_up(node, address, port_text, weight, options, now)

    def connection_down(self, node: Node, *, report: bool) -> list[Effect]:
        self.counts["down"] += 1
        return super().connection_down(node, report=report)


class Daemon:
    """A daemon that can be started, killed and started again.

    ``repeats_nonces`` gives every life the same nonces, as tincd 1.0 has them.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        files: AddressBook,
        seed: str,
        repeats_nonces: bool = False,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.lives = 0
        self.running = False
        #: What happened in all lives so far.
        self.counts: Counter[str] = Counter()
        self.mesh: Mesh
        self.links: Links
        self.control: ControlPlane
        self.gossip: CountedGossip
        self.keys: KeyRing
        self.scripts: Scripts
        self._network = network
        self._loop = network.loop
        self._files = files
        self._seed = seed
        self._repeats_nonces = repeats_nonces

    def start(self) -> None:
        """Begin a life, with nothing known of the one before."""
        self.lives += 1
        self.running = True
        self._random = Random(f"{self._seed} {self.name} {self.lives}")
        self._limit, self._tarpit = AcceptLimit(), Tarpit()
        self._build()
        self._network.listen(self.name, self._accept)
        self._dialer.start()
        self._loop.call_later(
            self._random.uniform(0, self.settings.ping_timeout), self._tick, self.lives
        )

    def kill(self) -> None:
        """End without a word; the kernel closes the connections."""
        self.running = False
        self._network.listen(self.name, None)
        self._dialer.stop()
        for link in self.links:
            link.socket.detach()
            link.ended.set()
        self._network.drop(self.name)

    def _build(self) -> None:
        settings, loop = self.settings, self._loop
        self.mesh = Mesh(self.name)
        self.mesh.myself.options = own_options(settings)
        for subnet in settings.subnets:
            self.mesh.subnets.add(self.mesh.myself, subnet)
        key = cast("PrivateKey", None)
        identity = Identity(self.name, key, PORT, META_CIPHER, self.mesh.myself.options)
        unexpected = StrictMishaps()
        current = CurrentSettings(settings)
        self.links = Links(
            current,
            key,
            identity,
            self._files,
            self._tarpit,
            unexpected,
            bypass_security=True,
            loop=loop,
        )
        self._dialer = Dialer(
            current,
            self.links,
            unexpected,
            resolve=self._resolve,
            connect=self._connect,
            jitter=self._random.random,
        )
        self.keys = KeyRing(self.name, self.lives)
        self.scripts = Scripts()
        self._build_control()

    def _build_control(self) -> None:
        settings, loop = self.settings, self._loop
        nonce = self._nonces()
        seen = SeenRequests(settings.ping_interval)
        self.gossip = CountedGossip(self.mesh, GossipPolicy(), seen, nonce)
        self.gossip.counts = self.counts
        exchange = KeyExchange(
            self.mesh,
            tunnel_server=False,
            udp_confirmed=lambda node: False,
            nonce=nonce,
            key_expire=settings.key_expire,
            now=loop.time(),
            jitter=self._random.random,
        )
        self.control = ControlPlane(
            self.mesh,
            self.gossip,
            exchange,
            self.links,
            self.keys,
            self.scripts,
            loop.time,
            loop.call_later,
        )
        self.links.attach(self.control, lambda frame, link: None)

    def _nonces(self) -> Callable[[], int]:
        life = 0 if self._repeats_nonces else self.lives
        source = Random(f"nonces {self._seed} {self.name} {life}")
        return lambda: source.getrandbits(31)

    # The edges of the daemon: calls in and out, and the clock.

    async def _resolve(self, host: str, port: str, family: int) -> list[SocketAddress]:
        return [SocketAddress(host, int(port))]

    async def _connect(
        self,
        address: SocketAddress,
        *,
        interface: str | None,
        source: SocketAddress | None,
        patience: float,
    ) -> socket.socket:
        end = await self._network.connect(
            self.name, self._files.name(address.host), patience
        )
        return cast(socket.socket, end)

    def _accept(self, end: End, caller: str) -> None:
        sock = cast(socket.socket, end)
        host = self._files.address(caller)
        place = SocketAddress(host, self._random.randrange(32768, 61000))
        if self._limit.admit(place, self._loop.time()):
            self.links.accepted(sock, place)
        else:
            self._tarpit.add(sock)

    def _tick(self, life: int) -> None:
        if not self.running or life != self.lives:
            return
        self._loop.call_later(self.settings.ping_timeout, self._tick, life)
        now = self._loop.time()
        self.control.settle()
        pause = self.control.tick(now)
        assert pause == 0, "took the others for a node of the same name"
