"""What dumps and repeated lines say otherwise: set aside, settled, judged."""

from __future__ import annotations

import pytest

from tests.control.world import PLACES, TUNNEL_SERVER, World, passed_on
from tincd_compat.control import deferred
from tincd_compat.control.deferred import FLOOD_PATIENCE, LAST_PATIENCE, DeferredUpdates
from tincd_compat.control.effects import Announce, Effect, Relay, Reply
from tincd_compat.meta.messages import AddEdge, DelEdge

FAR_TO_PEER = "far peer 10.99.0.2 7001 c"


def dumping(name: str = "other") -> World:
    """alpha, whose connection with ``other`` has just become active."""
    world = World()
    world.gossip.connection_up(world[name], PLACES[name], "7002", 5, 0xC, 0.0)
    return world


def told(effects: list[Effect], world: World) -> list[str]:
    """The lines for one neighbour, without their nonces."""
    lines = []
    for effect in effects:
        if isinstance(effect, Relay):
            assert effect.node is world["other"]
            number, _, rest = effect.line.decode().split(maxsplit=2)
            lines.append(f"{number} {rest}")
    return lines


def weight(world: World, source: str = "far", target: str = "peer") -> int:
    return world[source].edges[target].weight


def test_dump_does_not_change_an_edge_whose_owner_reaches_us() -> None:
    world = dumping()
    assert world.hear(f"12 1 {FAR_TO_PEER} 4", "other") == []
    assert weight(world) == 5


def test_dump_is_believed_about_nodes_out_of_reach() -> None:
    world = dumping()
    assert world.hear("12 1 ghost zoe 10.0.0.1 1 c 1", "other") != []
    assert world.hear("12 2 ghost zoe 10.0.0.1 1 c 2", "other") != []
    assert weight(world, "ghost", "zoe") == 2


def test_neighbour_is_believed_about_itself_even_in_its_dump() -> None:
    world = dumping()
    assert world.hear("12 1 other far 10.99.0.4 7003 c 9", "other") != []
    assert weight(world, "other", "far") == 9


def test_dump_ends_with_the_edge_to_us() -> None:
    world = dumping()
    world.hear("12 1 other alpha 10.99.0.1 6551 c 6", "other")
    assert world.hear(f"12 2 {FAR_TO_PEER} 4", "other") != []
    assert weight(world) == 4


def test_repeated_end_of_a_dump_ends_it_too() -> None:
    world = dumping()
    line = "12 1 other alpha 10.99.0.1 6551 c 6"
    world.seen.add(line.encode(), 0.0)
    world.hear(line, "other")
    assert world.hear(f"12 2 {FAR_TO_PEER} 4", "other") != []


def test_lost_connection_takes_its_words_along() -> None:
    world = dumping()
    world.hear(f"12 1 {FAR_TO_PEER} 4", "other")
    world.gossip.connection_down(world["other"], report=True)
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == []


def test_greater_form_of_an_edge_speaks_first() -> None:
    world = dumping()
    world.hear(f"12 1 {FAR_TO_PEER} 4", "other")
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE - 1)), world) == []
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == [
        f"12 {FAR_TO_PEER} 5"
    ]
    assert told(list(world.gossip.edges.corrections(100)), world) == []


def test_lesser_form_speaks_only_if_the_other_end_does_not() -> None:
    world = dumping()
    world.hear(f"12 1 {FAR_TO_PEER} 6", "other")
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == []
    assert (
        told(
            list(world.gossip.edges.corrections(FLOOD_PATIENCE + LAST_PATIENCE - 1)),
            world,
        )
        == []
    )
    now = FLOOD_PATIENCE + LAST_PATIENCE
    assert told(list(world.gossip.edges.corrections(now)), world) == [
        f"12 {FAR_TO_PEER} 5"
    ]
    assert weight(world) == 5


def test_edge_that_is_not_there_is_denied() -> None:
    world = dumping()
    assert world.hear("12 1 far alpha 10.99.0.1 6551 c 4", "other") == []
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == [
        "13 far alpha"
    ]


