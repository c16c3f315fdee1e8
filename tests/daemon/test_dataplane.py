"""The data plane between its descriptors, its timers and the control plane."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.descriptors import FakeDevice, FakeUdp
from tests.daemon.fakes import PLACES, World
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import ipv4, make_tunnel, sized
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.config.settings import Settings
from tincd_compat.config.values import Mode
from tincd_compat.daemon.dataplane import BURST, DataPlane, NodeLabel
from tincd_compat.errors import DeviceError
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import AnsKey, ReqKey
from tincd_compat.options import CLAMP_MSS
from tincd_compat.transport.udp import UdpSocket, UdpSockets
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.suites import Suite
from tincd_compat.tunnel.tunnel import KeyFields, Tunnel

OPTIONS = 0xC
SUITE = Suite.configured("aes-256-cbc", "sha256", 4)


class Requests:
    """Stands for the control plane."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def request_key(self, node: Node) -> None:
        self.calls.append(f"request key of {node.name}")

    def expire_keys_now(self) -> None:
        self.calls.append("expire keys")

    def learn_mac(self, mac: bytes, now: float) -> None:
        self.calls.append(f"learn {mac.hex()} at {now:g}")


class Plane:
    """A data plane with everything attached: us at 10.1.0.0/24, peer at 10.2.0.0/24."""

    def __init__(self, loop: FakeLoop, **settings: Any) -> None:
        self.loop = loop
        self.world = World(loop)
        self.mesh = self.world.mesh
        self.mesh.myself.options = OPTIONS
        self.requests = Requests()
        self.device = FakeDevice(loop.new_descriptor())
        self.udp = FakeUdp(loop.new_descriptor())
        self.failures: list[DeviceError] = []
        self.subject = DataPlane(
            self.mesh, Settings(name="us", **settings), SUITE, self.world.links, loop
        )
        self.subject.attach_control(self.requests)
        self.subject.attach_device(self.device, self.failures.append)
        self.subject.attach_sockets(
            UdpSockets([UdpSocket(self.udp, segmentation=False, coalescing=False)])
        )
        self.subnet("us", "10.1.0.0/24")
        self.subnet("peer", "10.2.0.0/24")
        self.subnet("other", "10.3.0.0/24")
        for name in ("peer", "other"):
            self.link(name)

    def subnet(self, name: str, text: str) -> None:
        subnet = Subnet.parse(text)
        assert subnet is not None
        self.mesh.subnets.add(self.mesh.get_or_add(name), subnet)

    def link(self, name: str) -> None:
        node, myself = self.mesh.get_or_add(name), self.mesh.myself
        self.mesh.add_edge(myself, node, PLACES[name], OPTIONS, 1)
        self.mesh.add_edge(node, myself, PLACES["us"], OPTIONS, 1)
        graph.run(self.mesh)
        self.subject.topology_changed()

    @property
    def peer(self) -> Node:
        return self.mesh.nodes["peer"]

    def far_end(self) -> Tunnel:
        """Return the peer's tunnel to us, with our key in it."""
        tunnel = make_tunnel("us")
        key = self.subject.new_key(self.peer)
        fields = (key.cipher, key.digest, key.maclength, key.compression)
        assert tunnel.install_peer_key(key.key, *fields)
        return tunnel

    def give_key(self, tunnel: Tunnel, **changes: Any) -> None:
        """Let the peer's ANS_KEY arrive."""
        fields = tunnel.new_own_key(lambda size: bytes(range(size)))
        self.subject.install_key(self.peer, answer(fields, **changes))

    def from_device(self, *frames: bytearray) -> None:
        self.device.frames += frames
        self.loop.readable(self.device.descriptor)

    def from_udp(self, *datagrams: bytes) -> None:
        place = PLACES["peer"]
        self.udp.arriving += [(data, (place.host, place.port)) for data in datagrams]
        self.loop.readable(self.udp.descriptor)

    def sent(self) -> list[bytes]:
        """Take the datagrams that were sent to the peer."""
        datagrams, self.udp.datagrams = self.udp.datagrams, []
        place = PLACES["peer"]
        assert all(to == (place.host, place.port) for _, to in datagrams)
        return [data for data, _ in datagrams]


def answer(fields: KeyFields, **changes: Any) -> AnsKey:
    values = {
        "key": fields.key,
        "cipher": fields.cipher,
        "digest": fields.digest,
        "maclength": fields.maclength,
        "compression": fields.compression,
    }
    return AnsKey("peer", "us", **{**values, **changes})


