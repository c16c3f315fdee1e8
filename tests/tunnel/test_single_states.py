"""Packets that come alone fare as in a burst: whatever the state, whatever the packet.

Two daemons live through the same story with the same randomness.  One has the pipeline
alone, the other tries the single-packet path with every packet that comes by itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.nosockets import NoSockets
from tests.tunnel.world import DEFAULT, World, make_tunnel, probe
from tincd_compat.addresses import SocketAddress
from tincd_compat.crypto.suites import Suite
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import CLAMP_MSS, INDIRECT, TCPONLY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.codec import LAST_SEQUENCE, Sealer
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.singles import Singles
from tincd_compat.tunnel.tunnel import Parameters

#: Subnets by the last letter of who has them: neighbours b and c, d behind c, nobody.
HOMES: Final = {"a": 1, "b": 2, "c": 3, "d": 4, "x": 9, "*": 0}
#: From where b speaks: its own address, and one it has moved to.
PLACES: Final = (SocketAddress("192.0.2.2", 655), SocketAddress("203.0.113.5", 4655))
TCP_SYN: Final = bytes(12) + b"\x60\x02" + bytes(6) + b"\x02\x04\x05\xb4"
TCP_DATA: Final = bytes(12) + b"\x80\x10" + bytes(6) + b"\x01\x01\x08\x0a" + bytes(8)
SUITES: Final = (
    Suite.configured("aes-256-cbc", "sha256", 4),
    Suite.configured("aes-128-ecb", "sha1", 20),
    Suite.configured("aes-256-cfb", "sha512", 64),
    Suite.configured("aes-128-ofb", "none", 4),
    Suite.configured("none", "sha256", 4),
    Suite.configured("none", "none", 0),
)


@pytest.fixture(autouse=True, scope="module")
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", None)
        yield


@dataclass(frozen=True)
class State:
    """What does not change in a story; ``near`` and ``far`` are options of c and d."""

    route: RouteOptions
    own: int
    near: int
    far: int
    suite: Suite
    window: int
    levels: tuple[int, int]
    mtu: int


def _mac(home: str) -> bytes:
    return b"\xff" * 6 if home == "*" else bytes([2, 0, 0, 0, 0, HOMES[home]])


def _packet(kind: str, source: str, target: str, size: int) -> bytes:
    """Return a frame with MAC and IP addresses that lead to the same home."""
    macs = _mac(target) + _mac(source)
    here, there = (bytes([10, 0, HOMES[home], 1]) for home in (source, target))
    if target == "*":
        there = bytes([224, 0, 0, 1])
    if kind == "ipv6":
        prefix = bytes.fromhex("fd00") + bytes(12)
        first = b"\xff\x02" + bytes(12) if target == "*" else prefix
        payload = bytes(max(size - 54, 0))
        head = b"\x60\0\0\0" + len(payload).to_bytes(2, "big") + b"\x11\x40"
        return (
            macs + b"\x86\xdd" + head + prefix + here[2:] + first + there[2:] + payload
        )
    if kind == "raw":
        return (macs + b"\x12\x34" + bytes(size))[:size]
    if kind == "arp":
        return macs + b"\x08\x06" + bytes(28)
    inner = {"syn": TCP_SYN, "data": TCP_DATA}.get(kind, b"")
    inner += bytes(max(size - 34 - len(inner), 0))
    ttl = 1 if kind == "dying" else 64
    start = 0x46 if kind == "options" else 0x45
    tos = 0x10 if kind == "urgent" else 0
    head = bytes([start, tos]) + (20 + len(inner)).to_bytes(2, "big") + b"\0\1"
    head += b"\x40\0" if kind == "whole" else b"\0\0"
    head += bytes([ttl, 6 if kind in ("syn", "data") else 17]) + bytes(2)
    tag = b"\x81\0\0\7" if kind == "tagged" else b""
    return macs + tag + b"\x08\0" + head + here + there + inner


class Daemon(NoSockets):
    """One of the two; ``short`` is whether it has the path."""

    def __init__(self, state: State, short: bool) -> None:
        policy = DeliveryPolicy(options=state.own, route=state.route)
        parameters = Parameters(
            suite=state.suite, compression=state.levels[0], replay_window=state.window
        )
        self.state = state
        self.world = world = World(policy, state.route, parameters)
        #: Datagrams with node, socket and type of service.
        self.sent: list[tuple[str, bytes, int, int]] = []
        self.refusals: list[tuple[str, int]] = []
        self.place = 0
        self.index = 0
        self.last: dict[str, bytes] = {"b": b"", "c": b"", "d": b""}
        world.ports.on_datagram = self._datagram
        self._switching = state.route.mode is Mode.SWITCH
        world.link("a", "b", DEFAULT)
        world.link("a", "c", state.near)
        world.link("c", "d", state.far)
        for name in "abcd":
            if self._switching:
                world.subnet(name, f"2:0:0:0:0:{HOMES[name]}")
            elif name != "a":
                world.subnet(name, f"10.0.{HOMES[name]}.0/24")
                world.subnet(name, f"fd00::{HOMES[name]}00/120")
        if not self._switching:
            world.subnet("a", "fd00::100/120")
        for name in "bcd":
            world.peers[name].tunnel = make_tunnel("a", parameters)
            world.give_key(name)
            self.take_key(name)
            world.proved(name, state.mtu)
        self.singles: Singles | None = None
        if short:
            self.singles = Singles(
                world.pipeline, world.mesh, self, self.write, lambda: world.now
            )

    # What the single-packet path needs.

    def write(self, frame: bytes) -> None:
        self.world.ports.delivered.append(bytes(frame))

    def sender(
        self, address: SocketAddress, remembered: int
    ) -> Callable[[bytes], OSError | None] | None:
        node = self.world.mesh.node_by_address(address)
        assert node is not None

        def send(datagram: bytes) -> OSError | None:
            if len(datagram) > self.world.ports.largest:
                return OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            self.sent.append((node.name, datagram, remembered, 0))
            return None

        return send

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        self.refusals.append((peer, error))

    def _datagram(self, node: Any, datagram: bytes) -> None:
        ports = self.world.ports
        self.sent.append((node.name, datagram, ports.sockets[-1], ports.tos[-1]))

    # What happens.

    def take_key(self, name: str) -> None:
        tunnel = self.world.tunnel(self.world.node(name))
        self.world.take_key(name)
        if self.state.levels[1]:
            key = bytes(self.state.suite.cipher.key_block_size)
            tunnel.sealer = Sealer(self.state.suite, key, self.state.levels[1])

    def from_device(self, *frames: bytes) -> None:
        burst = [bytearray(frame) for frame in frames]
        if self.singles is not None and len(burst) == 1:
            if self.singles.outward(bytearray(burst[0])):
                return
            self.world.from_device(*burst)
            self.singles.sent(burst[0])
        else:
            self.world.from_device(*burst)

    def from_udp(self, name: str, *datagrams: bytes) -> None:
        place = self.world.peers[name].node.address
        if name == "b":
            place = PLACES[self.place]
        if place is None:
            return
        source = (place.host, place.port)
        if self.singles is not None and len(datagrams) == 1:
            progress = self.singles.inward(self.index, datagrams[0], source, 0.0)
            if progress is not Progress.REFUSED:
                return
        self.world.from_udp(datagrams, place, self.index)
        if self.singles is not None and len(datagrams) == 1:
            self.singles.received(self.index, source, place)

    def happen(self, what: str, name: str, frame: bytes, size: int) -> None:
        world, node = self.world, self.world.node(name)
        tunnel, far = world.tunnel(node), world.peers[name].tunnel
        match what:
            case "device":
                self.from_device(frame)
            case "burst of device":
                self.from_device(frame, frame)
            case "udp" | "burst of udp":
                train = world.peers[name].seal(*[frame] * (1 + (what != "udp")))
                self.last[name] = train[-1]
                self.from_udp(name, *train)
            case "meta":
                world.from_meta(name, frame, options=self.state.near)
            case "again":
                self.from_udp(name, self.last[name])
            case "lose":
                world.peers[name].seal(*[frame] * (size % 150))
            case "cut":
                self.from_udp(name, self.last[name][: size % 80])
            case "forge":
                self.from_udp(name, self.last[name][:-1] + b"!")
            case "garbage":
                self.from_udp(name, bytes(size))
            case "take key":
                self.take_key(name)
            case "give key":
                world.give_key(name)
            case "cross keys":
                world.cross_keys(name)
            case "expire keys":
                tunnel.expire()
            case "void key":
                tunnel.void_peer_key()
            case "exhaust" if tunnel.sealer is not None:
                tunnel.sealer.sequence = LAST_SEQUENCE - 1
            case "jump" if far.sealer is not None:
                far.sealer.sequence = min(far.sealer.sequence + size, LAST_SEQUENCE - 9)
            case "unlink" if name in world.node("a").edges:
                world.unlink("a", name)
            case "link" if name in ("b", "c") and name not in world.node("a").edges:
                world.link("a", name, DEFAULT if name == "b" else self.state.near)
            case "subnet" if self._switching:
                world.subnet(name, "2:0:0:0:0:2")
            case "subnet":
                world.subnet(name, "10.0.2.0/25")
            case "mtu":
                world.proved(name, size)
            case "kernel":
                world.ports.largest = size
            case "room":
                world.ports.largest = 65535
            case "move":
                self.place = 1 - self.place
            case "socket":
                self.index = 1 - self.index
            case "wait":
                world.now += size / 100


TRAFFIC: Final = ["device", "udp", "burst of device", "burst of udp", "meta", "again"]
CHANGES: Final = [
    *["lose", "cut", "forge", "garbage", "take key", "give key", "cross keys"],
    *["expire keys", "void key", "exhaust", "jump", "unlink", "link", "subnet", "mtu"],
    *["kernel", "room", "move", "socket", "wait"],
]
KINDS: Final = [
    *["data", "syn", "ipv6", "whole", "urgent", "dying", "options", "tagged", "raw"],
    *["arp", "probe", "reply", "nothing"],
]


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Any of these, so that several choices together are still mostly the usual."""
    return st.sampled_from([usual] * 4 * len(others) + [*others])


