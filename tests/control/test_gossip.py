"""Duplicates, KEY_CHANGED, purge: what edges and subnets share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.control.world import (
    PEER,
    STRICT,
    TUNNEL_SERVER,
    World,
    passed_on,
    subnet,
)
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.effects import (
    Announce,
    Effect,
    Forward,
    KeyVoid,
    NodeForgotten,
    SubnetUp,
)
from tincd_compat.control.gossip import link_weight
from tincd_compat.mesh import graph
from tincd_compat.meta.messages import DelEdge, DelSubnet


@pytest.mark.parametrize(
    ("ours", "theirs", "weight"),
    [(64, 10, 37), (7, -20, -6), (-7, -8, -7), (0, 1, 0), (0, -1, 0)],
)
def test_link_weight_rounds_towards_zero(ours: int, theirs: int, weight: int) -> None:
    assert link_weight(ours, theirs) == weight


def test_same_line_counts_once_whoever_sends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "tincd.scary")
    world = World()
    line = "10 a far 10.9.0.0/24"
    assert world.hear(line) != []
    world.hear("11 b far 10.9.0.0/24")
    assert world.hear(line, "other") == []
    assert caplog.messages == ["Already seen request"]
    assert world.hear(line, "other") == []
    assert world.gossip.duplicates == 2
    assert world.subnets() == World().subnets()
    # A different nonce or one more token makes it a different line.
    assert world.hear("10 c far 10.9.0.0/24") != []


def test_lines_may_come_again_after_the_ping_interval() -> None:
    world = World()
    line = "10 a far 10.9.0.0/24"
    world.hear(line, now=0)
    world.hear("11 b far 10.9.0.0/24", now=0)
    list(world.gossip.tick(60))
    assert world.hear(line, now=60) == []
    list(world.gossip.tick(61))
    assert world.hear(line, now=61) == [
        SubnetUp(world["far"], subnet("10.9.0.0/24")),
        passed_on(line.encode()),
    ]


def test_forwarded_bytes_are_the_received_ones() -> None:
    line = "10 \t0x0A  far 10.9.0.0/24#+10 extra \x80\xff\r"
    assert World().hear(line)[-1] == passed_on(line.encode("latin-1"))


def test_key_changed() -> None:
    world = World()
    assert world.hear("14 a far") == [KeyVoid(world["far"]), passed_on(b"14 a far")]
    assert world.hear("14 a far", "other") == []
    assert world.hear("14 b alpha") == [passed_on(b"14 b alpha")]


def test_key_changed_of_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert World().hear("14 a nobody") == []
    text = f"Got KEY_CHANGED from {PEER} origin nobody which does not exist"
    assert caplog.record_tuples == [("tincd", logging.ERROR, text)]


def test_key_changed_stays_here_in_tunnel_server_mode() -> None:
    world = World(TUNNEL_SERVER)
    assert world.hear("14 a far") == [KeyVoid(world["far"])]


def lose_peer(world: World) -> None:
    world.settle(world.gossip.connection_down(world["peer"], report=False))


def test_purge(caplog: pytest.LogCaptureFixture) -> None:
    for logger in (logs.protocol, logs.scary):
        caplog.set_level(logging.DEBUG, logger.name)
    world = World()
    lose_peer(world)
    far, ghost, peer = world["far"], world["ghost"], world["peer"]
    caplog.clear()
    assert list(world.gossip.purge()) == [
        Announce(DelSubnet(0x100, "far", subnet("10.4.0.0/24"))),
        Announce(DelEdge(0x101, "far", "peer")),
        Announce(DelSubnet(0x102, "ghost", subnet("10.5.0.0/24"))),
        Announce(DelSubnet(0x103, "peer", subnet("10.2.0.0/24"))),
        Announce(DelEdge(0x104, "peer", "alpha")),
        Announce(DelEdge(0x105, "peer", "far")),
        NodeForgotten(far),
        NodeForgotten(ghost),
        NodeForgotten(peer),
    ]
    assert sorted(world.mesh.nodes) == ["alpha", "other"]
    assert world.edges() == {"alpha-other", "other-alpha"}
    assert world.subnets() == {"alpha 10.1.0.0/24#10"}
    assert caplog.messages == [
        "Purging unreachable nodes",
        "Purging node far (10.99.0.4 port 7003)",
        "Purging node ghost ((null))",
        "Purging node peer (10.99.0.2 port 7001)",
    ]
    assert not graph.run(world.mesh).flips


def test_a_restarted_peer_is_heard_though_it_repeats_its_nonces() -> None:
    world = World()
    own = "10 5eed peer 10.9.0.0/24"
    others = "10 5eed far 10.8.0.0/24"
    assert world.hear(own) != []
    assert world.hear(own) == []
    world.hear(others)
    lose_peer(world)
    list(world.gossip.purge())
    peer = world.mesh.get_or_add("peer")
    place = SocketAddress("10.0.0.2", 40000)
    world.gossip.connection_up(peer, place, "655", 5, 0xC, now=2)
    # An old copy of its words, and old words about others, stay repetitions.
    assert world.hear(own, source="other", now=3) == []
    assert world.hear(others, now=3) == []
    effects = world.hear(own, now=3)
    # The others have heard the old nonce too, so they get another one.
    [renewed] = [effect.line for effect in effects if isinstance(effect, Forward)]
    assert renewed.split()[2:] == own.encode().split()[2:]
    assert renewed != own.encode()
    assert world.hear(own, now=3) == []
    assert world.hear(renewed.decode(), source="other", now=3) == []
    assert "peer 10.9.0.0/24#10" in world.subnets()


@pytest.mark.parametrize(
    ("own", "between"),
    [
        ("14 5eed peer", None),
        ("10 5eed peer 10.9.0.0/24", "11 a peer 10.9.0.0/24"),
        ("12 5eed peer far 10.99.0.4 7003 c 7", "12 a peer far 10.99.0.4 7003 c 8"),
        ("13 5eed peer far", "12 a peer far 10.99.0.4 7003 c 8"),
    ],
)
def test_what_a_restarted_peer_says_of_itself_is_news_once(
    own: str, between: str | None
) -> None:
    """Everybody hears it with another nonce, and when that comes back it is old."""
    world = World()
    assert world.hear(own) != []
    if between is not None:
        assert world.hear(between) != []
    place = SocketAddress("10.0.0.2", 40000)
    world.gossip.connection_up(world["peer"], place, "655", 5, 0xC, now=2)
    [line] = [each.line for each in world.hear(own, now=3) if isinstance(each, Forward)]
    assert line != own.encode()
    assert line.split()[2:] == own.encode().split()[2:]
    if between is not None:
        world.hear(between.replace(" a ", " b "), now=3)
    assert world.hear(line.decode(), source="other", now=3) == []


def purge_until(world: World, last: Announce) -> Iterator[Effect]:
    """Purge up to a message; return what is left to do."""
    lose_peer(world)
    steps = world.gossip.purge()
    for effect in steps:
        if isinstance(effect, Announce) and same(effect, last):
            return steps
    raise AssertionError(last)


def same(one: Announce, other: Announce) -> bool:
    """Tell whether two messages differ in nothing but the nonce."""
    first, second = (each.message.encode().split() for each in (one, other))
    return first[:1] + first[2:] == second[:1] + second[2:]


def withdrawn(steps: Iterator[Effect]) -> list[str]:
    """Return what the rest of a purge says, without nonces."""
    said = [each.message.encode() for each in steps if isinstance(each, Announce)]
    return [line.decode().split(maxsplit=2)[2] for line in said]


FIRST_SUBNET = Announce(DelSubnet(0, "far", subnet("10.4.0.0/24")))
FIRST_EDGE = Announce(DelEdge(0, "peer", "alpha"))


def test_purge_spares_who_comes_back_between_two_steps() -> None:
    for last, name in (FIRST_SUBNET, "far"), (FIRST_EDGE, "peer"):
        world = World()
        world.hear("10 a far 10.4.1.0/24")
        steps = purge_until(world, last)
        world.hear(f"12 b other {name} 10.99.0.9 655 c 5", "other")
        world.hear(f"12 c {name} other 10.99.0.3 7002 c 5", "other")
        assert world[name].reachable
        assert [text for text in withdrawn(steps) if text.startswith(name)] == []


def test_purge_does_not_withdraw_what_has_gone_between_two_steps() -> None:
    world = World()
    world.hear("10 a far 10.4.1.0/24")
    steps = purge_until(world, FIRST_SUBNET)
    assert world.hear("11 b far 10.4.1.0/24") != []
    assert "far 10.4.1.0/24#10" not in withdrawn(steps)
    world = World()
    steps = purge_until(world, FIRST_EDGE)
    assert world.hear("13 b peer far") != []
    assert withdrawn(steps) == []


def test_purge_keeps_nodes_that_edges_point_to() -> None:
    world = World()
    world.hear("12 a other ghost 10.0.0.1 1 c 1")
    lose_peer(world)
    list(world.gossip.purge())
    assert sorted(world.mesh.nodes) == ["alpha", "ghost", "other"]


def test_purge_with_strict_subnets_keeps_what_is_configured() -> None:
    world = World(STRICT)
    world.hear("12 a alpha zoe 10.0.0.1 1 c 1")
    lose_peer(world)
    before = world.subnets()
    zoe = world["zoe"]
    effects = list(world.gossip.purge())
    assert effects[0] == Announce(DelSubnet(0x101, "far", subnet("10.4.0.0/24")))
    assert effects[-1] == NodeForgotten(zoe)
    assert world.subnets() == before
    assert sorted(world.mesh.nodes) == ["alpha", "far", "ghost", "other", "peer"]


def test_purge_in_tunnel_server_mode_does_not_speak_of_edges() -> None:
    world = World(TUNNEL_SERVER)
    lose_peer(world)
    effects = list(world.gossip.purge())
    assert [
        effect.message.encode().split()[2]
        for effect in effects
        if isinstance(effect, Announce)
    ] == [b"far", b"ghost", b"peer"]
    assert all(
        isinstance(effect.message, DelSubnet)
        for effect in effects
        if isinstance(effect, Announce)
    )
    assert world.edges() == {"alpha-other", "other-alpha"}


def test_purge_of_a_healthy_mesh_does_nothing() -> None:
    world = World()
    list(world.gossip.purge())
    assert list(world.gossip.purge()) == []
