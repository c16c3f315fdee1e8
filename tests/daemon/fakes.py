"""A daemon's control plane on fake sockets, and peers that speak the real protocol.

The daemon under test is ``us`` at 10.0.0.1.  What its data plane and its scripts are
told is written down in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from tests.meta.scripted import FakeKey
from tests.transport.fakes import FakeLoop, FakeSocket
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.keys import PrivateKey
from tincd_compat.config.settings import Settings
from tincd_compat.control.context import GossipPolicy
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.control.seen import SeenRequests
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.control import ControlPlane
from tincd_compat.daemon.hosts import HostFiles, own_options
from tincd_compat.daemon.link import End, Link
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.scriptevents import ScriptEvents
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.errors import ConfigError
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    Event,
    Identity,
    MetaConnection,
    PacketsReceived,
    PeerIdentity,
    Received,
    Role,
)
from tincd_compat.meta.messages import Message, parse
from tincd_compat.observe.words import LinkEnd
from tincd_compat.service.start import StartOptions
from tincd_compat.transport.tcp import Tarpit
from tincd_compat.tunnel.tunnel import KeyFields, Parameters
from tincd_compat.tunnel.tunnels import Tunnels

#: Why a test ends a link.
ASKED: Final = End(LinkEnd.ASKED, "A test wants so")
OUR_KEY: Final = FakeKey(72)
PEER_KEY: Final = FakeKey(96)
PLACES: Final = {
    "us": SocketAddress("10.0.0.1", 655),
    "peer": SocketAddress("10.0.0.2", 655),
    "other": SocketAddress("10.0.0.3", 655),
    "far": SocketAddress("10.0.0.4", 655),
}


def subnet(text: str) -> Subnet:
    parsed = Subnet.parse(text)
    assert parsed is not None
    return parsed


class SilentLog:
    """A log of which only reopening and the debug level matter.

    ``counts`` is how often what was left out was asked for.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.counts = 0
        self.level = 0

    def reopen(self) -> None:
        self.calls.append("reopen")

    def count_omitted(self) -> None:
        self.counts += 1

    def toggle_debug(self) -> None:
        self.calls.append("toggle")

    def set_level(self, level: int) -> None:
        self.calls.append(f"level {level}")


def start_options(directory: Path, **changes: Any) -> StartOptions:
    """Return what a plain command line asks for."""
    values: dict[str, Any] = {
        "netname": "vpn",
        "directory": directory,
        "ident": "tinc.vpn",
        "uml_socket": directory / "umlsocket",
        "pidfile": directory / "pid",
        "logfile": None,
        "debug_level": 0,
        "detach": False,
        "options": (),
        "mlock": False,
        "chroot": False,
        "user": None,
        "bypass_security": False,
        "argv": ("tincd",),
        "listen_fds": None,
        "log": SilentLog(),
    }
    return StartOptions(**{**values, **changes})


def sequence() -> Callable[[int], bytes]:
    """Return a source of bytes that never repeats itself."""
    numbers = count(1)
    return lambda size: hashlib.shake_128(str(next(numbers)).encode()).digest(size)


class FakeFiles(HostFiles):
    """Host files that are values."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), ())
        self.hosts = {name: HostSettings(weight=10) for name in PLACES}
        self.reads: list[str] = []

    def read(self, name: str) -> HostSettings:
        self.reads.append(name)
        if name not in self.hosts:
            raise ConfigError(f"Cannot open config file {name}")
        return self.hosts[name]

    def identity(self, name: str, host: HostSettings, own: int) -> PeerIdentity:
        return PeerIdentity(PEER_KEY, host.weight, own)


class FakeTunnels(Tunnels):
    """Writes down what it is told of keys."""

    def __init__(self, log: list[str]) -> None:
        suite = Suite.configured("aes-256-cbc", "sha256", 4)
        super().__init__(Parameters(suite=suite), bytes)
        self._log = log
        self.introducing = False

    def new_key(self, node: Node, now: float) -> KeyFields:
        self._log.append(f"new key for {node.name}")
        return KeyFields("AB", 427, 672, 4, 0)

    def new_request(self, node: Node, now: float) -> tuple[str, ...]:
        return ()

    def key_requested(self, node: Node, methods: tuple[str, ...]) -> bool:
        if methods:
            self._log.append(f"{node.name} knows {', '.join(methods)}")
        return bool(methods)

    def introduces(self, node: Node) -> bool:
        return self.introducing

    def restarted(self, node: Node) -> None:
        self._log.append(f"{node.name} may have restarted")

    def install_key(self, node: Node, key: KeyFields, now: float) -> bool:
        self._log.append(f"key of {node.name}: {key.key}")
        return True

    def void_key(self, node: Node) -> None:
        self._log.append(f"void key of {node.name}")

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            state = "up" if node.reachable else "down"
            self._log.append(f"{node.name} {state}")

    def limit_mtu(self, node: Node, mtu: int) -> None:
        self._log.append(f"{node.name} mtu {mtu}")

    def expire_keys(self) -> None:
        self._log.append("expire keys")

    def forget(self, node: Node) -> None:
        self._log.append(f"forget {node.name}")


class FakeEvents(ScriptEvents):
    """Stands for the scripts."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None:
        for node, up, address in flips:
            word = "up" if up else "down"
            self._log.append(f"host-{word} {node.name} {address}")
            self.subnets(node, subnets(node), up, address)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        word = "up" if up else "down"
        for subnet in subnets:
            self._log.append(f"subnet-{word} {node.name} {subnet.net} {address}")