@pytest.fixture
def plane(loop: FakeLoop) -> Plane:
    return Plane(loop)


TO_PEER = ("10.1.0.1", "10.2.0.1")


def test_a_node_in_a_log_line() -> None:
    assert str(NodeLabel(Node("peer"))) == "peer ((null))"
    assert str(NodeLabel(Node("peer", PLACES["peer"]))) == "peer (10.0.0.2 port 655)"


# Packets.


def test_a_frame_leaves(plane: Plane) -> None:
    # Without a path MTU to search for, UDP is used at once.
    plane.peer.options = CLAMP_MSS
    far_end = make_tunnel("us")
    plane.give_key(far_end)
    frame = ipv4(*TO_PEER)
    plane.from_device(bytearray(frame))
    assert far_end.opener is not None
    (datagram,) = plane.sent()
    (opened,) = far_end.opener.open_train([datagram])
    assert opened.frame == frame


def test_without_a_key_it_is_asked_for(plane: Plane) -> None:
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == ["request key of peer"]
    assert plane.subject.counters() == [("dropped no meta connection", 1)]


def test_a_datagram_arrives(plane: Plane) -> None:
    far_end = plane.far_end()
    assert far_end.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    plane.from_udp(*far_end.sealer.seal_train([frame]))
    assert plane.device.written == [frame]


def test_junk_arrives(plane: Plane) -> None:
    plane.from_udp(b"junk", b"")
    assert plane.device.written == []
    assert sum(count for _, count in plane.subject.counters()) == 2


def test_a_packet_over_tcp_arrives(plane: Plane) -> None:
    link = plane.world.connect("far").link
    frame = bytes(ipv4("10.2.0.1", "10.1.0.1"))
    plane.subject.packet_received(frame, link)
    assert plane.device.written == [frame]
    link.node = None
    plane.subject.packet_received(frame, link)
    assert plane.device.written == [frame]


def test_bursts_leave_others_their_turn(plane: Plane) -> None:
    plane.from_device(*(ipv4(*TO_PEER) for _ in range(BURST + 1)))
    assert len(plane.device.frames) == 1


