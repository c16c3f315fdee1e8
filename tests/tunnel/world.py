"""One daemon's data plane with fake ports, and peers that speak to it with real keys.

The daemon under test is always ``a``.  A :class:`Peer` is the far end of a's tunnel to
the node of the same name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.crypto.suites import Suite
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.options import CLAMP_MSS, PMTU_DISCOVERY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.route import Router
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.pipeline import Pipeline, Run, finish
from tincd_compat.tunnel.pmtu import PmtuDiscovery
from tincd_compat.tunnel.tunnel import KeyFields, Parameters, Tunnel
from tincd_compat.tunnel.tunnels import Tunnels

DEFAULT: Final = PMTU_DISCOVERY | CLAMP_MSS
SUITE: Final = Suite.configured("aes-256-cbc", "sha256", 4)
PARAMETERS: Final = Parameters(suite=SUITE)
#: An address of a's, and one that is nobody's.
HERE: Final = "10.0.1.1"
ELSEWHERE: Final = SocketAddress("203.0.113.9", 4242)


def ipv4(
    source: str,
    target: str,
    payload: bytes = b"payload",
    *,
    protocol: int = 17,
    tos: int = 0,
) -> bytearray:
    """Return a frame as a tun device makes it: no MAC addresses, no valid checksum."""
    packed = [bytes(int(part) for part in text.split(".")) for text in (source, target)]
    header = (
        bytes([0x45, tos]) + (20 + len(payload)).to_bytes(2, "big") + b"\0\0\0\0\x40"
    )
    header += bytes([protocol, 0, 0]) + b"".join(packed)
    return bytearray(bytes(12) + b"\x08\0" + header + payload)


def sized(length: int, target: str = "10.0.2.1", source: str = "10.0.1.1") -> bytearray:
    """Return a frame of that length."""
    return ipv4(source, target, bytes(length - 34))


def probe(length: int = 64, *, reply: bool = False) -> bytes:
    return bytes([reply]) + bytes(13) + bytes(i & 0xFF for i in range(length - 14))


def lengths(frames: Iterable[bytes]) -> list[int]:
    return [len(frame) for frame in frames]


def make_tunnel(
    name: str,
    parameters: Parameters = PARAMETERS,
    changed: Callable[[], None] = lambda: None,
) -> Tunnel:
    return Tunnel(name, parameters, PmtuDiscovery(name), changed)


def install(tunnel: Tunnel, key: KeyFields) -> None:
    fields = (key.cipher, key.digest, key.maclength, key.compression)
    assert tunnel.install_peer_key(key.key, *fields)


class FakePorts:
    """Remembers what the pipeline does.  ``largest`` is the longest datagram that fits.

    ``on_datagram`` gets every datagram that leaves, ``on_learned`` every source address
    that comes out of the device.
    """

    def __init__(self) -> None:
        self.delivered: list[bytes] = []
        self.trains: list[tuple[str, list[bytes]]] = []
        self.sockets: list[int] = []
        self.tos: list[int] = []
        self.probes: list[tuple[bytes, int]] = []
        self.elsewhere: list[tuple[SocketAddress, int, int]] = []
        self.packets: list[tuple[str, bytes]] = []
        self.key_requests: list[str] = []
        self.learned: list[bytes] = []
        self.largest = 65535
        self.on_datagram: Callable[[Node, bytes], None] = lambda _node, _datagram: None
        #: Source addresses of frames that came from the mesh.
        self.heard: list[bytes] = []
        self.on_learned: Callable[[bytes], None] = lambda _mac: None

    def deliver(self, frames: list[bytes | bytearray]) -> None:
        self.delivered += [bytes(frame) for frame in frames]

    def send_train(
        self, node: Node, train: list[bytes], socket_index: int, tos: int
    ) -> list[int]:
        self.trains.append((node.name, train))
        self.sockets.append(socket_index)
        self.tos.append(tos)
        for datagram in train:
            if len(datagram) <= self.largest:
                self.on_datagram(node, datagram)
        return [i for i, data in enumerate(train) if len(data) > self.largest]

    def send_elsewhere(
        self, node: Node, address: SocketAddress, datagram: bytes, socket_index: int
    ) -> bool:
        self.elsewhere.append((address, len(datagram), socket_index))
        return len(datagram) <= self.largest

    def broadcast_probe(self, node: Node, datagram: bytes, port: int) -> bool:
        self.probes.append((datagram, port))
        return len(datagram) <= self.largest

    def send_packets(self, neighbour: Node, frames: list[bytes | bytearray]) -> None:
        self.packets += [(neighbour.name, bytes(frame)) for frame in frames]

    def request_key(self, node: Node) -> None:
        self.key_requests.append(node.name)

    def learn_mac(self, mac: bytes, now: float) -> None:
        self.learned.append(mac)
        self.on_learned(mac)

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        self.heard.append(mac)


class Peer:
    """The far end of a tunnel of the daemon under test."""

    def __init__(self, node: Node, parameters: Parameters) -> None:
        self.node = node
        self.tunnel = make_tunnel("a", parameters)

    @property
    def address(self) -> SocketAddress:
        assert self.node.address is not None
        return self.node.address

    def seal(self, *frames: bytes | bytearray) -> list[bytes]:
        assert self.tunnel.sealer is not None
        return self.tunnel.sealer.seal_train(frames)

    def open(self, train: Sequence[bytes]) -> list[bytes]:
        assert self.tunnel.opener is not None
        return [opened.frame for opened in self.tunnel.opener.open_train(train)]


class World:
    """Daemon ``a`` with the subnet 10.0.1.0/24; nodes are added by :meth:`link`."""

    def __init__(
        self,
        policy: DeliveryPolicy | None = None,
        route: RouteOptions | None = None,
        parameters: Parameters = PARAMETERS,
        run: Run = finish,
    ) -> None:
        self.now = 1000.0
        self.mesh = Mesh("a")
        self.ports = FakePorts()
        self.peers: dict[str, Peer] = {}
        self.random = random.Random(1)
        self._parameters = parameters
        #: What is done in slices, when there is time.
        self.work: Iterator[object] = iter(())
        self._tunnels = Tunnels(parameters, self.random.randbytes)
        options = route or RouteOptions()
        policy = policy or DeliveryPolicy(options=DEFAULT, route=options)
        router = Router(self.mesh, options, local_address=lambda _address: None)
        self.pipeline = Pipeline(
            self.mesh,
            self.tunnel,
            router,
            self.ports,
            policy,
            random_bytes=self.random.randbytes,
            run=run,
        )
        self.pipeline.attach_control(self.ports)
        self._tunnels.attach(self.pipeline.tunnel_changed)
        self.mesh.myself.options = policy.options
        self.subnet("a", "10.0.1.0/24")

    def tunnel(self, node: Node) -> Tunnel:
        assert node is not self.mesh.myself
        return self._tunnels.of(node)

    def tunnels(self) -> Iterable[tuple[Node, Tunnel]]:
        """Return the nodes that have a tunnel, with it."""
        for node in self.mesh.nodes.values():
            tunnel = self._tunnels.known(node)
            if tunnel is not None:
                yield node, tunnel

    def flip(self, changes: Iterable[graph.Change]) -> None:
        """Nodes came or went, as the daemon acts upon that."""
        nodes = [change.node for change in changes]
        self._tunnels.nodes_changed(nodes)
        self.work = self._tunnels.reset_outdated()
        graph.settle_down(self.mesh, nodes)

    def node(self, name: str) -> Node:
        return self.mesh.nodes[name]

    def link(
        self, source: str, target: str, options: int = DEFAULT, weight: int = 10
    ) -> None:
        """Connect two nodes; a new node x has the address of its letter."""
        for one, other in ((source, target), (target, source)):
            ends = self.mesh.get_or_add(one), self.mesh.get_or_add(other)
            host = f"192.0.2.{ord(other[0]) - ord('a') + 1}"
            place = SocketAddress(host, 655)
            self.mesh.add_edge(*ends, place, options, weight)
        self.settle()
        for name in (source, target):
            if name != "a" and name not in self.peers:
                self.peers[name] = Peer(self.node(name), self._parameters)

    def unlink(self, source: str, target: str) -> None:
        for one, other in ((source, target), (target, source)):
            self.mesh.remove_edge(self.node(one).edges[other])
        self.settle()

    def settle(self) -> None:
        self.flip(graph.run(self.mesh).flips)

    def subnet(self, name: str, text: str) -> None:
        subnet = Subnet.parse(text)
        assert subnet is not None
        self.mesh.subnets.add(self.mesh.get_or_add(name), subnet)

    def unsubnet(self, name: str, text: str) -> None:
        subnet = Subnet.parse(text)
        assert subnet is not None
        assert self.mesh.subnets.remove(self.node(name), subnet)

    def exchange_keys(self, *names: str) -> None:
        for name in names:
            self.give_key(name)
            self.take_key(name)

    def give_key(self, name: str) -> None:
        """Let the node send to us."""
        key = self.tunnel(self.node(name)).new_own_key(self.random.randbytes)
        install(self.peers[name].tunnel, key)

    def cross_keys(self, name: str) -> None:
        """Give the node a newer key, whose line overtakes that of the one before."""
        older = self.peers[name].tunnel.sealer
        self.give_key(name)
        self.peers[name].tunnel.sealer = older

    def take_key(self, name: str) -> None:
        """Let us send to the node."""
        key = self.peers[name].tunnel.new_own_key(self.random.randbytes)
        install(self.tunnel(self.node(name)), key)

    def proved(self, name: str, length: int = 1451) -> None:
        """Path MTU discovery has found this frame length to get through."""
        pmtu = self.tunnel(self.node(name)).pmtu
        pmtu.minmtu = pmtu.maxmtu = pmtu.mtu = length

    def ready(self, *names: str) -> None:
        self.exchange_keys(*names)
        for name in names:
            self.proved(name)

    # Traffic.

    def from_device(self, *frames: bytearray) -> None:
        self.pipeline.from_device(frames, self.now)

    def from_udp(
        self,
        datagrams: Iterable[bytes],
        source: SocketAddress,
        socket_index: int = 0,
    ) -> None:
        burst = [(data, source, socket_index) for data in datagrams]
        self.pipeline.from_udp(burst, self.now)

    def from_peer(self, name: str, *frames: bytes | bytearray) -> None:
        peer = self.peers[name]
        self.from_udp(peer.seal(*frames), peer.address)

    def from_meta(
        self, name: str, *frames: bytes | bytearray, options: int = DEFAULT
    ) -> None:
        burst = [bytes(frame) for frame in frames]
        self.pipeline.from_meta(burst, self.node(name), options, self.now)

    def received(self, name: str) -> list[bytes]:
        """Return the frames in all trains that were sent to a node so far."""
        trains = [train for to, train in self.ports.trains if to == name]
        return [frame for train in trains for frame in self.peers[name].open(train)]


def neighbours(*names: str, run: Run = finish) -> World:
    """Return a world in which these are neighbours with keys and a known path MTU.

    The first has the subnet 10.0.2.0/24, the second 10.0.3.0/24 and so on.
    """
    world = World(run=run)
    for number, name in enumerate(names, 2):
        world.link("a", name)
        world.subnet(name, f"10.0.{number}.0/24")
    world.ready(*names)
    return world
