"""Edges of ours: connections that come and go, and others who contradict us."""

from __future__ import annotations

import pytest

from tests.control.world import GROWN, OPTIONS, SHRUNK, TUNNEL_SERVER, World, passed_on
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.contested import ECHO
from tincd_compat.control.edges import MAX_CONTRADICTIONS
from tincd_compat.control.effects import (
    Announce,
    CheckReverse,
    Effect,
    GraphChanged,
    Reply,
)
from tincd_compat.meta.messages import AddEdge, DelEdge


def contradictions(world: World) -> tuple[int, int]:
    """Return how many ADD_EDGEs and DEL_EDGEs about our own edges were wrong."""
    edges = world.gossip.edges
    return edges.contradicting_adds, edges.contradicting_dels


def test_lost_node_loses_its_edge_to_us() -> None:
    """After DEL_EDGE the target is unreachable and its edge to us is still known."""
    world = World()
    world.hear("12 a far alpha 10.99.0.1 6551 c 5")
    line = "13 b peer far"
    effects = world.settle(world.hear(line))
    assert effects == [
        passed_on(line.encode()),
        SHRUNK,
        CheckReverse(world["far"]),
        Announce(DelEdge(0x100, "far", "alpha")),
    ]
    assert world.edges() == {
        "alpha-peer",
        "peer-alpha",
        "alpha-other",
        "other-alpha",
        "far-peer",
    }


def test_lost_node_with_another_path_keeps_its_edge_to_us() -> None:
    world = World()
    world.hear("12 a far alpha 10.99.0.1 6551 c 5")
    world.hear("12 b other far 10.99.0.4 7003 c 5")
    world.hear("12 c far other 10.99.0.3 7002 c 5")
    effects = world.settle(world.hear("13 d peer far"))
    assert effects[-1] == CheckReverse(world["far"])
    assert "far-alpha" in world.edges()


def test_lost_node_in_tunnel_server_mode_goes_silently() -> None:
    world = World(TUNNEL_SERVER)
    world.hear("12 a far alpha 10.99.0.1 6551 c 5", "other")
    effects = world.settle(world.hear("13 b peer far"))
    assert effects == [SHRUNK, CheckReverse(world["far"])]
    assert "far-alpha" not in world.edges()


def test_connection_up_announces_our_edge() -> None:
    world = World()
    ghost = world["ghost"]
    tcp = SocketAddress("192.0.2.1", 40000)
    effects = world.gossip.connection_up(ghost, tcp, "7777", 37, OPTIONS, 0)
    message = AddEdge(0x100, "alpha", "ghost", "192.0.2.1", "7777", OPTIONS, 37)
    assert effects == [Announce(message), GROWN]
    assert world["alpha"].edges["ghost"].address == SocketAddress("192.0.2.1", 7777)


def test_the_connection_knows_the_path_to_an_address_that_others_have_named() -> None:
    world = World()
    ghost = world.mesh.get_or_add("ghost")
    world.mesh.set_address(ghost, SocketAddress("fe80::2", 7777))
    tcp = SocketAddress("fe80::2", 40000, 3)
    world.gossip.connection_up(ghost, tcp, "7777", 37, OPTIONS, 0)
    assert ghost.address is not None
    assert ghost.address.scope == 3
    elsewhere = world.mesh.get_or_add("elsewhere")
    world.mesh.set_address(elsewhere, SocketAddress("fe80::3", 7777))
    world.gossip.connection_up(elsewhere, tcp, "7777", 37, OPTIONS, 0)
    assert elsewhere.address == SocketAddress("fe80::3", 7777)


def test_connection_up_in_tunnel_server_mode_tells_only_the_peer() -> None:
    world = World(TUNNEL_SERVER)
    tcp = SocketAddress("192.0.2.1", 40000)
    effects = world.gossip.connection_up(world["ghost"], tcp, "7777", 37, 0, 0)
    assert [type(effect) for effect in effects] == [Reply, GraphChanged]


@pytest.mark.parametrize("port", ["0", "http", "-5", "65536", "²", "1x"])
def test_unusable_port_leaves_that_of_the_connection(port: str) -> None:
    world = World()
    tcp = SocketAddress("192.0.2.1", 40000)
    world.gossip.connection_up(world["ghost"], tcp, port, 37, 0, 0)
    assert world["alpha"].edges["ghost"].address == tcp