def test_the_fuller_a_connection_the_less_is_put_on_it(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    remote.sock.room = 0
    for _ in range(40):
        plane.from_device(sized(1000, TO_PEER[1], TO_PEER[0]))
    dropped = dict(plane.subject.counters())["dropped meta connection is full"]
    # Up to half of MaxOutputBufferSize nothing is dropped, beyond the whole everything.
    assert 15180 / 2 < remote.link.socket.queued < 15180 + 1000
    assert 40 - 15180 // 1000 - 1 <= dropped <= 40 - 7


def test_a_burst_is_no_backlog(plane: Plane) -> None:
    plane.world.connect("peer")
    plane.from_device(*(sized(1000, TO_PEER[1], TO_PEER[0]) for _ in range(BURST)))
    assert "dropped meta connection is full" not in dict(plane.subject.counters())


# The device.


def test_a_device_without_descriptor(loop: FakeLoop) -> None:
    plane = DataPlane(
        World(loop).mesh, Settings(name="us"), SUITE, World(loop).links, loop
    )
    plane.deliver([ipv4(*TO_PEER)])
    plane.attach_device(FakeDevice(-1), lambda error: pytest.fail(str(error)))
    assert loop.readers == {}
    plane.close()


def test_a_failing_device_rests(plane: Plane) -> None:
    plane.device.read_pause = 0.5
    plane.from_device()
    assert plane.device.descriptor not in plane.loop.readers
    plane.device.read_pause = 0.0
    plane.loop.advance(0.5)
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == ["request key of peer"]


def test_a_device_that_is_broken(plane: Plane) -> None:
    plane.device.error = DeviceError("Too many errors from fake, exiting!")
    plane.from_device()
    assert plane.failures == [plane.device.error]
    assert plane.device.descriptor not in plane.loop.readers


def test_closing(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.device.read_pause = 0.5
    plane.from_device()
    plane.sent()
    plane.subject.close()
    plane.loop.advance(100)
    plane.subject.deliver([ipv4(*TO_PEER)])
    assert plane.udp.closed
    assert plane.loop.readers == {}
    assert (plane.sent(), plane.device.written) == ([], [])


# Keys.


def test_our_key(plane: Plane) -> None:
    key = plane.subject.new_key(plane.peer)
    assert (key.source, key.target) == ("us", "peer")
    assert (key.cipher, key.digest, key.maclength, key.compression) == (427, 672, 4, 0)
    assert len(key.key) == 2 * 48
    assert key.key != plane.subject.new_key(plane.peer).key


def test_our_request_says_what_we_can_seal_with(plane: Plane) -> None:
    request = plane.subject.new_request(plane.peer)
    assert request == ReqKey("us", "peer", ("zstd",))
    # A packet does not ask once more.
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == []


def test_levels_beyond_tinc_are_for_those_who_know_them(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=14)
    keys = plane.subject
    assert keys.introduces(plane.peer)
    assert keys.new_key(plane.peer).compression == 10
    assert keys.key_requested(plane.peer, ReqKey("peer", "us", ("zstd",)))
    assert keys.new_key(plane.peer).compression == 14
    keys.new_request(plane.peer)
    assert not keys.introduces(plane.peer)
    assert not keys.key_requested(plane.peer, ReqKey("peer", "us", ("zstd",)))
    # What took its place under the same name may know less.
    assert not keys.key_requested(plane.peer, ReqKey("peer", "us"))
    assert keys.new_key(plane.peer).compression == 10


def test_a_restarted_node_starts_from_nothing(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=14)
    keys = plane.subject
    keys.key_requested(plane.peer, ReqKey("peer", "us", ("zstd",)))
    keys.new_request(plane.peer)
    plane.give_key(make_tunnel("us"))
    keys.restarted(plane.peer)
    assert not keys.tunnel(plane.peer).valid_key
    assert keys.introduces(plane.peer)
    assert keys.new_key(plane.peer).compression == 10


def test_levels_of_tinc_need_no_introduction(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=11)
    assert not plane.subject.introduces(plane.peer)
    assert plane.subject.new_key(plane.peer).compression == 11


def test_a_bad_key_is_none(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.give_key(make_tunnel("us"), key="AB")
    assert not plane.subject.tunnel(plane.peer).valid_key


def test_a_key_starts_the_search_for_the_path_mtu(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    assert len(plane.sent()) > 0
    plane.loop.advance(1)
    assert len(plane.sent()) > 0
    # A second key does not start a second search.
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []


def test_no_search_where_it_is_not_wanted(plane: Plane) -> None:
    plane.peer.options = 0
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"address": "192.0.2.9", "port": "4655"}, SocketAddress("192.0.2.9", 4655)),
        ({"address": "192.0.2.9", "port": None}, PLACES["peer"]),
        ({"address": "example.com", "port": "655"}, PLACES["peer"]),
        ({"address": "192.0.2.9", "port": "http"}, PLACES["peer"]),
    ],
)
def test_an_address_seen_by_others(
    plane: Plane, place: dict[str, str | None], expected: SocketAddress
) -> None:
    plane.give_key(make_tunnel("us"), **place)
    assert plane.peer.address == expected
    assert plane.mesh.node_by_address(expected) is plane.peer


