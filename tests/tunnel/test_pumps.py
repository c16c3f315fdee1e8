"""The compiled pumps between a device and a UDP socket."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

import pytest

from tests.tunnel.pumping import PLAIN, VNET, Lab, datagram_socket, packet, received
from tests.tunnel.segments import Segment
from tests.tunnel.world import World, ipv4, probe
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.routing.options import Mode, RouteOptions
from tincd_compat.tunnel import pumps, splitting
from tincd_compat.tunnel._fast import core
from tincd_compat.tunnel.delivery import Policy
from tincd_compat.tunnel.pumps import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


def segments(count: int, size: int = 100) -> list[bytes]:
    """Return TCP segments of one flow towards our subnet."""
    found = []
    for index in range(count):
        frame = bytearray(
            Segment(payload=bytes([index]) * size, number=index * size).frame()
        )
        found.append(bytes(frame))
    return found


class TestOutward:
    @pytest.mark.parametrize("vnet", [False, True])
    def test_what_is_unknown_goes_the_python_way_once(
        self, make: Callable[..., Lab], vnet: bool
    ) -> None:
        lab = make(vnet=vnet)
        lab.give(packet(1), packet(2))
        lab.out()
        ((name, train),) = lab.world.ports.trains
        assert name == "b"
        assert lab.world.peers["b"].open(train) == [packet(1), packet(2)]
        assert lab.arrived("b") == []
        lab.give(packet(3), packet(4), packet(5))
        lab.out()
        assert len(lab.world.ports.trains) == 1
        assert lab.pumps.from_device(lab.world.now) is Progress.QUIET
        # The numbers go on where the other way has left them.
        assert lab.arrived("b") == [packet(3), packet(4), packet(5)]
        assert lab.owner.bytes_in == 5 * len(packet(1))

    def test_each_peer_gets_its_own(self, lab: Lab) -> None:
        lab.give(packet(0), packet(0, "10.0.3.1"))
        lab.out()
        mixed = [packet(i, f"10.0.{2 + i % 2}.1") for i in range(20)]
        lab.give(*mixed)
        lab.out()
        assert lab.arrived("b") == mixed[::2]
        assert lab.arrived("c") == mixed[1::2]

    def test_more_than_a_train(self, lab: Lab) -> None:
        lab.give(packet(0))
        lab.out()
        many = [packet(i) for i in range(300)]
        sent: list[bytes] = []
        for start in range(0, 300, 60):
            lab.give(*many[start : start + 60])
            lab.out()
            sent += lab.arrived("b")
        assert sent == many

    def test_a_super_packet_is_cut(self, lab: Lab) -> None:
        whole = Segment(payload=bytes(range(200)), source=1).piece(30)
        frame = bytearray(whole.frame)
        frame[26:34] = bytes([10, 0, 1, 1, 10, 0, 2, 1])
        lab.give(packet(0))
        lab.out()
        header = VNET.pack(1, whole.kind, 0, whole.size, whole.start - 14, 16)
        lab.give(frame, header=header)
        lab.out()
        pieces = splitting.split(frame, whole.kind, whole.size, whole.start)
        assert len(pieces) == 7
        assert lab.arrived("b") == pieces
        assert lab.owner.bytes_in == sum(map(len, (packet(0), *pieces)))

    def test_a_checksum_is_finished(self, lab: Lab) -> None:
        segment = Segment(udp=True, payload=b"x" * 31)
        whole, unfinished = segment.frame(), bytearray(segment.piece(31).frame)
        lab.world.subnet("b", ".".join(map(str, whole[30:34])))
        header = VNET.pack(1, 0, 0, 0, 20, 6)
        for _ in range(2):
            lab.give(unfinished, header=header)
            lab.out()
        ((_, train),) = lab.world.ports.trains
        assert lab.world.peers["b"].open(train) == [whole]
        assert lab.arrived("b") == [whole]

    @pytest.mark.parametrize("length", [1451, 1452, 1500])
    def test_what_the_path_may_not_carry_goes_back(self, lab: Lab, length: int) -> None:
        lab.give(packet(0))
        lab.out()
        lab.give(ipv4("10.0.1.1", "10.0.2.1", bytes(length - 34)))
        lab.out()
        fits = length <= 1451
        assert len(lab.arrived("b")) == fits
        # Of those fragments can be made.
        assert len(lab.world.ports.trains) == 1 + (not fits)

    def test_a_new_key_counts_at_once(self, lab: Lab) -> None:
        lab.give(packet(0))
        lab.out()
        lab.world.take_key("b")
        lab.give(packet(1))
        lab.out()
        assert lab.world.peers["b"].open(lab.world.ports.trains[-1][1]) == [packet(1)]
        lab.give(packet(2))
        lab.out()
        assert lab.arrived("b") == [packet(2)]

    def test_a_node_that_moves_is_followed(self, lab: Lab) -> None:
        lab.give(packet(0))
        lab.out()
        lab.far["b"].close()
        lab.far["b"] = datagram_socket()
        lab.send("b", packet(1, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        lab.give(packet(2), packet(3))
        lab.out()
        lab.give(packet(4))
        lab.out()
        assert lab.arrived("b") == [packet(4)]

    def test_a_refusal_is_told(self, lab: Lab) -> None:
        lab.give(packet(0))
        lab.out()
        # Port 0 is nobody's: the kernel says EINVAL to trains and datagrams alike.
        address = SocketAddress("127.0.0.1", 0)
        lab.world.mesh.set_address(lab.world.node("b"), address)
        lab.world.pipeline.invalidate()
        lab.give(packet(1))
        lab.out()
        lab.give(packet(2), packet(3))
        lab.out()
        assert set(lab.sockets.refusals) == {("b", errno.EINVAL)}
        assert lab.sockets.stopped == []

    def test_a_key_that_is_used_up(self, lab: Lab) -> None:
        lab.give(packet(0))
        lab.out()
        sealer = lab.world.tunnel(lab.world.node("b")).sealer
        assert sealer is not None
        sealer.sequence = 0xFFFFFFFF - 1
        lab.give(packet(1), packet(2))
        lab.out()
        assert lab.world.pipeline.drops["no valid key"] == 1
        assert len(received(lab.far["b"])) == 1

    def test_a_dead_device_is_for_python(self, lab: Lab) -> None:
        lab.ours.close()
        assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED

    def test_single_packets_are_logged_by_python(self, lab: Lab) -> None:
        logs.traffic.setLevel(logging.DEBUG)
        assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED
        assert lab.pumps.from_udp(0, lab.world.now) is Progress.REFUSED


class TestInward:
    def test_what_is_unknown_goes_the_python_way_once(self, lab: Lab) -> None:
        frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(6)]
        lab.send("b", frames[0])
        lab.receive()
        assert lab.world.ports.delivered == [frames[0]]
        # The source is known by now, the destination after this.
        lab.send("b", frames[1])
        lab.receive()
        assert lab.world.ports.delivered == frames[:2]
        lab.send("b", *frames[2:])
        lab.receive()
        assert lab.world.ports.delivered == frames[:2]
        assert lab.written() == [(PLAIN, frame) for frame in frames[2:]]
        assert lab.owner.bytes_out == 4 * len(frames[0])

    def learned(self, lab: Lab) -> None:
        for number in range(2):
            lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
            lab.receive()
        lab.world.ports.delivered.clear()

    def test_segments_are_merged(self, make: Callable[..., Lab]) -> None:
        world = World()
        lab = make(world)
        frames = segments(5)
        target = ".".join(map(str, frames[0][30:34]))
        world.subnet("a", target)
        for _ in range(2):
            lab.send("b", packet(0, target))
            lab.receive()
        lab.send("b", *frames)
        lab.receive()
        ((header, piece),) = lab.written()
        flags, kind, length, size, start, offset = VNET.unpack(header)
        assert (flags, kind, size, start, offset) == (1, 1, 100, 20, 16)
        assert length == len(piece) - 14 - 500
        cut = splitting.split(piece, kind, size, start + 14)
        assert [frame[34:] for frame in cut] == [frame[34:] for frame in frames]
        assert lab.owner.bytes_out == sum(map(len, frames))

    def test_segments_beyond_what_one_write_can_gather(self, lab: Lab) -> None:
        lab.world.subnet("a", "10.0.0.2")
        for number in range(2):
            lab.send("b", packet(number, "10.0.0.2"))
            lab.receive()
        frames = [Segment(payload=b"x", number=i).frame() for i in range(1024)]
        lab.send_trains("b", *frames)
        lab.receive()
        found = []
        for header, piece in lab.written():
            _, kind, _, size, start, _ = VNET.unpack(header)
            found += splitting.split(piece, kind, size, start + 14)
        assert [frame[34:] for frame in found] == [frame[34:] for frame in frames]

    def test_a_probe_is_answered(self, lab: Lab) -> None:
        self.learned(lab)
        lab.send("b", probe(100))
        lab.receive()
        ((_, train),) = lab.world.ports.trains
        assert lab.world.peers["b"].open(train) == [probe(100, reply=True)]

    def test_what_is_not_for_us_is_routed(self, lab: Lab) -> None:
        self.learned(lab)
        frame = packet(7, "10.0.3.1", "10.0.2.1")
        lab.send("b", frame)
        lab.receive()
        ((name, train),) = lab.world.ports.trains
        assert name == "c"
        assert lab.world.peers["c"].open(train) == [frame]
        assert lab.written() == []

    def test_replayed_and_forged_datagrams(self, lab: Lab) -> None:
        self.learned(lab)
        (good,) = lab.world.peers["b"].seal(packet(5, "10.0.1.1", "10.0.2.1"))
        forged = good[:-1] + bytes([good[-1] ^ 1])
        lab.send_raw("b", good, good, forged, b"short", b"")
        lab.receive()
        assert len(lab.written()) == 1
        drops = lab.world.pipeline.drops
        assert drops["late or replayed"] == 1
        assert drops["unauthenticated"] == 1
        assert drops["too short"] == 1
        assert drops["invalid size"] == 1

    def test_a_key_that_we_renew_counts_at_once(self, lab: Lab) -> None:
        self.learned(lab)
        frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(4)]
        old = lab.world.peers["b"].seal(*frames[:2])
        lab.world.give_key("b")
        lab.world.pipeline.own_keys_changed()
        lab.send_raw("b", old[0])
        lab.send("b", frames[2])
        lab.receive()
        assert lab.world.ports.delivered == [frames[0], frames[2]]
        # The old one had been in use before, and has ended.
        lab.send("b", frames[3])
        lab.send_raw("b", old[1])
        lab.receive()
        assert lab.world.ports.delivered[2:] == [frames[3]]
        assert lab.world.pipeline.drops == {"unauthenticated": 1}

    def test_keys_whose_lines_have_crossed(self, lab: Lab) -> None:
        lab.world.cross_keys("b")
        self.learned(lab)
        frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(4)]
        # The older key is in front by now, and the compiled way knows it alone.
        lab.send("b", *frames)
        lab.receive()
        assert lab.written() == [(PLAIN, frame) for frame in frames]
        assert lab.world.ports.delivered == []

    def test_a_node_that_turns_to_its_other_key(self, lab: Lab) -> None:
        peer = lab.world.peers["b"].tunnel
        older = peer.sealer
        lab.world.give_key("b")
        self.learned(lab)
        for sealer in (older, peer.sealer):
            peer.sealer = sealer
            # The Python way, until the source and then the destination is told.
            for way in ("python", "python", "compiled", "compiled"):
                frame = packet(1, "10.0.1.1", "10.0.2.1")
                lab.send("b", frame)
                lab.receive()
                assert lab.written() == [(PLAIN, frame)] * (way == "compiled")
        assert lab.world.pipeline.drops == {}

    def test_a_subnet_that_is_no_longer_ours(self, lab: Lab) -> None:
        self.learned(lab)
        mesh = lab.world.mesh
        (subnet,) = mesh.subnets.of(mesh.myself)
        mesh.subnets.remove(mesh.myself, subnet)
        lab.world.pipeline.subnets_changed()
        lab.send("b", packet(9, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        assert lab.written() == []
        assert lab.world.ports.delivered == []

    def test_a_device_that_refuses(self, lab: Lab) -> None:
        self.learned(lab)
        lab.kernel.close()
        lab.send("b", packet(5, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        assert lab.owner.failures == [errno.EPIPE]
        assert lab.owner.bytes_out == 0


class TestRelay:
    def relayed(self, number: int) -> bytes:
        return packet(number, "10.0.3.1", "10.0.2.1")

    def test_what_is_passed_on(self, lab: Lab) -> None:
        for number, way in enumerate(("python", "python", "compiled", "compiled")):
            lab.world.ports.trains.clear()
            lab.send("b", self.relayed(number))
            assert (lab.pumps.from_udp(0, lab.world.now) is Progress.QUIET) == (
                way == "compiled"
            )
            python = [self.relayed(number)] if way == "python" else []
            trains = [train for _, train in lab.world.ports.trains]
            opened = [lab.world.peers["c"].open(train) for train in trains]
            assert opened == ([python] if python else [])
            if way == "compiled":
                assert lab.arrived("c") == [self.relayed(number)]
        assert lab.owner.bytes_in == lab.owner.bytes_out == 0

    def test_trains_of_several_nodes_and_our_device(self, lab: Lab) -> None:
        ours, ours_too = (packet(i, "10.0.1.1", "10.0.2.1") for i in range(2))
        self.learned(lab)
        lab.send("b", *map(self.relayed, range(150)), ours)
        lab.send("c", packet(7, "10.0.2.1", "10.0.3.1"), ours_too)
        for _ in range(10):
            lab.receive()
        assert lab.arrived("c") == [self.relayed(i) for i in range(150)]
        assert lab.arrived("b") == [packet(7, "10.0.2.1", "10.0.3.1")]
        assert [frame for _, frame in lab.written()] == [ours, ours_too]

    def learned(self, lab: Lab) -> None:
        for _ in range(3):
            lab.send("b", self.relayed(0), packet(0, "10.0.1.1", "10.0.2.1"))
            lab.send("c", packet(0, "10.0.2.1", "10.0.3.1"))
            lab.send("c", packet(0, "10.0.1.1", "10.0.3.1"))
            lab.receive()
        lab.written()
        lab.arrived("b")
        lab.arrived("c")

    def test_nothing_goes_back_where_it_came_from(self, lab: Lab) -> None:
        for number in range(4):
            lab.send("b", packet(number, "10.0.2.1", "10.0.2.2"))
            lab.receive()
        assert lab.arrived("b") == []
        assert lab.world.pipeline.drops.total() == 4

    def test_what_the_path_may_not_carry_goes_back(self, lab: Lab) -> None:
        self.learned(lab)
        lab.world.ports.packets.clear()
        long = ipv4("10.0.2.1", "10.0.3.1", bytes(1452 - 34))
        lab.send("b", long)
        lab.receive()
        assert lab.arrived("c") == []

    def test_a_change_of_the_mesh(self, lab: Lab) -> None:
        self.learned(lab)
        lab.world.subnet("c", "10.0.3.1/32")
        lab.world.subnet("a", "10.0.3.1/32")
        lab.world.pipeline.subnets_changed()
        lab.send("b", self.relayed(3))
        lab.receive()
        assert lab.arrived("c") == []

    def test_a_refusal_is_told(self, lab: Lab) -> None:
        address = SocketAddress("127.0.0.1", 0)
        lab.world.mesh.set_address(lab.world.node("c"), address)
        for number in range(4):
            lab.send("b", self.relayed(number))
            lab.receive()
        assert lab.sockets.refusals == [("c", errno.EINVAL)] * 2

    def test_a_key_that_is_used_up(self, lab: Lab) -> None:
        self.learned(lab)
        sealer = lab.world.tunnel(lab.world.node("c")).sealer
        assert sealer is not None
        sealer.sequence = 0xFFFFFFFF - 1
        lab.send("b", self.relayed(1), self.relayed(2))
        lab.receive()
        assert lab.world.pipeline.drops["no valid key"] == 1
        assert len(received(lab.far["c"])) == 1


class TestSwitch:
    @pytest.fixture
    def lab(self, make: Callable[..., Lab]) -> Lab:
        route = RouteOptions(mode=Mode.SWITCH)
        lab = make(World(Policy(options=0xC, route=route), route), tap=True)
        lab.world.subnet("a", "2:0:0:0:0:1")
        lab.world.subnet("b", "2:0:0:0:0:2")
        return lab

    def frame(self, number: int, target: int, source: int) -> bytes:
        address = bytes([2, 0, 0, 0, 0])
        head = address + bytes([target]) + address + bytes([source])
        return head + packet(number)[12:]

    def test_authors_are_announced_now_and_then(self, lab: Lab) -> None:
        frames = [self.frame(number, 2, 1) for number in range(4)]
        lab.give(frames[0])
        lab.out()
        assert len(lab.world.ports.learned) == 1
        lab.give(frames[1])
        lab.out()
        assert lab.arrived("b") == [frames[1]]
        assert len(lab.world.ports.learned) == 1
        lab.world.now += pumps.STATION_MEMORY + 1
        lab.give(frames[2])
        lab.out()
        assert len(lab.world.ports.learned) == 2
        lab.give(frames[3])
        lab.out()
        assert lab.arrived("b") == [frames[3]]

    def test_inward(self, lab: Lab) -> None:
        frames = [self.frame(number, 1, 2) for number in range(3)]
        for frame in frames:
            lab.send("b", frame)
            lab.receive()
        assert lab.world.ports.delivered == frames[:2]
        assert lab.written() == [(PLAIN, frames[2])]


def test_none_without_the_compiled_half(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "core", None)
    world = lab.world
    assert pumps.start(lab.direct, world.pipeline, world.mesh, lab.sockets) is None


def test_none_for_other_devices(lab: Lab) -> None:
    world = lab.world
    assert pumps.start(None, world.pipeline, world.mesh, lab.sockets) is None
