"""The single-packet path, by itself and against the pipeline."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.nosockets import NoSockets
from tests.tunnel.world import DEFAULT, HERE, SUITE, World, ipv4, lengths, probe, sized
from tincd_compat.addresses import SocketAddress
from tincd_compat.modes import Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.codec import LAST_SEQUENCE
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.flows import STATION_MEMORY
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.singles import Singles

THERE = "10.0.2.1"
FURTHER = "10.0.3.1"
B_MAC, A_MAC = bytes.fromhex("02000000000b"), bytes.fromhex("02000000000a")


@pytest.fixture(autouse=True, scope="module")
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", None)
        yield


class FakeSockets(NoSockets):
    """Passes single datagrams to where trains go as well; ``error`` refuses them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.singles = 0
        self.error = 0
        self.refusals: list[tuple[str, int]] = []
        #: The sockets on which nodes were heard that are sent to.
        self.remembered: list[int] = []

    def sender(
        self, address: SocketAddress, remembered: int
    ) -> Callable[[bytes], OSError | None] | None:
        node = self._world.mesh.node_by_address(address)
        assert node is not None
        self.remembered.append(remembered)

        def send(datagram: bytes) -> OSError | None:
            if self.error:
                return OSError(self.error, os.strerror(self.error))
            self.singles += 1
            self._world.ports.trains.append((node.name, [datagram]))
            return None

        return None if address.is_ipv6 else send

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        self.refusals.append((peer, error))