def test_reported_loss_of_a_connection() -> None:
    """Both edges are withdrawn, ours first, with a graph run between."""
    world = World()
    effects = world.settle(world.gossip.connection_down(world["peer"], report=True))
    assert effects == [
        Announce(DelEdge(0x100, "alpha", "peer")),
        SHRUNK,
        CheckReverse(world["peer"]),
        Announce(DelEdge(0x101, "peer", "alpha")),
    ]
    assert world.edges() == {"alpha-other", "other-alpha", "peer-far", "far-peer"}


def test_reported_loss_of_a_node_that_others_reach() -> None:
    world = World()
    world.hear("12 a other far 10.99.0.4 7003 c 5")
    world.hear("12 b far other 10.99.0.3 7002 c 5")
    effects = world.settle(world.gossip.connection_down(world["peer"], report=True))
    assert effects[-1] == CheckReverse(world["peer"])
    assert world["peer"].reachable
    assert "peer-alpha" in world.edges()


def test_unreported_loss_of_a_connection() -> None:
    world = World()
    assert world.gossip.connection_down(world["peer"], report=False) == [SHRUNK]
    assert "alpha-peer" not in world.edges()
    assert "peer-alpha" in world.edges()


def test_loss_in_tunnel_server_mode_is_silent() -> None:
    world = World(TUNNEL_SERVER)
    effects = world.settle(world.gossip.connection_down(world["peer"], report=True))
    assert effects == [SHRUNK, CheckReverse(world["peer"])]
    assert not {"alpha-peer", "peer-alpha"} & world.edges()


def test_loss_of_a_connection_that_was_never_active() -> None:
    world = World()
    assert world.gossip.connection_down(world["ghost"], report=True) == []


def contradict(world: World, count: int, start: int, now: float = 0) -> list[Effect]:
    effects: list[Effect] = []
    for number in range(start, start + count):
        effects += world.hear(f"12 {number:x} alpha zoe 10.0.0.1 1 c 1", now=now)
        effects += world.hear(f"13 {number:x} alpha peer", now=now)
    return effects


