"""The two pumps with real keys: bursts, identification, probes and discovery."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.world import (
    DEFAULT,
    World,
    ipv4,
    make_tunnel,
    neighbours,
    probe,
    sized,
)
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY
from tincd_compat.routing.options import Forwarding, RouteOptions
from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.delivery import Policy
from tincd_compat.tunnel.pipeline import MAX_DATAGRAM
from tincd_compat.tunnel.suites import Suite
from tincd_compat.tunnel.tunnel import Parameters

HERE = "10.0.1.1"
ELSEWHERE = SocketAddress("203.0.113.9", 4242)
#: UDP payload on a link with an MTU of 1500 bytes.
ETHERNET_PAYLOAD = 1472


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "tincd"):
        yield caplog


def lengths(frames: list[bytes]) -> list[int]:
    return [len(frame) for frame in frames]


# Inward


def test_frames_for_us_are_delivered_in_order() -> None:
    world = neighbours("b")
    frames = [sized(60 + i, HERE) for i in range(64)]
    world.from_peer("b", *frames)
    assert world.ports.delivered == frames


def test_frames_for_others_are_routed_afresh() -> None:
    world = neighbours("b", "c")
    world.from_peer(
        "b", sized(100, "10.0.3.1"), sized(101, HERE), sized(102, "10.0.3.1")
    )
    assert lengths(world.ports.delivered) == [101]
    assert lengths(world.received("c")) == [100, 102]


def test_frames_are_not_sent_back() -> None:
    world = neighbours("b")
    world.from_peer("b", sized(100, "10.0.2.9"))
    assert (world.ports.trains, world.ports.delivered) == ([], [])
    assert world.pipeline.drops == {"looping back": 1}


def test_the_kernel_may_do_the_forwarding() -> None:
    route = RouteOptions(forwarding=Forwarding.KERNEL)
    world = World(Policy(options=DEFAULT, route=route), route)
    for name in ("b", "c"):
        world.link("a", name)
    world.subnet("c", "10.0.3.0/24")
    world.ready("b", "c")
    world.from_peer("b", sized(100, "10.0.3.1"))
    assert (world.ports.trains, lengths(world.ports.delivered)) == ([], [100])


def test_interleaved_sources_keep_their_own_order() -> None:
    world = neighbours("b", "c")
    b, c = world.peers["b"], world.peers["c"]
    from_b = b.seal(*(sized(100 + i, HERE) for i in range(3)))
    from_c = c.seal(*(sized(200 + i, HERE) for i in range(3)))
    burst = []
    for one, other in zip(from_b, from_c, strict=True):
        burst += [(one, b.address, 0), (other, c.address, 0)]
    world.pipeline.from_udp(burst, world.now)
    got = lengths(world.ports.delivered)
    assert [n for n in got if n < 200] == [100, 101, 102]
    assert [n for n in got if n >= 200] == [200, 201, 202]


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "invalid size"),
        (bytes(MAX_DATAGRAM + 1), "too long"),
        (b"123", "too short"),
        (bytes(64), "unauthenticated"),
    ],
)
def test_noise_at_a_known_address(datagram: bytes, reason: str) -> None:
    world = neighbours("b")
    address = world.peers["b"].address
    world.from_udp([datagram], address)
    assert world.pipeline.drops == {reason: 1}
    assert world.ports.delivered == []
    assert world.node("b").address == address


def test_a_replayed_datagram_is_dropped() -> None:
    world = neighbours("b")
    train = world.peers["b"].seal(sized(100, HERE))
    for _ in range(2):
        world.from_udp(train, world.peers["b"].address)
    assert lengths(world.ports.delivered) == [100]
    assert world.pipeline.drops == {"late or replayed": 1}


def test_frames_too_short_to_route_are_survived() -> None:
    world = neighbours("b")
    world.from_peer("b", b"", b"\0", bytes(10), bytes(13))
    assert world.pipeline.drops == {"too short": 4}


def test_without_our_key_nothing_is_opened() -> None:
    world = neighbours("b")
    train = world.peers["b"].seal(sized(100, HERE))
    world.tunnel(world.node("b")).expire()
    world.from_udp(train, world.peers["b"].address)
    assert world.ports.delivered == []
    assert world.pipeline.drops == {"has no key from us": 1}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=5), st.booleans())
def test_any_bytes_are_survived(noise: list[bytes], known: bool) -> None:
    world = neighbours("b")
    peer = world.peers["b"]
    world.from_udp(noise, peer.address if known else ELSEWHERE)
    world.from_peer("b", *noise)
    for frame in noise:
        world.from_meta("b", frame)
    world.from_device(*map(bytearray, noise))
    assert world.node("b").address == peer.address


# Who sent it


def test_a_node_is_found_at_a_new_address(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b", "c")
    log.clear()
    peer = world.peers["c"]
    world.from_udp(peer.seal(sized(100, HERE), sized(101, HERE)), ELSEWHERE, 1)
    assert lengths(world.ports.delivered) == [100, 101]
    assert world.node("c").address == ELSEWHERE
    assert world.mesh.node_by_address(ELSEWHERE) is world.node("c")
    assert "UDP address of c set to 203.0.113.9 port 4242" in log.messages
    world.from_device(sized(100, "10.0.3.1"))
    assert world.ports.sockets == [1]


def test_a_replayed_datagram_does_not_move_the_address() -> None:
    world = neighbours("b")
    address = world.peers["b"].address
    train = world.peers["b"].seal(sized(100, HERE))
    world.from_udp(train, address)
    world.from_udp(train, ELSEWHERE)
    assert world.node("b").address == address
    assert world.pipeline.drops == {"late or replayed": 1}
    world.from_udp(world.peers["b"].seal(sized(101, HERE)), ELSEWHERE)
    assert world.node("b").address == ELSEWHERE


def test_a_datagram_from_the_far_future_does_not_move_the_address() -> None:
    world = neighbours("b")
    peer = world.peers["b"]
    address = peer.address
    assert peer.tunnel.sealer is not None
    peer.tunnel.sealer.sequence = 5000
    world.from_udp(peer.seal(sized(100, HERE)), ELSEWHERE)
    assert world.node("b").address == address


def test_a_stranger_is_logged_and_dropped(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    log.clear()
    world.from_udp([bytes(64)] * 10, ELSEWHERE)
    line = "Received UDP packet from unknown source 203.0.113.9 port 4242"
    assert log.messages == [line] * 3
    assert world.pipeline.drops == {"unknown source": 10}


def test_a_new_port_is_found_even_after_a_search() -> None:
    world = neighbours("b")
    port = world.peers["b"].address.with_port(9)
    world.from_udp([bytes(64)] * 3, port)
    world.from_udp(world.peers["b"].seal(sized(100, HERE)), port)
    assert lengths(world.ports.delivered) == [100]
    assert world.node("b").address == port


def test_our_own_broadcast_does_not_deafen_us() -> None:
    world = neighbours("b")
    world.from_udp([bytes(64)], SocketAddress("192.0.2.1", 655))
    world.from_udp(world.peers["b"].seal(sized(100, HERE)), ELSEWHERE)
    assert world.node("b").address == ELSEWHERE


def test_an_address_that_changed_hands_is_not_a_dead_end() -> None:
    world = neighbours("b", "c")
    taken = world.peers["b"].address
    for number in range(3):
        world.from_udp(world.peers["c"].seal(sized(100 + number, HERE)), taken)
    assert lengths(world.ports.delivered) == [100, 101, 102]
    assert world.node("c").address == taken
    assert world.mesh.node_by_address(taken) is world.node("c")
    assert world.node("b").address == taken


def test_two_nodes_announced_at_one_address_are_both_heard() -> None:
    world = neighbours("b", "c")
    shared = world.peers["b"].address
    world.mesh.set_address(world.node("c"), shared)
    world.pipeline.invalidate()
    b, c = world.peers["b"], world.peers["c"]
    for _ in range(3):
        world.now += 0.1
        mixed = [*b.seal(sized(100, HERE)), *c.seal(sized(200, HERE))]
        world.from_udp(mixed, shared)
    assert lengths(world.ports.delivered).count(100) == 3
    assert lengths(world.ports.delivered).count(200) == 3


def test_without_a_mac_nobody_is_found() -> None:
    parameters = Parameters(suite=Suite.configured("aes-256-cbc", "none", 0))
    world = World(parameters=parameters)
    world.link("a", "b")
    world.give_key("b")
    peer = world.peers["b"]
    world.from_udp(peer.seal(sized(100, HERE)), ELSEWHERE)
    assert world.pipeline.drops == {"unknown source": 1}
    world.from_udp(peer.seal(sized(100, HERE)), peer.address)
    assert lengths(world.ports.delivered) == [100]


# By which key


def test_keys_whose_lines_have_crossed(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    world.cross_keys("b")
    log.clear()
    for _ in range(2):
        world.from_peer("b", sized(100, HERE), sized(101, HERE))
    assert lengths(world.ports.delivered) == [100, 101] * 2
    assert world.pipeline.drops == {}
    assert log.messages.count("b seals with another of our keys") == 1
    assert "Got unauthenticated packet from" not in log.text


def test_crossed_keys_from_a_new_address() -> None:
    world = neighbours("b", "c")
    world.cross_keys("c")
    world.from_udp(world.peers["c"].seal(sized(100, HERE)), ELSEWHERE)
    assert lengths(world.ports.delivered) == [100]
    assert world.node("c").address == ELSEWHERE


def test_frames_under_two_keys_stay_in_order() -> None:
    world = neighbours("b")
    b = world.peers["b"]
    train = b.seal(sized(100, HERE), sized(101, HERE))
    world.give_key("b")
    train += b.seal(sized(102, HERE))
    train.insert(1, bytes(64))
    world.from_udp(train, b.address)
    assert lengths(world.ports.delivered) == [100, 101, 102]
    assert world.pipeline.drops == {"unauthenticated": 1}


def test_a_key_that_was_forgotten_ends_no_search_in_a_loop() -> None:
    world = neighbours("b", "c")
    world.cross_keys("b")
    openers = world.tunnel(world.node("b")).openers
    train = world.peers["b"].seal(sized(100, HERE))
    openers.forget_other()
    for address in (world.peers["b"].address, ELSEWHERE):
        world.from_udp(train, address)
    assert world.pipeline.drops == {"unauthenticated": 1, "unknown source": 1}


# Probes


def test_probes_are_answered_in_order_at_their_length() -> None:
    world = neighbours("b")
    asked = [64, 1451, 65, 1300]
    world.from_peer("b", *(probe(length) for length in asked))
    assert world.received("b") == [probe(length, reply=True) for length in asked]
    assert world.ports.delivered == []


@pytest.mark.parametrize("bits", [0, TCPONLY])
def test_probes_are_answered_whatever_the_options(bits: int) -> None:
    world = World(Policy(options=bits))
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
        if delay is None or delay > pmtu.INTERVAL:
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
    assert any(line.startswith("Fixing MTU of b to 1451") for line in log.messages)
    world.ports.trains.clear()
    world.ports.on_datagram = lambda _node, _datagram: None
    world.from_device(sized(1451))
    assert lengths(world.received("b")) == [1451]


def test_the_pmtu_variable_is_a_first_limit() -> None:
    world = neighbours("b")
    world.pipeline.limit_mtu(world.node("b"), 1300)
    assert world.node("b").mtu == 1300
    world.from_device(sized(1301))
    assert [len(frame) for frame in world.received("b")] == [1298, 37]


# Log lines


def test_lines_of_received_packets(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    log.clear()
    peer = world.peers["b"]
    train = peer.seal(sized(100, HERE), probe(70))
    world.from_udp([*train, train[0], bytes(64)], peer.address)
    b = "b (192.0.2.2 port 655)"
    assert log.messages == [
        f"Got late or replayed packet from {b}, seqno 1, last received 2",
        f"Got unauthenticated packet from {b}",
        f"Received packet of 100 bytes from {b}",
        f"Got MTU probe length 70 from {b}",
    ]
    world.tunnel(world.node("b")).expire()
    log.clear()
    world.from_udp(train[:1], peer.address)
    assert log.messages == [f"Got packet from {b} but he hasn't got our key yet"]


def test_empty_datagrams_do_not_fill_the_log(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    log.clear()
    world.from_udp([b""] * 100, ELSEWHERE)
    assert log.messages == ["Receiving packet with invalid size"]


def test_probing_a_keyless_node_says_so(log: pytest.LogCaptureFixture) -> None:
    world = World()
    world.link("a", "b")
    log.clear()
    world.pipeline.probe_step(world.node("b"), world.now)
    (line,) = log.messages
    assert line.startswith("Trying to send MTU probe to unreachable or rekeying node b")


def test_logging_changes_no_result(log: pytest.LogCaptureFixture) -> None:
    quiet, loud = neighbours("b", "c"), neighbours("b", "c")
    frames = [sized(100), ipv4(HERE, "10.0.3.1"), sized(1500), sized(90, "224.0.0.1")]
    frames += [sized(100, "10.9.9.9"), sized(77, HERE)]
    for world, level in ((quiet, logging.CRITICAL), (loud, logging.DEBUG)):
        log.set_level(level, "tincd.traffic")
        world.from_device(*map(bytearray, frames))
        world.from_peer("b", *frames)
    assert quiet.ports.trains == loud.ports.trains
    assert quiet.ports.delivered == loud.ports.delivered
    assert quiet.ports.packets == loud.ports.packets
    assert quiet.pipeline.drops == loud.pipeline.drops


def test_options_without_pmtu_discovery_still_answer() -> None:
    world = World()
    world.link("a", "b", DEFAULT & ~PMTU_DISCOVERY)
    world.exchange_keys("b")
    world.from_peer("b", probe(500))
    assert lengths(world.received("b")) == [500]
    assert make_tunnel("b").pmtu.minmtu == 0
