"""Junk that the compiled pump is rid of without Python, and what still gets through."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.tunnel.pumping import Lab, Sockets, datagram_socket, packet
from tests.tunnel.world import PARAMETERS, World
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.lookup import MAX_NEARBY_TESTS, MAX_TESTS, TURNS
from tincd_compat.tunnel.pumps import Pumps
from tincd_compat.tunnel.receiving import Received

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

FRAME = packet(5, "10.0.1.1", "10.0.2.1")


class Watched:
    """A lab in which b alone is at its host, and who knows what Python had to see."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab, self.world = lab, lab.world
        self.seen: list[bytes] = []
        lab.far["b"].close()
        lab.far["b"] = at("127.0.0.2")
        lab.place("b")
        pass_on = lab.world.pipeline.from_udp

        def from_udp(datagrams: list[Received], now: float) -> None:
            self.seen += [data for data, _, _ in datagrams]
            pass_on(datagrams, now)

        monkeypatch.setattr(lab.world.pipeline, "from_udp", from_udp)
        for _ in range(2):
            self.send("b", FRAME)
        self.delivered()
        self.seen.clear()

    @property
    def drops(self) -> dict[str, int]:
        return self.world.pipeline.drops

    def send(self, name: str, *frames: bytes) -> None:
        self.raw(self.lab.far[name], *self.world.peers[name].seal(*frames))

    def raw(self, sender: socket.socket, *datagrams: bytes) -> None:
        """Let datagrams come in, each in a read of its own."""
        for datagram in datagrams:
            sender.sendto(datagram, self.lab.udp.getsockname())
            self.lab.receive()

    def junk(self, sender: socket.socket, count: int, size: int = 100) -> None:
        self.raw(sender, *(os.urandom(size) for _ in range(count)))

    def delivered(self) -> int:
        """Return how many frames have reached the device since."""
        python = len(self.world.ports.delivered)
        self.world.ports.delivered.clear()
        return python + len(self.lab.written())

    def turn(self) -> None:
        self.world.now += 1 / TURNS


