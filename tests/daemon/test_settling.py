"""What the graph has to say before it is asked: losses that are left to a run.

Where finding out whom a loss has cut off takes too many steps, a run does that, mostly
at the end of the turn.  What depends on it cannot wait until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from tests.daemon.fakes import Remote, World, link_of
from tests.daemon.life import Life
from tincd_compat.daemon.link import Link
from tincd_compat.mesh import reach
from tincd_compat.mesh.backoff import SHORT_DELAY
from tincd_compat.meta.connection import Activated
from tincd_compat.meta.messages import DelEdge


@pytest.fixture(autouse=True)
def _losses_are_left_to_a_run() -> Iterator[None]:
    with mock.patch.object(reach, "MAX_STEPS", 0):
        yield


@pytest.fixture
def peer(peer: Remote) -> Remote:
    """The neighbour that has ``far`` behind it."""
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    peer.world.take_log()
    return peer


def lose_far(world: World) -> None:
    """Hear that far is cut off, in a turn that is not over."""
    link = link_of(world, "peer")
    world.control.handle(link, DelEdge(0xAA, "peer", "far"), b"13 aa peer far")
    assert world["far"].reachable


def test_an_edge_to_us_is_withdrawn_though_its_node_went_in_the_same_turn(
    world: World, peer: Remote
) -> None:
    peer.announce("far", "us")
    peer.say("13 aa peer far")
    assert peer.take() == ["13 far us"]
    assert "far-us" not in world.edges()


def test_a_node_that_was_lost_and_dials_us_in_one_turn_has_gone_and_come_back(
    world: World, peer: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to lose its keys: its own side of the loss has done so."""
    peer.announce("far", "us")
    far = world.call_in("far")
    link_up = world.control.link_up

    def late(link: Link, event: Activated, bits: int) -> None:
        lose_far(world)
        link_up(link, event, bits)

    monkeypatch.setattr(world.control, "link_up", late)
    world.take_log()
    far.shake_hands()
    assert world.take_log() == [
        "far down",
        "host-down far 10.0.0.4 port 655",
        "far up",
        "host-up far 10.0.0.4 port 655",
        "new key for far",
    ]


def test_a_new_link_is_the_path_as_soon_as_it_is_up(
    world: World, peer: Remote, other: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.announce("far", "us")
    far = world.call_in("far")
    link_up = world.control.link_up
    hops = []

    def look_around(link: Link, event: Activated, bits: int) -> None:
        hops.append(world["far"].nexthop)
        link_up(link, event, bits)
        hops.append(world["far"].nexthop)

    monkeypatch.setattr(world.control, "link_up", look_around)
    far.shake_hands()
    assert hops == [world["peer"], world["far"]]


def test_purging_takes_whom_a_line_of_the_same_turn_has_cut_off(
    world: World, peer: Remote
) -> None:
    lose_far(world)
    world.control.purge()
    assert "forget far" in world.take_log()


def test_purging_takes_whom_a_line_has_cut_off_between_two_steps(
    world: World, peer: Remote
) -> None:
    peer.say("10 1 alone 10.9.0.0/24")
    steps = world.control.walk(world.control.gossip.purge)
    next(steps)
    lose_far(world)
    list(steps)
    assert world.take_log() == [
        "far down",
        "host-down far 10.0.0.4 port 655",
        "forget alone",
        "forget far",
    ]


@pytest.mark.parametrize("moment", ["tick", "dump"])
def test_a_run_that_was_put_off_comes_before_paths_are_acted_upon_or_shown(
    life: Life, moment: str
) -> None:
    life.start()
    runs, at_tick = life.daemon.control.runs, life.daemon.settings.ping_timeout
    life.loop.advance(at_tick - SHORT_DELAY / 2)
    for _ in range(2):
        runs.change(loss=False)
        runs.batch_done()
    assert runs.count == 1
    if moment == "dump":
        life.signal("USR2")
    else:
        life.loop.advance(SHORT_DELAY * 3 / 4)
    assert runs.count == 2