def test_edge_to_a_node_out_of_reach_is_believed_after_all() -> None:
    world = dumping()
    assert world.hear("12 1 far zoe 10.0.0.1 1 c 4", "other") == []
    effects = list(world.gossip.edges.corrections(FLOOD_PATIENCE))
    said = [effect.message for effect in effects if isinstance(effect, Announce)]
    assert [type(message) for message in said] == [AddEdge]
    assert weight(world, "far", "zoe") == 4


def test_live_news_settles_what_was_set_aside() -> None:
    world = dumping()
    world.hear(f"12 1 {FAR_TO_PEER} 4", "other")
    assert world.hear(f"12 2 {FAR_TO_PEER} 3") != []
    assert weight(world) == 3
    for now in (100, 200):
        assert told(list(world.gossip.edges.corrections(now)), world) == []


def test_confirmation_reaches_who_is_known_to_differ() -> None:
    world = dumping()
    world.hear(f"12 1 {FAR_TO_PEER} 4", "other")
    line = f"12 2 {FAR_TO_PEER} 5"
    assert world.hear(line) == [passed_on(line.encode())]
    assert world.hear(f"12 3 {FAR_TO_PEER} 5") == []


def test_denial_reaches_who_is_known_to_have_the_edge() -> None:
    world = dumping()
    world.hear("12 1 far other 10.99.0.3 7002 c 4", "other")
    assert world.hear("13 2 far other") == [passed_on(b"13 2 far other")]
    assert world.hear("13 3 far other") == []


def test_repeated_line_shows_what_a_neighbour_believes() -> None:
    world = World()
    old = f"12 1 {FAR_TO_PEER} 4"
    assert world.hear(old) != []
    assert world.hear(f"12 2 {FAR_TO_PEER} 6") != []
    assert world.hear(old, "other") == []
    assert weight(world) == 6
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == [
        f"12 {FAR_TO_PEER} 6"
    ]


def test_neighbour_that_agrees_later_needs_no_telling() -> None:
    world = World()
    for line in (f"12 1 {FAR_TO_PEER} 4", f"12 2 {FAR_TO_PEER} 6"):
        world.hear(line)
    for line in (f"12 1 {FAR_TO_PEER} 4", f"12 2 {FAR_TO_PEER} 6"):
        world.hear(line, "other")
    assert told(list(world.gossip.edges.corrections(100)), world) == []


def test_repeated_denial_is_answered_only_in_the_end() -> None:
    world = World()
    world.hear("13 1 far peer")
    world.hear(f"12 2 {FAR_TO_PEER} 6")
    world.hear("13 1 far peer", "other")
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == []
    now = FLOOD_PATIENCE + LAST_PATIENCE
    assert told(list(world.gossip.edges.corrections(now)), world) == [
        f"12 {FAR_TO_PEER} 6"
    ]


def test_repeated_line_without_a_numeric_address_is_never_believed() -> None:
    world = World()
    line = "12 1 ghost zoe example.org 1 c 4"
    world.hear("12 0 ghost zoe 10.0.0.1 1 c 4")
    world.hear("13 0 ghost zoe")
    world.hear(line)
    world.hear(line, "other")
    assert list(world.gossip.edges.corrections(FLOOD_PATIENCE)) == []
    assert "zoe" not in world["ghost"].edges


def test_repeated_error_about_our_own_edge_is_set_right() -> None:
    world = World()
    line = "12 1 alpha peer 10.99.0.2 7001 c 7"
    assert [type(effect) for effect in world.hear(line)] == [Reply]
    list(world.gossip.edges.corrections(10))
    assert weight(world, "alpha") == 6
    assert world.hear(line, "other", 10) == []
    said = [
        effect.message
        for effect in list(world.gossip.edges.corrections(14))
        if isinstance(effect, Announce)
    ]
    assert [type(message) for message in said] == [AddEdge]
    # The next weight is the one that has just been heard.
    assert weight(world, "alpha") == 8


def test_while_links_come_up_errors_are_set_right_once_for_all() -> None:
    world = dumping()
    wrong = "12 1 alpha peer 10.99.0.2 7001 c 9"
    assert world.hear(wrong, "other", 1.0) == []
    assert world.hear("12 2 alpha far 10.99.0.4 7003 c 9", "other", 1.0) == []
    said = [
        effect.message
        for effect in list(world.gossip.edges.corrections(4.0))
        if isinstance(effect, Announce)
    ]
    assert [type(message) for message in said] == [DelEdge, AddEdge]
    assert [message.target for message in said if hasattr(message, "target")] == [
        "far",
        "peer",
    ]


