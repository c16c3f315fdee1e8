"""What is done about messages and links, and in which order."""

from __future__ import annotations

import logging

import pytest

from tests.daemon.fakes import PLACES, Remote, World, subnet
from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.control import effects as fx
from tincd_compat.control.contested import ECHO
from tincd_compat.control.context import GossipPolicy
from tincd_compat.mesh import reach
from tincd_compat.meta.messages import KeyChanged, ReqKey

PEER_UP = [
    "peer up",
    "host-up peer 10.0.0.2 port 655",
    "new key for peer",
]


# A neighbour that comes up.


def test_state_own_edge_then_key(world: World) -> None:
    world.mesh.subnets.add(world.mesh.myself, subnet("10.1.0.0/24"))
    world.connect("other").say("10 aa other 10.3.0.0/24")
    world.take_log()
    peer = world.call_in("peer")
    peer.shake_hands()
    assert peer.take() == [
        "10 other 10.3.0.0/24#10",
        "12 other us 10.0.0.1 655 c 10",
        "10 us 10.1.0.0/24#10",
        "12 us other 10.0.0.3 655 c 10",
        "12 us peer 10.0.0.2 655 c 10",
    ]
    # Without the reverse edge it is not reachable, and a key would be lost on it.
    assert world.take_log() == []
    peer.announce("peer", "us")
    assert world.take_log() == PEER_UP
    assert peer.take() == ["16 us peer AB 427 672 4 0"]


def test_a_known_reverse_edge_makes_it_reachable_at_once(world: World) -> None:
    other = world.connect("other")
    other.say(other.edge("peer", "us"))
    peer = world.call_in("peer")
    peer.shake_hands()
    assert world.take_log() == PEER_UP
    heard = peer.take()
    assert heard[-2:] == [
        "12 us peer 10.0.0.2 655 c 10",
        "16 us peer AB 427 672 4 0",
    ]


def test_the_others_hear_of_the_new_edge(world: World, peer: Remote) -> None:
    world.connect("other")
    assert peer.take() == [
        "12 us other 10.0.0.3 655 c 10",
        "12 other us 10.0.0.1 655 c 10",
    ]


def test_a_tunnel_server_keeps_it_from_them(loop: FakeLoop) -> None:
    world = World(loop, GossipPolicy(tunnel_server=True))
    peer = world.connect("peer")
    other = world.call_in("other")
    other.shake_hands()
    assert other.take() == ["12 us other 10.0.0.3 655 c 10"]
    assert peer.take() == []


def test_subnets_of_a_node_follow_its_host_scripts(world: World) -> None:
    peer = world.call_in("peer")
    peer.shake_hands()
    peer.say("10 1 peer 10.2.0.0/24", "10 2 peer 10.2.1.0/24", peer.edge("peer", "us"))
    assert world.take_log() == [
        *PEER_UP[:2],
        "subnet-up peer 10.2.0.0/24 10.0.0.2 port 655",
        "subnet-up peer 10.2.1.0/24 10.0.0.2 port 655",
        PEER_UP[2],
    ]
    peer.say("10 3 peer 10.2.2.0/24", "11 4 peer 10.2.0.0/24#10")
    assert world.take_log() == [
        "subnet-up peer 10.2.2.0/24 10.0.0.2 port 655",
        "subnet-down peer 10.2.0.0/24 10.0.0.2 port 655",
    ]


# When the graph runs.


def test_one_run_for_all_additions_of_one_read(world: World, peer: Remote) -> None:
    before = world.control.runs.count
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    assert world.control.runs.count == before + 1
    assert world.reachable() == {"us", "peer", "far"}


def test_no_run_without_a_change(world: World, peer: Remote) -> None:
    before = world.control.runs.count
    peer.say("8", "12 abc peer us 10.0.0.1 655 c 10", "10 abd peer 10.2.0.0/24")
    assert world.control.runs.count == before


def test_a_node_is_up_before_its_key_counts(world: World) -> None:
    peer = world.call_in("peer")
    peer.shake_hands()
    peer.say(peer.edge("peer", "us"), "16 peer us CD 427 672 4 0")
    assert world.take_log() == [*PEER_UP, "key of peer: CD"]


def test_a_node_is_up_before_its_packets_count(world: World) -> None:
    peer = world.call_in("peer")
    peer.shake_hands()
    peer.queue(peer.edge("peer", "us"))
    peer.connection.send_packets([b"frame"])
    peer.pump()
    assert world.packets == [(b"frame", "peer")]
    assert world.take_log() == PEER_UP