routes = st.builds(
    RouteOptions,
    mode=st.sampled_from([Mode.ROUTER] * 3 + [Mode.SWITCH] * 3 + [Mode.HUB]),
    broadcast=st.booleans(),
    forwarding=mostly(Forwarding.INTERNAL, Forwarding.OFF, Forwarding.KERNEL),
    decrement_ttl=mostly(False, True),
    priority_inheritance=mostly(False, True),
    direct_only=mostly(False, True),
)
links = mostly(DEFAULT, 0, CLAMP_MSS, DEFAULT | INDIRECT, DEFAULT | INDIRECT | TCPONLY)
states = st.builds(
    State,
    route=routes,
    own=mostly(DEFAULT, DEFAULT | INDIRECT | TCPONLY),
    near=links,
    far=links,
    suite=mostly(*SUITES),
    window=mostly(16, 0, 1),
    levels=mostly((0, 0), (1, 0), (0, 1)),
    mtu=mostly(1451, 0, 200),
)


@st.composite
def frames(draw: st.DrawFn) -> tuple[str, bytes]:
    """A frame, and the node that sends it unless it is of the device."""
    kind, target = draw(mostly("plain", *KINDS)), draw(st.sampled_from("aabbccddx*"))
    name, size = draw(st.sampled_from("bbbcd")), draw(st.integers(0, 700))
    if kind in ("probe", "reply"):
        return name, probe(max(size, 14), reply=kind == "reply")
    if kind == "nothing":
        return name, bytes(size % 14)
    return name, _packet(kind, name, target, size)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, str, bytes, int]]:
    """Traffic and changes by turns, most of it about few frames again and again."""
    pool = draw(st.lists(frames(), min_size=1, max_size=3))
    name, frame = pool[0]
    story = []
    for _ in range(draw(st.integers(1, 6))):
        what = draw(st.sampled_from(TRAFFIC[:2] * 5 + TRAFFIC))
        for each in (what, draw(st.sampled_from(CHANGES)), what):
            size = draw(st.integers(0, 1600))
            story += [(each, name, frame, size)] * (3 if each is what else 1)
        name, frame = draw(st.sampled_from(pool))
    return story


@settings(max_examples=70)
@given(states, stories())
def test_no_packet_fares_differently(
    state: State, story: list[tuple[str, str, bytes, int]]
) -> None:
    plain, other = Daemon(state, short=False), Daemon(state, short=True)
    for event in story:
        for daemon in (plain, other):
            daemon.happen(*event)
        assert other.sent == plain.sent
        ports, others = plain.world.ports, other.world.ports
        assert others.delivered == ports.delivered
        assert others.packets == ports.packets
        assert others.key_requests == ports.key_requests
        assert other.world.pipeline.drops == plain.world.pipeline.drops
        for name in "bcd":
            assert _seen(other.world, name) == _seen(plain.world, name)


def _seen(world: World, name: str) -> tuple[Any, ...]:
    """Return what packets change of a node."""
    node = world.node(name)
    tunnel = world.tunnel(node)
    pmtu, opener = tunnel.pmtu, tunnel.opener
    return (
        (node.address, node.mtu, pmtu.minmtu, pmtu.maxmtu, pmtu.mtu),
        (tunnel.numbers, tunnel.openers.highest, tunnel.needs_rekey),
        (world.tunnel(node).heard_on, opener is None),
    )