class World:
    """Links, control plane and mesh of ``us``.

    ``log`` has what data plane and scripts were told, ``packets`` what came as PACKET.
    """

    def __init__(
        self,
        loop: FakeLoop,
        policy: GossipPolicy | None = None,
        *,
        bypass_security: bool = False,
        deferring: bool = False,
        opens: bool = True,
        tunnels: Tunnels | None = None,
        **settings: Any,
    ) -> None:
        """With ``deferring`` a storm puts runs of the graph off."""
        self.loop = loop
        self.bypass_security = bypass_security
        self.log: list[str] = []
        self.packets: list[tuple[bytes, str]] = []
        self.settings = Settings(name="us", **settings)
        self.in_force = CurrentSettings(self.settings)
        self.mesh = Mesh("us")
        self.files = FakeFiles()
        self.tarpit = Tarpit()
        self.key = OUR_KEY
        self.links = Links(
            self.in_force,
            cast(PrivateKey, self.key),
            Identity("us", self.key, "655", 429, own_options(self.settings)),
            self.files,
            self.tarpit,
            UnexpectedErrors(),
            bypass_security=bypass_security,
            loop=loop,
        )
        self.tunnels = tunnels or FakeTunnels(self.log)
        nonces = count(0x100)
        self.confirmed: set[str] = set()
        exchange = KeyExchange(
            self.mesh,
            tunnel_server=bool(policy and policy.tunnel_server),
            udp_confirmed=lambda node: node.name in self.confirmed,
            nonce=lambda: next(nonces),
            key_expire=self.settings.key_expire,
            now=loop.now,
            opens=opens,
        )
        self.control = ControlPlane(
            self.mesh,
            Gossip(
                self.mesh,
                policy or GossipPolicy(),
                SeenRequests(self.settings.ping_interval),
                lambda: next(nonces),
            ),
            exchange,
            self.links,
            self.tunnels,
            FakeEvents(self.log),
            loop.time,
            loop.call_later if deferring else None,
        )
        self.links.attach(
            self.control,
            lambda frames, link: self.packets.extend(
                (frame, link.connection.name) for frame in frames
            ),
        )

    def __getitem__(self, name: str) -> Node:
        return self.mesh.nodes[name]

    def take_log(self) -> list[str]:
        log = self.log[:]
        self.log.clear()
        return log

    @property
    def keys(self) -> FakeTunnels:
        assert isinstance(self.tunnels, FakeTunnels)
        return self.tunnels

    def call_in(self, name: str = "peer", *, options: int = 0xC) -> Remote:
        """Let a node connect to us; it has not said a word."""
        sock = FakeSocket(self.loop.new_descriptor())
        self.links.accepted(sock.socket, SocketAddress(PLACES[name].host, 40000))
        return Remote(self, name, sock, Role.INITIATOR, options)

    def dial(
        self, name: str = "peer", started: float | None = None
    ) -> tuple[Remote, Outgoing]:
        """Let us connect to a node."""
        sock = FakeSocket(self.loop.new_descriptor())
        outgoing = Outgoing(name)
        if started is None:
            started = self.loop.now
        self.links.dialled(sock.socket, PLACES[name], outgoing, started)
        return Remote(self, name, sock, Role.RESPONDER), outgoing

    def connect(self, name: str = "peer") -> Remote:
        """Let a node connect, become active and reachable; nothing is left to read."""
        remote = self.call_in(name)
        remote.shake_hands()
        remote.announce(name, "us")
        remote.take()
        self.log.clear()
        return remote

    def edges(self) -> set[str]:
        return {f"{edge.source.name}-{edge.target.name}" for edge in self.mesh.edges()}

    def reachable(self) -> set[str]:
        nodes = self.mesh.nodes.values()
        return {node.name for node in nodes if node.reachable}