def test_a_node_that_goes_and_comes_back_loses_its_keys(
    world: World, peer: Remote
) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    world.take_log()
    peer.say("13 aa peer far", peer.edge("peer", "far"), "16 far us CD 427 672 4 0")
    assert world.take_log() == [
        "far down",
        "host-down far 10.0.0.4 port 655",
        "far up",
        "host-up far 10.0.0.4 port 655",
        "key of far: CD",
    ]


def test_a_new_link_is_a_way_at_once_even_in_a_storm(loop: FakeLoop) -> None:
    world = World(loop, deferring=True)
    other = world.connect("other")
    other.say(other.edge("other", "peer"), other.edge("peer", "other"))
    other.say(other.edge("peer", "us"))
    assert world["peer"].nexthop is world["other"]
    peer = world.call_in("peer")
    peer.shake_hands()
    assert world["peer"].nexthop is world["peer"]


def test_packets_do_not_take_a_way_that_is_lost(loop: FakeLoop) -> None:
    """In a storm another way is found when something is to take it."""
    world = World(loop, deferring=True)
    other, peer = world.connect("other"), world.connect("peer")
    for remote in (other, peer):
        remote.say(remote.edge(remote.name, "far"), remote.edge("far", remote.name))
    world.control.settle()
    other.say("13 1 other far")
    assert world["far"].nexthop is world["other"]
    peer.connection.send_packets([b"frame"])
    peer.pump()
    assert world.packets == [(b"frame", "peer")]
    assert world["far"].nexthop is world["peer"]


def test_an_edge_that_comes_and_goes_leaves_nothing(world: World, peer: Remote) -> None:
    peer.say(
        peer.edge("peer", "far"),
        peer.edge("far", "peer"),
        "13 aa peer far",
        "14 ab far",
    )
    log = world.take_log()
    assert log.count("far up") == log.count("far down")
    assert world.reachable() == {"us", "peer"}


def test_an_unreachable_node_forgets_where_it_was(world: World, peer: Remote) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    assert world["far"].address == PLACES["far"]
    peer.say("13 aa peer far")
    assert world["far"].address is None
    assert world["far"].options == 0


# Passing on.


def test_a_line_is_passed_on_as_it_came(
    world: World, peer: Remote, other: Remote
) -> None:
    lines = [b"10  Ab peer 10.2.0.0/24 more", b"14 AC peer\r"]
    peer.say(*lines)
    other.pump()
    assert other.heard == lines
    assert peer.take() == []


def test_a_correction_goes_to_the_sender_only(
    world: World, peer: Remote, other: Remote, loop: FakeLoop
) -> None:
    # The links are no longer new.
    loop.now += ECHO
    peer.say("10 1 us 10.66.0.0/24", "13 2 us other")
    assert peer.take() == ["11 us 10.66.0.0/24#10", "12 us other 10.0.0.3 655 c 10"]
    assert other.take() == []


def test_key_messages_take_the_next_hop(
    world: World, peer: Remote, other: Remote
) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    other.take()
    world.take_log()
    other.say("15 other far", "16 other far EF 427 672 4 0")
    assert peer.take() == ["15 other far", "16 other far EF 427 672 4 0"]
    world.confirmed.add("far")
    other.say("16 other far EF 427 672 4 0")
    assert peer.take() == ["16 other far EF 427 672 4 0 10.0.0.3 655"]
    peer.say("15 far us")
    assert world.take_log() == ["new key for far"]
    assert peer.take() == ["16 us far AB 427 672 4 0"]


def test_keys_for_a_neighbour_take_its_link_where_only_a_detour_is_known(
    world: World, other: Remote
) -> None:
    """Or they and those that come over the link overtake each other."""
    other.say(other.edge("other", "far"), other.edge("far", "other"))
    far = world.call_in("far")
    far.shake_hands()
    far.take()
    other.take()
    assert world["far"].nexthop is world["other"]
    far.say("15 far us")
    assert far.take() == ["16 us far AB 427 672 4 0"]
    assert other.take() == []


def test_whoever_names_methods_hears_ours_ahead_of_the_key(
    world: World, peer: Remote, other: Remote
) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    world.take_log()
    peer.take()
    peer.say("15 far us compress:zstd,other")
    assert world.take_log() == ["far knows zstd, other", "new key for far"]
    assert peer.take() == ["15 us far", "16 us far AB 427 672 4 0"]
    other.say("15 other far compress:zstd")
    assert peer.take() == ["15 other far compress:zstd"]


def test_a_new_neighbour_hears_our_methods_ahead_of_the_key(world: World) -> None:
    world.keys.introducing = True
    peer = world.call_in("peer")
    peer.shake_hands()
    peer.take()
    peer.announce("peer", "us")
    lines = peer.take()
    assert lines[-2:] == ["15 us peer", "16 us peer AB 427 672 4 0"]