@pytest.mark.parametrize("ends", ["far alpha", "far zoe"])
def test_a_word_about_nodes_that_have_gone_is_void(ends: str) -> None:
    world = dumping()
    assert world.hear(f"12 1 {ends} 10.99.0.1 6551 c 4", "other") == []
    if ends.startswith("far z"):
        list(world.gossip.purge())
    else:
        world.gossip.connection_down(world["peer"], report=False)
        list(world.gossip.purge())
        assert "far" not in world.mesh.nodes
    assert list(world.gossip.edges.corrections(FLOOD_PATIENCE)) == []


def test_a_denial_that_has_come_true_needs_no_answer() -> None:
    world = World()
    peer_to_us = "peer alpha 10.99.0.1 6551 c"
    world.hear("13 1 peer alpha")
    world.hear(f"12 2 {peer_to_us} 6")
    world.hear("13 1 peer alpha", "other")
    world.settle(world.gossip.connection_down(world["peer"], report=True))
    assert "alpha" not in world["peer"].edges
    assert told(list(world.gossip.edges.corrections(FLOOD_PATIENCE)), world) == []


def test_a_tunnel_server_settles_nothing_between_others() -> None:
    world = World(TUNNEL_SERVER)
    peer_to_far = "peer far 10.99.0.4 7003 c"
    for line in (f"12 1 {peer_to_far} 4", f"12 2 {peer_to_far} 6"):
        assert world.hear(line) != []
    assert world.hear(f"12 1 {peer_to_far} 4") == []
    assert list(world.gossip.edges.corrections(FLOOD_PATIENCE)) == []


def test_our_own_edge_is_not_announced_anew_for_a_repeated_truth() -> None:
    world = World()
    for source in ("peer", "other"):
        assert world.hear("12 1 alpha peer 10.99.0.2 7001 c 5", source) == []
    assert list(world.gossip.edges.corrections(100)) == []


def test_subnets_do_not_end_a_dump() -> None:
    world = dumping()
    assert world.hear("10 1 other 10.9.0.0/24", "other") != []
    assert world.hear(f"12 2 {FAR_TO_PEER} 4", "other") == []


def test_full_store_takes_words_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "MAX_HELD", 1)
    world = dumping()
    assert world.hear("12 1 far alpha 10.99.0.1 6551 c 4", "other") == []
    assert world.hear(f"12 2 {FAR_TO_PEER} 4", "other") != []


def test_store_counts_what_it_holds() -> None:
    world, words = World(), DeferredUpdates()
    message = AddEdge(1, "far", "peer", "10.0.0.1", "1", 0xC, 5)
    assert words.hold(message, world["peer"], 0)
    assert len(words) == 1
    assert words.hold(message, world["peer"], 0)
    assert len(words) == 1
    assert words.hold(message, world["other"], 0)
    assert len(words) == 2
    words.forget(world["peer"])
    assert len(words) == 1
    assert not words.settle("peer", "far")
    assert words.settle("far", "peer")
    assert len(words) == 0
    assert words.hold(message, world["other"], 0)
    (word,) = words.due(FLOOD_PATIENCE)
    assert len(words) == 0
    assert words.hold_on(word, FLOOD_PATIENCE)
    assert len(words) == 1
    assert [late.final for late in words.due(FLOOD_PATIENCE + LAST_PATIENCE)] == [True]
    for name in ("peer", "other"):
        assert words.hold(message, world[name], 0)
    words.agree("far", "peer", world["peer"])
    assert len(words) == 1
    words.agree("far", "peer", world["other"])
    assert not words.settle("far", "peer")


def test_the_oldest_word_is_judged_first() -> None:
    world, words = World(), DeferredUpdates()
    message = AddEdge(1, "far", "peer", "10.0.0.1", "1", 0xC, 5)
    times = {"other": 2.0, "peer": 1.0, "far": 3.0}
    for name, now in times.items():
        words.hold(message, world[name], now)
    found = words.due(2 + FLOOD_PATIENCE)
    assert [word.neighbour.name for word in found] == ["peer", "other"]
    assert len(words) == 1