@pytest.fixture
def watched(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(lab, monkeypatch)


def at(host: str) -> socket.socket:
    sock = datagram_socket()
    sock.close()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind((host, 0))
    return sock


def test_forged_datagrams_of_a_known_address(watched: Watched) -> None:
    watched.junk(watched.lab.far["b"], 50)
    assert len(watched.seen) == 1
    assert watched.drops["unauthenticated"] == 50
    watched.send("b", FRAME)
    assert watched.delivered() == 1
    assert len(watched.seen) == 1


def test_each_turn_python_has_another_look(watched: Watched) -> None:
    for turn in range(1, 5):
        watched.junk(watched.lab.far["b"], 5)
        assert len(watched.seen) == turn
        watched.turn()


def test_strangers(watched: Watched) -> None:
    with at("127.0.0.9") as stranger, at("127.0.0.9") as other:
        watched.junk(stranger, 20)
        watched.junk(other, 20)
    assert len(watched.seen) == 1
    assert watched.drops["unknown source"] == 40
    with at("127.0.0.10") as another:
        watched.junk(another, 2)
    assert len(watched.seen) == 2


def test_many_strangers(watched: Watched) -> None:
    """Once the budget for searches is spent, hosts of nodes alone are worth a look."""
    lookup = watched.world.pipeline.receiver.lookup
    lookup.find(b"", SocketAddress("192.0.2.99", 1), watched.world.now)
    lookup._tests = MAX_TESTS
    for last in range(20, 40):
        with at(f"127.0.0.{last}") as stranger:
            watched.junk(stranger, 1)
    assert len(watched.seen) == 1
    assert watched.drops["unknown source"] == 20
    # Of b this is known only by its edge, and its own address.
    for host in ("127.0.0.1", "127.0.0.2"):
        with at(host) as neighbour:
            watched.junk(neighbour, 3)
    assert len(watched.seen) == 7
    lookup._nearby_tests = MAX_NEARBY_TESTS
    with at("127.0.0.2") as neighbour:
        watched.junk(neighbour, 3)
    assert len(watched.seen) == 8


def test_a_node_that_has_moved_to_where_junk_comes_from(watched: Watched) -> None:
    with at("127.0.0.9") as place:
        watched.junk(place, 10)
        moved = watched.world.peers["b"].seal(FRAME, FRAME)
        watched.raw(place, moved[0])
        assert watched.delivered() == 0
        # Searches begin afresh with each second.
        watched.world.now += 1
        watched.raw(place, moved[1])
        assert watched.delivered() == 1
        assert watched.world.peers["b"].address.host == "127.0.0.9"


def test_a_node_that_has_another_port(watched: Watched) -> None:
    watched.junk(watched.lab.far["b"], 10)
    with at("127.0.0.2") as place:
        watched.junk(place, 10)
        watched.raw(place, *watched.world.peers["b"].seal(FRAME))
    assert watched.delivered() == 1


def test_two_nodes_at_one_host(watched: Watched) -> None:
    """What one has not sealed may be the other's."""
    c = watched.world.node("c")
    watched.world.mesh.set_address(c, SocketAddress("127.0.0.2", 4))
    watched.junk(watched.lab.far["b"], 10)
    frame = packet(5, "10.0.1.1", "10.0.3.1")
    watched.raw(watched.lab.far["b"], *watched.world.peers["c"].seal(frame))
    assert watched.delivered() == 1


def test_the_other_key_of_a_node_that_is_ignored(watched: Watched) -> None:
    """A node that seals with the key before is heard at once, whatever else comes."""
    peer = watched.world.peers["b"].tunnel
    watched.world.give_key("b")
    older = peer.sealer
    watched.world.give_key("b")
    watched.junk(watched.lab.far["b"], 10)
    assert watched.drops["unauthenticated"] == 10
    newer, peer.sealer = peer.sealer, older
    watched.send("b", FRAME)
    assert watched.delivered() == 1
    peer.sealer = newer
    watched.junk(watched.lab.far["b"], 10)
    watched.send("b", FRAME)
    assert watched.delivered() == 1


def test_an_other_key_that_is_not_compiled(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pump could not know what such a key has made, and leaves all to Python."""
    peer = watched.world.peers["b"].tunnel
    with monkeypatch.context() as patched:
        patched.setattr(codec, "core", None)
        watched.world.give_key("b")
        # What opens is made when it is needed.
        watched.junk(watched.lab.far["b"], 1)
    older = peer.sealer
    watched.world.give_key("b")
    watched.junk(watched.lab.far["b"], 10)
    peer.sealer = older
    watched.send("b", FRAME)
    assert watched.delivered() == 1


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_a_host_is_the_same_over_ipv6_sockets() -> None:
    """What comes by IPv4 has a mapped address there, and Python knows it by its own."""
    pump = core.Pump(-1, False, False, False, False, False)
    # Of ::1 they have the last bytes.
    for host in ("127.0.0.9", "0.0.0.1", "2001:db8::1"):
        pump.ignore_host(host)
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as udp,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as heard6,
        at("127.0.0.9") as ignored,
        at("127.0.0.10") as heard,
    ):
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", 0))
        port = udp.getsockname()[1]
        for sender in (ignored, heard):
            sender.sendto(bytes(100), ("127.0.0.1", port))
        heard6.sendto(bytes(100), ("::1", port))
        outcome = pump.receive(udp.fileno(), 0, 1)
    assert outcome is not None
    assert [item[1] for item in outcome[1]] == ["::ffff:127.0.0.10", "::1"]


def test_who_has_no_key_from_us(watched: Watched) -> None:
    watched.world.tunnel(watched.world.node("b")).expire()
    watched.junk(watched.lab.far["b"], 10)
    assert len(watched.seen) == 1
    watched.world.give_key("b")
    watched.send("b", FRAME)
    assert watched.delivered() == 1


def test_replays_are_no_trouble_of_python(watched: Watched) -> None:
    [datagram] = watched.world.peers["b"].seal(FRAME)
    watched.raw(watched.lab.far["b"], *[datagram] * 20)
    assert watched.delivered() == 1
    assert watched.seen == []
    assert watched.drops["late or replayed"] == 19


def test_lengths_that_are_none(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with at("127.0.0.9") as stranger:
        for sender in (watched.lab.far["b"], stranger):
            watched.junk(sender, 10, 0)
            watched.junk(sender, 10, 1662)
            watched.junk(sender, 10, 3)
    assert watched.drops == {
        "invalid size": 20,
        "too long": 10,
        "too short": 10,
        "unknown source": 20,
    }
    # One empty one, which is logged, and a stranger's of either length.
    assert sorted(map(len, watched.seen)) == [0, 3, 1662]
    assert caplog.messages.count("Receiving packet with invalid size") == 1


def test_too_long_datagrams_of_strangers_are_seen_once_a_turn(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """They are a line for whoever listens to that, and no more trouble than others."""
    caplog.set_level(logging.WARNING, "tincd")
    with at("127.0.0.9") as stranger:
        for turn in range(1, 4):
            watched.junk(stranger, 10, 1662)
            assert len(watched.seen) == turn
            watched.turn()
        watched.world.now += 1
        watched.junk(stranger, 1, 1662)
    assert watched.drops == {"unknown source": 31}
    lines = [line for line in caplog.messages if "unknown source" in line]
    assert len(lines) == 4
    assert lines[0].startswith(
        "Received UDP packet from unknown source 127.0.0.9 port "
    )
    assert "... 27 more suppressed" in caplog.messages


def test_what_is_ignored_counts_as_left_out(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with at("127.0.0.9") as stranger:
        watched.junk(stranger, 20)
        watched.world.now += 1
        watched.junk(stranger, 1)
    lines = [line for line in caplog.messages if "suppressed" in line]
    assert lines == ["... 19 more suppressed"]


def test_what_goes_back_is_not_without_end(watched: Watched) -> None:
    """A pump that has its hands full receives no more."""
    sockets = [at(f"127.0.0.{last}") for last in range(10, 26)]
    for number in range(160):
        sender = sockets[number % len(sockets)]
        sender.sendto(bytes(100), watched.lab.udp.getsockname())
    pump = watched.lab.pumps._pump
    outcome = pump.receive(watched.lab.udp.fileno(), 0, 100)
    assert outcome is not None
    assert 128 <= len(outcome[1]) < 160
    for sock in sockets:
        sock.close()


class TestPacked:
    """A node whose frames are compressed: the pump opens them, Python unpacks them."""

    @pytest.fixture
    def packed(
        self, make: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
    ) -> Watched:
        world = World(parameters=replace(PARAMETERS, compression=9))
        return Watched(make(world), monkeypatch)

    def test_frames(self, packed: Watched) -> None:
        packed.send("b", FRAME, FRAME)
        assert packed.delivered() == 2
        assert packed.seen == []

    def test_junk(self, packed: Watched) -> None:
        packed.junk(packed.lab.far["b"], 20)
        [datagram] = packed.world.peers["b"].seal(FRAME)
        packed.raw(packed.lab.far["b"], datagram, datagram)
        assert packed.delivered() == 1
        assert len(packed.seen) == 1
        assert packed.drops == {"unauthenticated": 20, "late or replayed": 1}

    def test_what_cannot_be_unpacked(self, packed: Watched) -> None:
        sealer = packed.world.peers["b"].tunnel.sealer
        assert sealer is not None
        # What looks like a frame without being unpacked is none.
        packed.lab.pumps._pump.add_own(bytes([10, 0, 1, 1]))
        datagrams = sealer._train.seal_train([b"no zlib", FRAME])
        packed.raw(packed.lab.far["b"], *datagrams)
        assert packed.delivered() == 0
        assert packed.drops == {"uncompressable": 2}


def test_a_suite_that_is_not_compiled(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that comes from such a node is for Python to test."""
    monkeypatch.setattr(codec, "core", None)
    watched.world.give_key("b")
    for _ in range(3):
        watched.junk(watched.lab.far["b"], 5)
        watched.send("b", FRAME)
    assert watched.delivered() == 3
    assert len(watched.seen) == 18


def test_a_node_on_another_socket(
    make: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Junk in its name does not keep it from being heard there."""
    lab = make()
    watched = Watched(lab, monkeypatch)
    second = datagram_socket()
    sockets = TwoSockets([lab.udp, second])
    lab.pumps = Pumps(lab.device, lab.world.pipeline, lab.world.mesh, sockets)
    far = lab.far["b"]
    for _ in range(10):
        far.sendto(os.urandom(100), second.getsockname())
        lab.pumps.from_udp(1, lab.world.now)
    assert len(watched.seen) <= 2
    [datagram] = lab.world.peers["b"].seal(FRAME)
    far.sendto(datagram, second.getsockname())
    lab.pumps.from_udp(1, lab.world.now)
    assert watched.delivered() == 1
    assert lab.world.tunnel(lab.world.node("b")).heard_on == 1
    second.close()


class TwoSockets(Sockets):
    def endpoint(
        self, address: SocketAddress, remembered: int
    ) -> tuple[int, bool, str]:
        return self.udp[remembered].fileno(), True, ""


def test_what_the_pump_is_told_has_to_be_sound() -> None:
    pump = core.Pump(-1, False, False, False, False, False)
    node = Node("b")
    place = (0, "192.0.2.1", 655, 0)
    assert pump.add_source(node, 0, None, *place)
    for opener, other in (("x", None), (None, "x")):
        with pytest.raises(TypeError):
            pump.add_source(node, 0, opener, *place, other)  # type: ignore[arg-type]
    for service in (-1, 3):
        with pytest.raises(ValueError, match="service"):
            pump.add_source(node, 0, None, *place, None, service)
    with pytest.raises(ValueError, match="address"):
        pump.ignore_source(0, "somewhere", 655, 0)
    pump.ignore_source(1, "192.0.2.1", 655, 0)
    # A host without an address has sent nothing.
    pump.ignore_host("somewhere")
    pump.ignore_strangers(["somewhere", "192.0.2.1", "2001:db8::1"])
    with pytest.raises(TypeError):
        pump.ignore_strangers([1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        pump.ignore_strangers(1)  # type: ignore[arg-type]
    assert pump.drops == (0,) * 9