def test_a_void_key(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.subject.void_key(plane.peer)
    plane.from_device(ipv4(*TO_PEER))
    assert plane.sent() == []
    assert plane.requests.calls == ["request key of peer"]


def test_expired_keys(plane: Plane) -> None:
    far_end = plane.far_end()
    assert far_end.sealer is not None
    plane.subject.expire_keys()
    plane.from_udp(*far_end.sealer.seal_train([ipv4("10.2.0.1", "10.1.0.1")]))
    assert plane.device.written == []


def test_a_key_that_was_replaced_counts_for_a_while(plane: Plane) -> None:
    older = plane.far_end()
    plane.far_end()
    assert older.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    # PingInterval and twice PingTimeout, at ticks.
    for _ in range(60 // 5 + 2):
        plane.subject.tick()
        plane.loop.advance(5)
    (first, second) = older.sealer.seal_train([frame] * 2)
    openers = plane.subject.tunnel(plane.peer).openers
    assert openers.matches(first)
    plane.subject.tick()
    assert not openers.matches(first)
    plane.from_udp(second)
    assert plane.device.written == []


def test_a_node_goes_on_with_a_key_that_was_replaced(plane: Plane) -> None:
    older = plane.far_end()
    plane.far_end()
    assert older.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    for _ in range(100):
        plane.from_udp(*older.sealer.seal_train([frame]))
        plane.subject.tick()
        plane.loop.advance(5)
    assert plane.device.written == [frame] * 100
    plane.subject.expire_keys()
    plane.far_end()
    plane.from_udp(*older.sealer.seal_train([frame]))
    assert len(plane.device.written) == 100


def test_numbers_that_run_out_expire_the_keys(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.far_end()
    plane.subject.tick()
    assert plane.requests.calls == []
    opener = plane.subject.tunnel(plane.peer).opener
    monkeypatch.setattr(type(opener), "needs_rekey", True)
    plane.subject.tick()
    assert plane.requests.calls == ["expire keys"]


# Nodes that come and go.


def test_a_node_that_comes_or_goes_has_no_key(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.subject.node_changed(plane.peer)
    assert not plane.subject.tunnel(plane.peer).valid_key
    plane.loop.advance(100)
    assert plane.sent() == []
    # The search begins anew with the next key.
    plane.give_key(make_tunnel("us"))
    assert len(plane.sent()) > 0


def test_a_forgotten_node(plane: Plane) -> None:
    tunnel = plane.subject.tunnel(plane.peer)
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.subject.forget(plane.peer)
    plane.loop.advance(100)
    assert plane.sent() == []
    assert plane.subject.tunnel(plane.peer) is not tunnel


def test_neighbours_for_broadcasts(plane: Plane) -> None:
    assert {node.name for node in plane.subject.broadcast_neighbours()} == {
        "peer",
        "other",
    }
    plane.mesh.remove_edge(plane.mesh.myself.edges["other"])
    graph.run(plane.mesh)
    assert len(plane.subject.broadcast_neighbours()) == 2
    plane.subject.topology_changed()
    assert plane.subject.broadcast_neighbours() == {plane.peer}


# Path MTU.


def test_probes_can_be_sent_at_once(plane: Plane) -> None:
    plane.subject.probe_now()
    assert plane.sent() == []
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.subject.probe_now()
    assert len(plane.sent()) > 0
    plane.loop.advance(0.5)
    assert plane.sent() == []


def test_a_limit_for_the_start(plane: Plane) -> None:
    plane.subject.limit_mtu(plane.peer, 1300)
    assert plane.peer.mtu == 1300
    assert plane.subject.dump(plane.peer).mtu == 1300


def test_udp_is_confirmed_by_an_answer(plane: Plane) -> None:
    assert not plane.subject.udp_confirmed(plane.peer)
    far_end = plane.far_end()
    plane.give_key(far_end)
    assert far_end.opener is not None
    assert far_end.sealer is not None
    probes = [opened.frame for opened in far_end.opener.open_train(plane.sent())]
    answers = [b"\1" + probe[1:] for probe in probes]
    plane.from_udp(*far_end.sealer.seal_train(answers))
    assert plane.subject.udp_confirmed(plane.peer)


def test_a_path_that_is_too_narrow(plane: Plane) -> None:
    plane.udp.largest = 20
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []
    assert plane.subject.dump(plane.peer).maxmtu < 1518


# Local discovery.


def test_probes_to_everybody_nearby(plane: Plane) -> None:
    assert plane.subject.broadcast_probe(plane.peer, b"probe", 655)
    assert plane.udp.datagrams == [(b"probe", ("255.255.255.255", 655))]
    plane.udp.largest = 3
    assert not plane.subject.broadcast_probe(plane.peer, b"probe", 655)
    plane.subject.close()
    assert plane.subject.broadcast_probe(plane.peer, b"probe", 655)


def test_switch_mode_reports_who_is_behind_the_device(loop: FakeLoop) -> None:
    plane = Plane(loop, mode=Mode.SWITCH)
    plane.device.frames = [bytearray(bytes(range(60)))]
    loop.readable(plane.device.descriptor)
    assert plane.requests.calls[:1] == [f"learn 060708090a0b at {loop.now:g}"]


def test_the_log_says_who_handles_packets(
    loop: FakeLoop, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "tincd.connections"):
        Plane(loop)
    # A device that is not tun or tap, whatever was built.
    (line,) = (text for text in caplog.messages if text.startswith("Packets are"))
    assert line.startswith("Packets are handled by Python code")
    assert f"({codec.cryptography(SUITE)}); offloads in use: none" in line
