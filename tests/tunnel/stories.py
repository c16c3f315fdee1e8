"""Everything that can change under a data plane, as events of a story.

The mesh is a's: b and c are neighbours, d is behind c, e behind d, unless the story has
it otherwise.
"""

from __future__ import annotations

import ipaddress
from typing import Final, TypeAlias
from unittest import mock

from hypothesis import strategies as st

from tests.tunnel.world import DEFAULT, World, ipv4, sized
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh import reach
from tincd_compat.mesh.node import Edge
from tincd_compat.modes import Mode
from tincd_compat.options import INDIRECT, TCPONLY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import flows
from tincd_compat.tunnel.codec import LAST_SEQUENCE
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.flows import MAX_CHANGED

NAMES: Final = "bcde"
#: Kind, node and a number, whatever that means there.
Event: TypeAlias = tuple[str, str, int]

SUBNETS: Final = [
    *("10.0.2.0/24", "10.0.3.0/24", "10.0.4.0/24", "10.0.5.0/24"),
    *("10.0.2.0/25", "10.0.2.1/32", "10.0.0.0/8", "0.0.0.0/0", "10.0.2.1/24#5"),
    *("fd00:2::/64", "fd00:2::1/128", "::/0", "fd00::/16#5"),
    *("2:0:0:0:0:2", "2:0:0:0:0:3", "2:0:0:0:0:4", "2:0:0:0:0:4#5"),
]
ADDRESSES: Final = {
    Mode.ROUTER: [
        *(bytes([10, 0, net, 1]) for net in range(1, 6)),
        *(bytes([10, 0, 2, 200]), bytes([10, 9, 9, 9]), bytes([192, 0, 2, 1])),
        *(ipaddress.IPv6Address(each).packed for each in ("fd00:2::1", "fd00:9::9")),
    ],
    Mode.SWITCH: [bytes([2, 0, 0, 0, 0, number]) for number in range(1, 6)],
}
PLACES: Final = [SocketAddress(f"203.0.113.{number}", 655) for number in range(4)]
OPTIONS: Final = [DEFAULT, DEFAULT, 0, DEFAULT | INDIRECT, DEFAULT | INDIRECT | TCPONLY]

KINDS: Final = [
    *["add subnet", "delete subnet", "announce", "link", "unlink", "search", "restart"],
    *["join", "lose", "lose", "slice"],
    *[
        "take key",
        "give key",
        "cross keys",
        "void key",
        "expire keys",
        "key is used up",
    ],
    *["reply", "too big", "limit", "step", "reset", "move", "shared address", "speak"],
    *["send", "send", "send"],
]
events = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(NAMES), st.integers(0, (1 << 16) - 1)
)