class Remote:
    """The other end of a link: a real connection of another node."""

    def __init__(
        self,
        world: World,
        name: str,
        sock: FakeSocket,
        role: Role,
        options: int = 0xC,
    ) -> None:
        self.world = world
        self.name = name
        self.sock = sock
        self.connection = MetaConnection(
            role,
            Identity(name, PEER_KEY, "655", 429, options=options),
            lambda _name: PeerIdentity(OUR_KEY, 10, options),
            now=world.loop.now,
            random_bytes=sequence(),
            peer_name="us" if role is Role.INITIATOR else None,
            hostname="10.0.0.1 port 655",
            bypass_security=world.bypass_security,
        )
        #: Lines and frames from us since the handshake.
        self.heard: list[bytes] = []
        self.frames: list[bytes] = []
        #: What we have called our port.
        self.port_of_us = ""
        self.link = next(
            link for link in world.links if link.socket.fileno() == sock.descriptor
        )
        self._nonces = count(0x1000 * sock.descriptor)

    def shake_hands(self) -> None:
        self._start()
        self.pump()
        assert self.connection.active

    def shake_to_decryption(self) -> None:
        """Go as far as to the block that we have to decrypt, or to our refusal."""
        self._start()
        while self.link.block is None and not self.link.ended.is_set():
            assert self._give() or self._take_bytes()

    def shake_to_ack(self) -> bytes:
        """Go as far as to our activation; return what brings it about."""
        self._start()
        while not self.connection.active:
            assert self._give() or self._take_bytes()
            self.world.loop.finish_work()
        return self.connection.data_to_send()

    def _start(self) -> None:
        if self.connection.name == "us":
            self.connection.start()

    def pump(self) -> None:
        """Carry bytes both ways until there are none."""
        self.world.loop.settle()
        while self._give() or self._take_bytes() or self.world.loop.work:
            self.world.loop.finish_work()

    def _give(self) -> bool:
        data = self.connection.data_to_send()
        if not data or self.link.socket.closed:
            return False
        self.sock.incoming.append(data)
        self.world.loop.readable(self.sock.descriptor)
        return True

    def _take_bytes(self) -> bool:
        data = bytes(self.sock.sent)
        self.sock.sent.clear()
        self.connection.receive_data(data)
        while self.connection.process(self.world.loop.now) or self._take_events():
            pass
        return bool(data)

    def _take_events(self) -> bool:
        taken = False
        while (event := self.connection.next_event()) is not None:
            taken = True
            self._handle(event)
        return taken

    def _handle(self, event: Event) -> None:
        match event:
            case DecryptNeeded(ciphertext):
                block = PEER_KEY.decrypt(ciphertext)
                self.connection.decrypted(block, self.world.loop.now)
            case Received(_, line):
                self.heard.append(line)
            case PacketsReceived(frames):
                self.frames += frames
            case Activated(port=port):
                self.port_of_us = port

    def say(self, *lines: str | bytes | Message) -> None:
        """Say lines, all in one piece."""
        self.queue(*lines)
        self.pump()

    def raw(self, *lines: str) -> bytes:
        """Return lines as they would be on the wire."""
        self.queue(*lines)
        return self.connection.data_to_send()

    def queue(self, *lines: str | bytes | Message) -> None:
        for line in lines:
            raw = line if isinstance(line, bytes) else line.encode()
            self.connection.send_line(raw)

    def nonce(self) -> str:
        return f"{next(self._nonces):x}"

    def edge(self, source: str, target: str) -> str:
        place = PLACES[target]
        ends = f"{source} {target} {place.host} {place.port}"
        return f"12 {self.nonce()} {ends} c 10"

    def announce(self, source: str, target: str) -> None:
        self.say(self.edge(source, target))

    def take(self) -> list[str]:
        """Return what has been heard, without the nonces."""
        self.pump()
        heard, self.heard = self.heard, []
        return [plain(line) for line in heard]

    def hang_up(self) -> None:
        self.sock.incoming.append(b"")
        self.world.loop.readable(self.sock.descriptor)


def plain(line: bytes) -> str:
    """Return a line as text, a flooded one without its nonce."""
    number, *fields = line.decode().split()
    if 10 <= int(number) <= 14:
        del fields[0]
    assert parse(line)
    return " ".join([number, *fields])


def link_of(world: World, name: str) -> Link:
    link = world.links.link_to(name)
    assert link is not None
    return link