def test_namesake_makes_us_rest(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    limit = MAX_CONTRADICTIONS
    assert len(contradict(world, limit, 0)) == 2 * limit
    assert contradictions(world) == (limit, limit)
    assert world.gossip.edges.pause(0) == 0
    assert contradictions(world) == (0, 0)
    contradict(world, limit + 1, 1000)
    caplog.clear()
    assert world.gossip.edges.pause(5) == 10
    text = "Possible node with same Name as us! Sleeping 10 seconds."
    assert caplog.messages == [text]
    # While resting we neither answer nor count towards a longer rest.
    assert contradict(world, limit + 1, 2000, now=6) == []
    assert world.gossip.edges.pause(10) == 0
    assert len(contradict(world, limit + 1, 3000, now=15)) == 2 * limit + 2
    assert world.gossip.edges.pause(15) == 20
    assert world.gossip.edges.pause(36) == 0
    contradict(world, limit + 1, 4000, now=37)
    assert world.gossip.edges.pause(37) == 20


def test_rest_has_a_longest_time() -> None:
    world, now, rests = World(), 0.0, []
    for turn in range(11):
        contradict(world, MAX_CONTRADICTIONS + 1, turn * 1000, now)
        rests.append(world.gossip.edges.pause(now))
        now += rests[-1]
    assert rests == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@pytest.mark.parametrize("missing", ["12", "13"])
def test_it_takes_both_kinds_of_contradiction_to_show_a_namesake(missing: str) -> None:
    world = World()
    for number in range(MAX_CONTRADICTIONS + 1):
        for line in ("12 %x alpha zoe 10.0.0.1 1 c 1", "13 %x alpha peer"):
            if number or not line.startswith(missing):
                world.hear(line % number)
    assert max(contradictions(world)) == MAX_CONTRADICTIONS + 1
    assert world.gossip.edges.pause(0) == 0


def test_denial_of_an_old_link_is_set_right_at_once_though_another_is_young() -> None:
    world = World()
    place = SocketAddress("10.99.0.9", 7009)
    world.gossip.connection_up(world["ghost"], place, "7009", 5, OPTIONS, 100)
    effects = world.hear("13 a alpha peer", "other", 101)
    assert [type(effect) for effect in effects] == [Reply]
    assert world.hear("13 b alpha ghost", "other", 101) == []
    assert world.hear("12 c alpha peer 10.99.0.2 7001 c 9", "other", 101) == []
    for line in ("13 d alpha ghost", "12 e alpha peer 10.99.0.2 7001 c 9"):
        effects = world.hear(line, "other", 100 + ECHO)
        assert [type(effect) for effect in effects] == [Reply]


def test_denial_of_a_link_that_came_back_is_an_old_word() -> None:
    world = World()
    place = SocketAddress("10.99.0.9", 7009)
    for now in (100, 200):
        world.gossip.connection_up(world["ghost"], place, "7009", 5, OPTIONS, now)
        assert world.hear(f"13 {now:x} alpha ghost", "other", now + 1) == []
        world.gossip.connection_down(world["ghost"], report=True)


def test_an_edge_that_was_just_announced_is_not_announced_anew() -> None:
    world = World()
    world.hear("13 a alpha peer", now=0)
    place = SocketAddress("10.99.0.2", 40000)
    world.gossip.connection_up(world["peer"], place, "7001", 5, OPTIONS, 2)
    assert list(world.gossip.edges.corrections(ECHO)) == []
    announced, changed = world.gossip.edges.corrections(2 + ECHO)
    assert isinstance(announced, Announce)
    assert isinstance(announced.message, AddEdge)
    assert announced.message.weight == 6
    assert changed == GROWN


def test_a_tunnel_server_announces_nothing_anew() -> None:
    world = World(TUNNEL_SERVER)
    assert world.hear("12 a alpha peer 10.99.0.2 7001 c 999") != []
    assert list(world.gossip.edges.corrections(100)) == []


def test_while_a_namesake_makes_us_rest_nothing_is_set_right() -> None:
    world = World()
    contradict(world, MAX_CONTRADICTIONS + 1, 0)
    assert world.gossip.edges.pause(0) == 10
    assert list(world.gossip.edges.corrections(9)) == []
    said = [
        each
        for each in world.gossip.edges.corrections(10)
        if isinstance(each, Announce)
    ]
    assert [type(each.message) for each in said] == [AddEdge, DelEdge]


@pytest.mark.parametrize("port", [1, 655, 65535])
def test_the_port_of_an_ack_is_that_of_the_edge(port: int) -> None:
    world = World()
    tcp = SocketAddress("192.0.2.1", 40000)
    world.gossip.connection_up(world["ghost"], tcp, str(port), 37, 0, 0)
    assert world["alpha"].edges["ghost"].address == SocketAddress("192.0.2.1", port)


def lost_and_back(world: World, ticks: int = 0) -> list[Effect]:
    """Lose peer, and tell everybody that it has no edge to us; link up again."""
    world.settle(world.gossip.connection_down(world["peer"], report=True))
    for tick in range(ticks):
        list(world.gossip.tick(tick))
    place = SocketAddress("10.99.0.2", 40000)
    return world.gossip.connection_up(world["peer"], place, "7001", 5, OPTIONS, 9)


def test_who_is_back_hears_that_its_edge_was_withdrawn() -> None:
    """Our DEL_EDGE may overtake its ADD_EDGE, and only it can contradict that."""
    denial = Reply(DelEdge(0x103, "peer", "alpha"))
    assert lost_and_back(World())[2:] == [denial]
    assert lost_and_back(World(), ticks=1)[2:] == [denial]
    assert lost_and_back(World(), ticks=2)[2:] == []


def test_who_is_back_is_told_nothing_if_nobody_else_has_heard_it() -> None:
    world = World()
    world.gossip.connection_down(world["other"], report=True)
    assert lost_and_back(world)[2:] == []


def test_nothing_is_left_of_a_link() -> None:
    world = World()
    gossip, place = world.gossip, SocketAddress("10.99.0.9", 7009)
    tables = gossip._connected, gossip._dumping, gossip.edges._link_settled_at
    before = [len(table) for table in tables]
    gossip.connection_up(world["ghost"], place, "7009", 5, OPTIONS, 100)
    assert [len(table) for table in tables] == [1 + size for size in before]
    gossip.connection_down(world["ghost"], report=False)
    assert [len(table) for table in tables] == before
