"""Probes through the pumps: answers, steps, and what discovery finds."""

from __future__ import annotations

import pytest

from tests.tunnel.world import World, lengths, neighbours, probe, sized
from tincd_compat.mesh.node import Node
from tincd_compat.options import TCPONLY
from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.delivery import DeliveryPolicy

#: UDP payload on a link with an MTU of 1500 bytes.
ETHERNET_PAYLOAD = 1472


def test_probes_are_answered_in_order_at_their_length() -> None:
    world = neighbours("b")
    asked = [64, 1451, 65, 1300]
    world.from_peer("b", *(probe(length) for length in asked))
    assert world.received("b") == [probe(length, reply=True) for length in asked]
    assert world.ports.delivered == []


@pytest.mark.parametrize("bits", [0, TCPONLY])
def test_probes_are_answered_whatever_the_options(bits: int) -> None:
    world = World(DeliveryPolicy(options=bits))
    world.link("a", "b", bits)
    world.exchange_keys("b")
    world.from_peer("b", probe(1000))
    assert lengths(world.received("b")) == [1000]


def test_without_a_key_a_probe_asks_for_it_and_is_not_answered() -> None:
    world = World()
    world.link("a", "b")
    world.give_key("b")
    for _ in range(3):
        world.from_peer("b", probe())
    assert world.ports.key_requests == ["b"]
    assert (world.ports.trains, world.ports.packets) == ([], [])


def test_a_probe_over_tcp_is_no_probe() -> None:
    world = neighbours("b")
    world.from_meta("b", probe())
    assert world.ports.trains == []
    assert world.ports.packets == []
    assert world.pipeline.drops == {"unknown type": 1}


def test_only_asked_replies_count() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    world.from_peer("b", probe(1518, reply=True))
    assert world.tunnel(world.node("b")).pmtu.minmtu == 0
    assert world.pipeline.drops == {"unasked probe reply": 1}


def test_a_step_sends_a_batch_and_says_when_to_come_back() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    assert world.pipeline.probe_step(world.node("b"), world.now) == 1.0
    probes = world.received("b")
    assert len(probes) == pmtu.BATCH
    assert all(64 <= len(frame) <= 1518 for frame in probes)
    assert all(frame[:14] == bytes(14) for frame in probes)
    assert [len(train) for _, train in world.ports.trains] == [1, 1, 1]


def test_a_node_without_udp_is_looked_for_where_it_was_dialled() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    node, ports = world.node("b"), world.ports
    home = node.address
    assert home is not None
    node.dialled = home.with_port(443)
    for number in range(4):
        ports.trains.clear()
        ports.elsewhere.clear()
        world.pipeline.probe_step(node, world.now)
        places = {address for address, _, _ in ports.elsewhere}
        assert places == (set() if number % 2 == 0 else {node.dialled})
        assert (len(ports.trains) > 0) is (number % 2 == 0)
    # It has answered from there, and what it says of itself gets its turn.
    world.mesh.set_address(node, node.dialled)
    world.pipeline.probe_step(node, world.now)
    assert {address for address, _, _ in ports.elsewhere} == {node.dialled}
    ports.elsewhere.clear()
    world.pipeline.probe_step(node, world.now)
    assert {address for address, _, _ in ports.elsewhere} == {home}


def test_a_node_with_udp_or_that_called_us_is_looked_for_at_home() -> None:
    world = neighbours("b")
    node, tunnel = world.node("b"), world.tunnel(world.node("b"))
    assert node.address is not None
    for dialled, minmtu in ((None, 0), (node.address.with_port(443), 1000)):
        node.dialled = dialled
        tunnel.pmtu.minmtu = minmtu
        for _ in range(4):
            world.pipeline.probe_step(node, world.now)
    assert world.ports.elsewhere == []


def test_a_caller_whose_address_is_not_known_is_looked_for_nowhere_else() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    node = world.node("b")
    world.mesh.set_address(node, None)
    for _ in range(4):
        world.pipeline.probe_step(node, world.now)
    assert world.ports.elsewhere == []


def test_a_probe_elsewhere_that_is_too_long_narrows_the_path() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    node = world.node("b")
    assert node.address is not None
    node.dialled = node.address.with_port(443)
    world.pipeline.probe_step(node, world.now)
    world.ports.largest = 700
    world.pipeline.probe_step(node, world.now)
    assert world.tunnel(node).pmtu.maxmtu < 1000


def test_without_a_key_a_step_is_the_last() -> None:
    world = World()
    world.link("a", "b")
    assert world.pipeline.probe_step(world.node("b"), world.now) is None
    assert world.ports.trains == []


def test_a_refused_probe_lowers_the_next() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    world.ports.largest = 0
    world.pipeline.probe_step(world.node("b"), world.now)
    sent = lengths(world.received("b"))
    assert sent == sorted(sent, reverse=True)
    assert len(set(sent)) == len(sent)
    assert world.tunnel(world.node("b")).pmtu.maxmtu == pmtu.MIN_PROBE - 1
    # Nobody is told to send less before it is known how much fits.
    assert world.node("b").mtu == 1518


def test_local_discovery_asks_everybody_on_the_link() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    node = world.node("b")
    tunnel = world.tunnel(node)
    tunnel.pmtu = pmtu.PmtuDiscovery("b", local_discovery=True)
    world.pipeline.probe_step(node, world.now)
    ((datagram, port),) = world.ports.probes
    assert port == 655
    assert world.peers["b"].open([datagram])[0][:14] == bytes(14)
    assert len(world.ports.trains) == pmtu.BATCH
    world.ports.largest = 0
    world.pipeline.probe_step(node, world.now)
    assert tunnel.pmtu.maxmtu < 1518


def answering(world: World, name: str) -> None:
    """Let the node answer every probe that reaches it."""
    peer = world.peers[name]

    def answer(node: Node, datagram: bytes) -> None:
        assert node.name == name
        (frame,) = peer.open([datagram])
        if pmtu.is_probe(frame) and pmtu.is_request(frame):
            replies.append(pmtu.answer(frame))

    replies: list[bytes] = []
    world.ports.on_datagram = answer
    for _ in range(40):
        delay = world.pipeline.probe_step(world.node(name), world.now)
        world.from_peer(name, *replies)
        replies.clear()
        if delay is None or delay > pmtu.PROBE_INTERVAL:
            return
        world.now += delay


def test_discovery_finds_the_largest_frame_of_an_ethernet_link(
    log: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.exchange_keys("b")
    world.ports.largest = ETHERNET_PAYLOAD
    answering(world, "b")
    found = world.tunnel(world.node("b")).pmtu
    assert (found.minmtu, found.maxmtu, found.mtu) == (1451, 1451, 1451)
    assert world.node("b").mtu == 1451
    fixed = "Fixing MTU of b (192.0.2.2 port 655) to 1451"
    assert any(line.startswith(fixed) for line in log.messages)
    world.ports.trains.clear()
    world.ports.on_datagram = lambda _node, _datagram: None
    world.from_device(sized(1451))
    assert lengths(world.received("b")) == [1451]


def test_the_pmtu_variable_is_a_first_limit() -> None:
    world = neighbours("b")
    world.tunnel(world.node("b")).pmtu.limit(1300)
    assert world.node("b").mtu == 1300
    world.from_device(sized(1301))
    assert [len(frame) for frame in world.received("b")] == [1298, 37]
