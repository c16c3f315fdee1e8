"""Whom a datagram is from, and by which of our keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tunnel.world import (
    DEFAULT,
    ELSEWHERE,
    HERE,
    World,
    lengths,
    neighbours,
    sized,
)
from tincd_compat.addresses import SocketAddress
from tincd_compat.crypto.suites import Suite
from tincd_compat.tunnel.tunnel import Parameters

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


@pytest.mark.parametrize(
    ("path", "word"),
    [({"scope": 3}, {"scope": 4}), ({"local": "10.9.0.1"}, {"local": "10.9.0.2"})],
    ids=["another interface", "another address of ours"],
)
def test_a_genuine_datagram_shows_the_path(
    path: dict[str, Any], word: dict[str, Any]
) -> None:
    world = neighbours("b")
    node, peer = world.node("b"), world.peers["b"]
    host, port = "fe80::2", 655
    plain, known = SocketAddress(host, port), SocketAddress(host, port, **path)
    other = SocketAddress(host, port, **word)
    for address, expected in ((known, known), (plain, known), (other, other)):
        world.from_udp(peer.seal(sized(100, HERE)), address)
        assert node.address is not None
        found = node.address.scope, node.address.local
        assert found == (expected.scope, expected.local)
        assert world.mesh.node_by_address(plain) is node
    # What somebody says of an address tells no path, and a stranger nothing.
    world.mesh.set_address(node, plain)
    world.from_udp([bytes(100)], known)
    assert node.address is not None
    assert (node.address.scope, node.address.local) == (other.scope, other.local)


def test_who_comes_up_or_gets_a_key_is_looked_for_in_the_same_turn() -> None:
    world = neighbours("b")
    world.link("a", "c")
    node, lookup = world.node("c"), world.pipeline.receiver.lookup
    host = world.peers["c"].address.host

    def in_vain() -> bool:
        lookup.find(b"", SocketAddress(host, 1), world.now)
        return lookup.in_vain(host, world.now)

    assert in_vain()
    world.give_key("c")
    assert not in_vain()
    node.reachable = False
    world.mesh.listener.reachability_changed([node])
    assert in_vain()
    node.reachable = True
    world.mesh.listener.reachability_changed([node])
    assert not in_vain()


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
    b, c = world.peers["b"], world.peers["c"]
    for _ in range(3):
        world.now += 0.1
        mixed = [*b.seal(sized(100, HERE)), *c.seal(sized(200, HERE))]
        world.from_udp(mixed, shared)
    assert lengths(world.ports.delivered).count(100) == 3
    assert lengths(world.ports.delivered).count(200) == 3


@pytest.mark.parametrize("by", ["address", "edge"])
def test_a_node_is_near_where_it_was_announced(by: str) -> None:
    """Whoever speaks from there is not searched for among all."""
    world = neighbours("b", "c")
    world.from_udp([bytes(64)], ELSEWHERE)
    place = ELSEWHERE.with_port(1)
    if by == "address":
        world.mesh.set_address(world.node("c"), place)
    else:
        world.mesh.add_edge(world.node("b"), world.node("c"), place, DEFAULT, 1)
        world.settle()
    world.now += 1
    world.from_udp(world.peers["c"].seal(sized(100, HERE)), ELSEWHERE)
    assert lengths(world.ports.delivered) == [100]
    assert world.pipeline.receiver.lookup._tests == 0


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