def test_asking_for_a_key(world: World, peer: Remote) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    world.control.request_key(world["far"])
    assert peer.take() == ["15 us far"]


def test_a_key_that_cannot_leave_is_not_made(world: World, peer: Remote) -> None:
    # It would replace the one that the node uses.
    stranger = world.mesh.get_or_add("stranger")
    world.control.perform([fx.SendKey(stranger), fx.Relay(stranger, b"15 a b")])
    world.control.request_key(stranger)
    assert world.take_log() == []
    assert peer.take() == []


def test_who_would_use_udp_untried_gets_no_key_for_what_cannot_be_opened(
    loop: FakeLoop,
) -> None:
    for options, keys in ((0x4, 3), (0, 0)):
        world = World(loop, opens=False)
        peer = world.call_in("peer", options=options)
        peer.shake_hands()
        peer.say(f"12 1 peer us 10.0.0.1 655 {options:x} 10", "15 peer us")
        world.control.perform([fx.SendKey(world["peer"])])
        assert world.take_log().count("new key for peer") == keys
        heard = [line for line in peer.take() if line.startswith("16 ")]
        assert len(heard) == keys


def test_nobody_to_reply_to(world: World, peer: Remote) -> None:
    world.control.perform([fx.Reply(ReqKey("us", "peer"))])
    assert peer.take() == []


def test_messages_to_everyone_are_logged_once(
    world: World, peer: Remote, other: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    world.control.perform([fx.Announce(KeyChanged(0xAB, "us"))])
    text = "Sending KEY_CHANGED to everyone (BROADCAST)"
    assert [line for line in caplog.messages if "everyone" in line] == [
        f"{text}: 14 ab us"
    ]
    caplog.clear()
    logs.meta.setLevel(logging.CRITICAL)
    world.control.perform([fx.Announce(KeyChanged(0xAC, "us"))])
    assert [line for line in caplog.messages if "everyone" in line] == [text]
    assert peer.take() == other.take() == ["14 us", "14 us"]


def test_a_link_without_a_node_says_nothing(world: World) -> None:
    link = world.call_in("peer").link
    world.control.handle(link, KeyChanged(1, "us"), b"14 1 us")
    assert world.take_log() == []


# A neighbour that goes.


def test_a_lost_link_takes_both_edges_along(
    world: World, peer: Remote, other: Remote
) -> None:
    peer.say("10 1 peer 10.2.0.0/24")
    other.take()
    world.take_log()
    peer.hang_up()
    assert other.take() == ["13 us peer", "13 peer us"]
    assert world.take_log() == [
        "peer down",
        "host-down peer 10.0.0.2 port 655",
        "subnet-down peer 10.2.0.0/24 10.0.0.2 port 655",
    ]
    assert world.edges() == {"us-other", "other-us"}
    assert world["peer"].address is None


def test_a_node_with_another_way_keeps_its_edge(
    world: World, peer: Remote, other: Remote
) -> None:
    other.say(other.edge("other", "peer"), other.edge("peer", "other"))
    other.take()
    world.take_log()
    peer.hang_up()
    assert other.take() == ["13 us peer"]
    assert "peer-us" in world.edges()
    # It may have been restarted, and then does not know the key any more.
    assert world.take_log() == ["peer may have restarted"]
    assert world["peer"].nexthop is world["other"]


@pytest.mark.parametrize("steps", [reach.MAX_STEPS, 0])
def test_a_withdrawn_edge_of_a_lost_node(
    world: World,
    peer: Remote,
    other: Remote,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is withdrawn too where only a run of the graph finds out who is lost."""
    monkeypatch.setattr(reach, "MAX_STEPS", steps)
    # far was our neighbour's neighbour, and once said to have an edge to us.
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"), peer.edge("far", "us"))
    other.take()
    peer.say("13 aa peer far")
    assert other.take() == ["13 peer far", "13 far us"]
    assert peer.take() == ["13 far us"]


def test_purging(world: World, peer: Remote, other: Remote) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"), "10 1 far 10.4.0.0/24")
    peer.say("13 aa peer far")
    other.take()
    world.take_log()
    world.control.purge()
    assert other.take() == ["11 far 10.4.0.0/24#10", "13 far peer"]
    assert world.take_log() == ["forget far"]
    assert set(world.mesh.nodes) == {"us", "peer", "other"}


def test_the_last_link_takes_everything_along(world: World, peer: Remote) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    peer.hang_up()
    assert set(world.mesh.nodes) == {"us"}
    assert world.take_log()[-2:] == ["forget far", "forget peer"]