class Story:
    """A world in which things happen; every node of it has keys at first."""

    def __init__(
        self,
        route: RouteOptions | None = None,
        own: int = DEFAULT,
    ) -> None:
        self.route = route or RouteOptions()
        self.own = own
        self.world = World(DeliveryPolicy(options=own, route=self.route), self.route)
        self.addresses = ADDRESSES[self.route.mode]
        #: Where nodes may move to.
        self.places = PLACES
        world = self.world
        world.ports.on_learned = self._learn
        for ends in ("ab", "ac", "cd", "de"):
            world.link(*ends)
        for name, text in zip(NAMES, SUBNETS[:4], strict=True):
            world.subnet(name, text)
        for name, text in zip(NAMES, SUBNETS[-4:], strict=True):
            world.subnet(name, text)
        world.subnet("a", "2:0:0:0:0:1")
        world.exchange_keys(*NAMES)
        for name in NAMES:
            world.proved(name)

    def _learn(self, mac: bytes) -> None:
        subnet = Subnet.parse(mac.hex(":"))
        assert subnet is not None
        self.world.mesh.subnets.add(self.world.mesh.myself, subnet)

    def frame(self, address: bytes, source: bytes | None = None) -> bytearray:
        """Return a frame to one of the addresses, from one of our stations."""
        if len(address) == 6:
            ours = source or self.addresses[0]
            return bytearray(address + ours) + ipv4("10.0.1.1", "10.0.2.1")[12:]
        if len(address) == 4:
            return sized(100, str(ipaddress.IPv4Address(address)))
        head = b"\x60\0\0\0" + (8).to_bytes(2, "big") + b"\x11\x40"
        packed = ipaddress.IPv6Address("fd00:1::1").packed + address
        return bytearray(bytes(12) + b"\x86\xdd" + head + packed + bytes(8))

    def happen(self, kind: str, name: str, number: int) -> None:
        """Let one event come to pass, as the daemon would bring it about."""
        # Nodes that come or go together are few or many.
        with mock.patch.object(flows, "MAX_CHANGED", number // 3 % 2 * MAX_CHANGED):
            for act in (self._of_mesh, self._of_keys, self._of_path, self._of_packets):
                if act(kind, name, number):
                    return
        raise AssertionError(kind)

    def _of_mesh(self, kind: str, name: str, number: int) -> bool:
        mesh = self.world.mesh
        subnet = Subnet.parse(SUBNETS[number % len(SUBNETS)])
        assert subnet is not None
        owner = mesh.nodes["abcde"["abcde".index(name) - number // 100 % 2]]
        other = mesh.nodes["abcde"[number % 5]]
        node = mesh.nodes[name]
        match kind:
            case "add subnet":
                mesh.subnets.add(owner, subnet)
            case "delete subnet":
                mesh.subnets.remove(owner, subnet)
            case "announce":
                self._learn(self.world.random.choice(ADDRESSES[Mode.SWITCH]))
            case "link" if other is not node:
                options = OPTIONS[number // 5 % len(OPTIONS)]
                self.world.link(name, other.name, options, number % 7)
            case "unlink" if other.name in node.edges and name in other.edges:
                mesh.remove_edge(node.edges[other.name])
                mesh.remove_edge(other.edges[name])
            case "search":
                self.world.settle()
            case "join" if other is not node and other.name not in node.edges:
                self._join(name, other.name, OPTIONS[number // 5 % len(OPTIONS)])
            case "lose" if other.name in node.edges and name in other.edges:
                self._lose(node.edges[other.name])
            case "slice":
                next(self.world.work, None)
            case "link" | "unlink" | "join" | "lose":
                pass
            case _:
                return False
        return True

    # What shows without a search.

    def _join(self, name: str, other: str, options: int) -> None:
        mesh = self.world.mesh
        for one, two in ((name, other), (other, name)):
            ends = mesh.nodes[one], mesh.nodes[two]
            place = SocketAddress(f"192.0.2.{ord(two) - ord('a') + 1}", 655)
            edge = mesh.add_edge(*ends, place, options, 10)
        self.world.flip(reach.join(mesh, edge))

    def _lose(self, edge: Edge) -> None:
        """Let one direction of a link end, and then the other."""
        mesh = self.world.mesh
        mesh.remove_edge(edge)
        changes = reach.lose(mesh, edge)
        if changes is None:
            self.world.settle()
        else:
            self.world.flip(changes)
        back = edge.target.edges[edge.source.name]
        mesh.remove_edge(back)
        assert not reach.lose(mesh, back)

    def _of_keys(self, kind: str, name: str, number: int) -> bool:
        world = self.world
        tunnel = world.tunnel(world.node(name))
        match kind:
            case "take key":
                world.take_key(name)
            case "give key":
                world.give_key(name)
            case "cross keys":
                world.cross_keys(name)
            case "void key":
                tunnel.void_peer_key()
            case "restart":
                tunnel.forget_peer()
            case "expire keys":
                tunnel.expire()
            case "reset":
                tunnel.reset()
            case "key is used up" if tunnel.sealer is not None:
                # As it is after the first frame that is refused.
                tunnel.sealer.sequence = LAST_SEQUENCE
                world.pipeline._delivery._seal(tunnel, [bytes(60)])
            case "key is used up":
                pass
            case _:
                return False
        return True

    def _of_path(self, kind: str, name: str, number: int) -> bool:
        world = self.world
        node = world.node(name)
        pmtu = world.tunnel(node).pmtu
        length = 64 + number % 1500
        match kind:
            case "reply":
                pmtu._sent.add(length)
                pmtu.reply(length)
            case "too big":
                world.pipeline.too_big(node, length)
            case "limit":
                world.tunnel(node).pmtu.limit(length)
            case "step":
                for _ in range(1 + number % 12):
                    world.pipeline.probe_step(node, world.now)
            case _:
                return False
        return True

    def _of_packets(self, kind: str, name: str, number: int) -> bool:
        world = self.world
        node, place = world.node(name), self.places[number % len(self.places)]
        peer = world.peers.get(name)
        match kind:
            case "move":
                world.mesh.set_address(node, place if number % 5 else None)
            case "shared address":
                other = world.node(NAMES[number % len(NAMES)])
                world.mesh.set_address(node, other.address)
            case "speak":
                source = place if number % 3 == 0 else node.address
                if peer is not None and peer.tunnel.sealer is not None and source:
                    address = self.addresses[number % len(self.addresses)]
                    self.hear(name, self.frame(address), source, number // 7 % 2)
            case "send":
                self.send(self.addresses[number % len(self.addresses)], number)
            case _:
                return False
        return True

    # How packets come is for those who know a shorter way to say.

    def send(self, address: bytes, number: int) -> None:
        """Let a frame come out of our device."""
        self.world.from_device(self.frame(address, self.station(number)))

    @staticmethod
    def station(number: int) -> bytes:
        """Return the author of a frame: ours, or one that others claim too."""
        return ADDRESSES[Mode.SWITCH][number // 10 % 2]

    def hear(
        self, name: str, frame: bytearray, source: SocketAddress, index: int
    ) -> None:
        """Let a frame of a node arrive by UDP."""
        self.world.from_udp(self.world.peers[name].seal(frame), source, index)