class Desk:
    """A daemon that tries the single-packet path first, and then the pipeline."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.written: list[bytes] = []
        #: Of datagrams that went short, whether nothing but packets was touched.
        self.quiet: list[bool] = []
        self.sockets = FakeSockets(world)
        self.singles = Singles(
            world.pipeline, world.mesh, self.sockets, self._write, lambda: world.now
        )

    def _write(self, frame: bytes) -> None:
        self.written.append(frame)
        self.world.ports.delivered.append(frame)

    def from_device(self, frame: bytearray) -> bool:
        """Return whether the frame took the single-packet path."""
        if self.singles.outward(frame):
            return True
        self.world.from_device(bytearray(frame))
        self.singles.sent(frame)
        return False

    def from_udp(self, name: str, datagram: bytes, index: int = 0) -> bool:
        """Return whether the datagram took the single-packet path."""
        address = self.world.peers[name].address
        source = (address.host, address.port)
        progress = self.singles.inward(index, datagram, source, self.world.now)
        if progress is not Progress.REFUSED:
            self.quiet.append(progress is Progress.QUIET)
            return True
        self.world.from_udp([datagram], address, index)
        self.singles.received(index, source, address)
        return False

    def from_peer(self, name: str, frame: bytes | bytearray) -> bool:
        (datagram,) = self.world.peers[name].seal(frame)
        return self.from_udp(name, datagram)


def build(world: World | None = None) -> World:
    world = world or World()
    for name in ("b", "c"):
        world.link("a", name)
    if world.pipeline.flows.switching:
        world.subnet("b", "2:0:0:0:0:b")
        world.subnet("a", "2:0:0:0:0:a")
    else:
        world.subnet("b", "10.0.2.0/24")
        world.subnet("c", "10.0.3.0/24")
    world.ready("b", "c")
    return world


@pytest.fixture
def desk() -> Desk:
    return Desk(build())


class TestOutward:
    def test_after_the_first_frame_the_way_is_short(self, desk: Desk) -> None:
        ways = [desk.from_device(sized(100 + i, THERE)) for i in range(3)]
        assert ways == [False, True, True]
        assert lengths(desk.world.received("b")) == [100, 101, 102]

    def test_both_ways_share_the_numbers(self, desk: Desk) -> None:
        for _ in range(3):
            desk.from_device(sized(60, THERE))
            desk.world.from_device(sized(61, THERE), sized(62, THERE))
        assert lengths(desk.world.received("b")) == [60, 61, 62] * 3

    def test_longer_frames_than_the_path_carries_are_left(self, desk: Desk) -> None:
        desk.world.proved("b", 500)
        desk.from_device(sized(100, THERE))
        assert desk.from_device(sized(500, THERE))
        assert not desk.singles.outward(sized(501, THERE))

    @pytest.mark.parametrize(
        "frame",
        [
            sized(60, "10.0.9.9"),
            sized(60, HERE),
            ipv4(HERE, "224.0.0.1"),
            bytearray(b"short"),
            bytearray(),
        ],
        ids=["nobody's", "our own", "multicast", "broken", "empty"],
    )
    def test_what_is_not_ordinary_never_goes_short(
        self, desk: Desk, frame: bytearray
    ) -> None:
        assert [desk.from_device(frame) for _ in range(3)] == [False] * 3

    @pytest.mark.parametrize("what", ["subnet", "key", "path MTU", "link"])
    def test_changes_are_heeded(self, desk: Desk, what: str) -> None:
        world = desk.world
        desk.from_device(sized(100, THERE))
        match what:
            case "subnet":
                world.subnet("c", "10.0.2.1/32")
            case "key":
                world.take_key("b")
            case "path MTU":
                world.proved("b", 99)
            case _:
                world.unlink("a", "b")
        assert not desk.singles.outward(sized(100, THERE))

    def test_a_datagram_that_does_not_fit_lowers_the_path_mtu(self, desk: Desk) -> None:
        desk.from_device(sized(1000, THERE))
        desk.sockets.error = errno.EMSGSIZE
        assert desk.from_device(sized(1000, THERE))
        world = desk.world
        assert world.pipeline.drops["larger than the path MTU"] == 1
        assert world.tunnel(world.node("b")).pmtu.maxmtu < 1000
        assert not desk.singles.outward(sized(1000, THERE))

    def test_other_refusals_are_told(self, desk: Desk) -> None:
        desk.from_device(sized(100, THERE))
        desk.sockets.error = errno.ENETUNREACH
        assert desk.from_device(sized(100, THERE))
        assert desk.sockets.refusals == [("b", errno.ENETUNREACH)]

    def test_without_numbers_the_pipeline_asks_for_a_key(self, desk: Desk) -> None:
        desk.from_device(sized(100, THERE))
        tunnel = desk.world.tunnel(desk.world.node("b"))
        assert tunnel.sealer is not None
        tunnel.sealer.sequence = LAST_SEQUENCE - 1
        assert desk.from_device(sized(100, THERE))
        assert not desk.from_device(sized(100, THERE))
        assert desk.world.pipeline.drops["no valid key"] == 1

    def test_compressed_packets_are_left(self) -> None:
        world = build()
        sealer = codec.Sealer(*_suite_and_key(), level=1)
        world.tunnel(world.node("b")).sealer = sealer
        desk = Desk(world)
        assert [desk.from_device(sized(100, THERE)) for _ in range(2)] == [False] * 2

    def test_so_are_those_of_a_compiled_sealer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(codec.Sealer, "pure", None)
        desk = Desk(build())
        assert [desk.from_device(sized(100, THERE)) for _ in range(2)] == [False] * 2

    def test_forged_destinations_do_not_fill_the_memory(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tincd_compat.tunnel.singlepath.MAX_DESTINATIONS", 4)
        for last in range(1, 30):
            desk.from_device(sized(60, f"10.0.2.{last}"))
        assert len(desk.singles._path._destinations) <= 4


def _suite_and_key() -> tuple[Any, bytes]:
    return SUITE, bytes(SUITE.cipher.key_block_size)


class TestInward:
    def test_after_two_datagrams_the_way_is_short(self, desk: Desk) -> None:
        ways = [desk.from_peer("b", sized(100 + i, HERE)) for i in range(4)]
        assert ways == [False, True, True, True]
        assert lengths(desk.world.ports.delivered) == [100, 101, 102, 103]
        # The first that was opened here was shown to the pipeline nevertheless.
        assert lengths(desk.written) == [102, 103]

    def test_what_does_not_follow_is_left_to_the_pipeline(self, desk: Desk) -> None:
        train = desk.world.peers["b"].seal(*(sized(60 + i, HERE) for i in range(7)))
        forged = train[5][:-1] + bytes([train[5][-1] ^ 1])
        order = [train[0], train[1], train[1], train[3], train[2], b"", forged]
        ways = [desk.from_udp("b", data) for data in [*order, train[4], train[5]]]
        assert ways == [*(False, True, False, False, False, False, False), True, True]
        assert lengths(desk.world.ports.delivered) == [60, 61, 63, 62, 64, 65]
        drops = desk.world.pipeline.drops
        assert drops["late or replayed"] == drops["unauthenticated"] == 1

    def test_strangers_are_left(self, desk: Desk) -> None:
        desk.from_peer("b", sized(60, HERE))
        (datagram,) = desk.world.peers["b"].seal(sized(60, HERE))
        for index, source in (0, ("203.0.113.9", 4242)), (1, ("192.0.2.2", 655)):
            progress = desk.singles.inward(index, datagram, source, desk.world.now)
            assert progress is Progress.REFUSED
        assert desk.from_udp("b", datagram)

    def test_too_long_datagrams_are_left(self, desk: Desk) -> None:
        desk.from_peer("b", sized(60, HERE))
        assert not desk.from_peer("b", sized(1700, HERE))
        assert desk.world.pipeline.drops["too long"] == 1

    def test_probes_are_answered(self, desk: Desk) -> None:
        desk.from_peer("b", sized(60, HERE))
        assert desk.from_peer("b", probe(200))
        (reply,) = desk.world.received("b")
        assert reply[:1] == b"\1"
        assert len(reply) == 200

    def test_frames_between_others_are_relayed(self, desk: Desk) -> None:
        for i in range(4):
            desk.from_peer("b", sized(100 + i, FURTHER))
        assert lengths(desk.world.received("c")) == [100, 101, 102, 103]
        assert desk.sockets.singles == 2

    @pytest.mark.parametrize("has_key", [True, False])
    def test_what_asks_for_a_key_is_not_quiet(self, desk: Desk, has_key: bool) -> None:
        desk.from_peer("b", sized(60, HERE))
        desk.from_peer("b", sized(60, HERE))
        if not has_key:
            desk.world.tunnel(desk.world.node("c")).void_peer_key()
            desk.from_peer("b", sized(60, HERE))
            desk.from_peer("b", sized(60, HERE))
        desk.quiet.clear()
        for _ in range(2):
            desk.from_peer("b", sized(60, FURTHER))
        assert desk.quiet == [False, has_key]
        assert desk.world.ports.key_requests == ["c"] * (not has_key)

    def test_nothing_is_sent_back(self, desk: Desk) -> None:
        desk.from_device(sized(60, THERE))
        for _ in range(4):
            desk.from_peer("b", sized(60, THERE))
        assert len(desk.world.ports.trains) == 1
        assert desk.world.pipeline.drops["looping back"] == 4

    def test_a_new_key_is_heeded(self, desk: Desk) -> None:
        for _ in range(3):
            desk.from_peer("b", sized(60, HERE))
        desk.world.give_key("b")
        ways = [desk.from_peer("b", sized(60, HERE)) for _ in range(3)]
        assert ways == [False, True, True]
        assert len(desk.world.ports.delivered) == 6

    def test_answers_leave_where_the_node_is_heard(self, desk: Desk) -> None:
        for index in (0, 1):
            (datagram,) = desk.world.peers["b"].seal(sized(60, HERE))
            desk.from_udp("b", datagram, index)
            ways = [desk.from_device(sized(60, THERE)) for _ in range(2)]
            assert ways == [False, True]
        assert desk.sockets.remembered == [0, 1]

    def test_more_senders_than_there_is_room_for(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tincd_compat.tunnel.singlepath.MAX_DESTINATIONS", 1)
        for name in ("b", "c", "b", "c"):
            desk.from_peer(name, sized(60, HERE))
            assert len(desk.singles._path._sources) == 1
            assert desk.from_peer(name, sized(60, HERE))

    def test_a_key_that_has_expired_opens_nothing(self, desk: Desk) -> None:
        for _ in range(3):
            desk.from_peer("b", sized(60, HERE))
        desk.world.tunnel(desk.world.node("b")).expire()
        assert not desk.from_peer("b", sized(60, HERE))
        assert len(desk.world.ports.delivered) == 3

    def test_another_socket_is_heeded(self, desk: Desk) -> None:
        for _ in range(3):
            desk.from_peer("b", sized(60, HERE))
        train = desk.world.peers["b"].seal(*(sized(60, HERE) for _ in range(3)))
        ways = [desk.from_udp("b", data, index=1) for data in train]
        assert ways == [False, True, True]
        node = desk.world.node("b")
        assert desk.world.tunnel(node).heard_on == 1


class TestSwitch:
    @pytest.fixture
    def desk(self) -> Desk:
        route = RouteOptions(mode=Mode.SWITCH)
        return Desk(build(World(DeliveryPolicy(options=DEFAULT, route=route), route)))

    @staticmethod
    def frame(source: bytes = A_MAC, target: bytes = B_MAC) -> bytearray:
        return bytearray(target + source) + ipv4(HERE, THERE)[12:]

    def test_after_the_first_frame_the_way_is_short(self, desk: Desk) -> None:
        ways = [desk.from_device(self.frame()) for _ in range(3)]
        assert ways == [False, True, True]
        assert len(desk.world.received("b")) == 3

    def test_new_authors_are_announced_and_old_ones_again(self, desk: Desk) -> None:
        other = bytes.fromhex("0200000000aa")
        for source in (A_MAC, A_MAC, other, other, A_MAC):
            desk.from_device(self.frame(source))
        assert desk.world.ports.learned == [A_MAC, other]
        desk.world.now += STATION_MEMORY + 1
        assert not desk.from_device(self.frame())
        assert desk.world.ports.learned == [A_MAC, other, A_MAC]

    def test_authors_that_expire_soon_are_announced_often(self) -> None:
        route = RouteOptions(mode=Mode.SWITCH, mac_expire=2)
        desk = Desk(build(World(DeliveryPolicy(options=0xC, route=route), route)))
        for _ in range(4):
            assert not desk.from_device(self.frame())
            assert desk.from_device(self.frame())
            desk.world.now += 0.6
        assert desk.world.ports.learned == [A_MAC] * 4

    def test_a_station_is_learned_again_after_its_change(self, desk: Desk) -> None:
        other = bytes.fromhex("0200000000aa")
        for source in (A_MAC, other):
            desk.from_device(self.frame(source))
        # It has moved to b, as b says, but speaks here again.
        desk.world.subnet("b", "2:0:0:0:0:a")
        for source in (other, A_MAC, A_MAC):
            desk.from_device(self.frame(source))
        assert desk.world.ports.learned == [A_MAC, other, A_MAC]

    def test_forged_authors_do_not_fill_the_memory(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tincd_compat.tunnel.singlepath.MAX_DESTINATIONS", 4)
        for last in range(30):
            desk.from_device(self.frame(A_MAC[:5] + bytes([last])))
        assert len(desk.singles._path._stations) <= 4

    def test_inward(self, desk: Desk) -> None:
        for _ in range(4):
            desk.from_peer("b", self.frame(B_MAC, A_MAC))
        assert len(desk.world.ports.delivered) == 4
        assert len(desk.written) == 2
        assert desk.from_peer("b", probe(100))


#: What happens to both daemons: a frame of the device or of b, by destination and
#: length; datagrams again or never; a change.
events = st.one_of(
    st.tuples(
        st.sampled_from(["device", "b"]),
        st.sampled_from([HERE, THERE, FURTHER, "10.0.9.9"]),
        st.integers(40, 700),
    ),
    st.tuples(st.just("probe"), st.just(""), st.integers(64, 700)),
    st.tuples(
        st.sampled_from(["again", "lose", "forge", "burst", "key", "give", "mtu"]),
        st.just(""),
        st.integers(40, 700),
    ),
)


def happen(world: World, desk: Desk | None, story: list[tuple[str, str, int]]) -> None:
    """Let a daemon see these events, with the single-packet path or without."""
    b = world.peers["b"]
    last = b""

    def arrive(datagram: bytes) -> None:
        if desk is None:
            world.from_udp([datagram], b.address)
        else:
            desk.from_udp("b", datagram)

    for kind, target, size in story:
        match kind:
            case "device":
                frame = sized(size, target)
                world.from_device(frame) if desk is None else desk.from_device(frame)
            case "b" | "probe":
                sent = probe(size) if kind == "probe" else sized(size, target)
                (last,) = b.seal(sent)
                arrive(last)
            case "again":
                arrive(last)
            case "lose":
                b.seal(sized(60, HERE))
            case "forge":
                arrive(last[:-1] + b"!")
            case "burst":
                world.from_device(sized(size, THERE), sized(60, FURTHER))
            case "key":
                world.take_key("b")
            case "give":
                world.give_key("b")
            case _:
                world.proved("b", size)


@given(st.lists(events, max_size=40))
def test_no_packet_fares_differently(story: list[tuple[str, str, int]]) -> None:
    # Both have the same randomness and so the same keys.
    plain, other = build(), build()
    happen(plain, None, story)
    happen(other, Desk(other), story)
    assert other.ports.delivered == plain.ports.delivered
    flat = [
        [(name, data) for name, train in world.ports.trains for data in train]
        for world in (plain, other)
    ]
    assert flat[1] == flat[0]
    assert other.ports.packets == plain.ports.packets
    assert other.pipeline.drops == plain.pipeline.drops
    tunnels = [world.tunnel(world.node("b")) for world in (plain, other)]
    assert tunnels[0].openers.highest == tunnels[1].openers.highest
    assert tunnels[0].numbers == tunnels[1].numbers
