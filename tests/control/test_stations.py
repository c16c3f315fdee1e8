"""Stations that others have announced too: who takes his word back, who repeats it."""

from __future__ import annotations

import pytest

from tests.control.world import World, subnet
from tincd_compat.control.context import GossipPolicy
from tincd_compat.control.effects import Announce, Effect, SubnetDown, SubnetUp
from tincd_compat.control.stations import (
    FIRST_PAUSE,
    FRESH,
    LONGEST_PAUSE,
    MAX_REPEATED,
    MAX_RIVALS,
    Stations,
)
from tincd_compat.meta.messages import AddSubnet, DelSubnet

MAC = bytes([0, 0x1A, 0x2B, 0x3C, 0x4D, 0x5E])
LEARNED = subnet("0:1a:2b:3c:4d:5e")


@pytest.fixture
def world() -> World:
    world = World(GossipPolicy(mac_expire=600))
    world.gossip.subnets.learn(MAC, 0)
    return world


def owned(world: World) -> bool:
    return world.mesh.subnets.has(world["alpha"], LEARNED)


def said(found: list[Effect]) -> list[type]:
    """Return what is told to everybody."""
    return [type(each.message) for each in found if isinstance(each, Announce)]


def claim(world: World, number: int, owner: str, now: float) -> list[Effect]:
    return world.hear(f"10 {number:x} {owner} 0:1a:2b:3c:4d:5e", now=now)


# What is heard elsewhere.


def test_an_old_word_is_taken_back_when_another_gives_his(world: World) -> None:
    found = claim(world, 1, "far", FRESH)
    assert SubnetDown(world["alpha"], LEARNED) in found
    assert said(found) == [DelSubnet]
    assert not owned(world)


def test_a_station_that_spoke_just_now_has_a_tick_to_speak_again(
    world: World,
) -> None:
    assert said(claim(world, 1, "far", FRESH - 1)) == []
    assert owned(world)
    world.gossip.subnets.learn(MAC, FRESH)
    assert said(list(world.gossip.tick(FRESH + 1))) == []
    assert owned(world)


def test_an_old_word_is_taken_back_when_the_station_speaks_elsewhere(
    world: World,
) -> None:
    assert world.gossip.subnets.heard_elsewhere(MAC, FRESH - 1) == []
    found = world.gossip.subnets.heard_elsewhere(MAC, FRESH)
    assert said(found) == [DelSubnet]
    assert not owned(world)
    assert world.gossip.subnets.heard_elsewhere(MAC, FRESH + 1) == []


def test_what_others_own_is_no_station_of_ours(world: World) -> None:
    claim(world, 1, "far", 1)
    other = bytes(6)
    world.hear("10 2 far 0:0:0:0:0:0", now=1)
    assert world.gossip.subnets.heard_elsewhere(other, 1000) == []


def test_what_is_configured_stays() -> None:
    world = World()
    world.mesh.subnets.add(world["alpha"], subnet("0:1a:2b:3c:4d:5e#3"))
    assert world.gossip.subnets.learn(MAC, 0) == []
    assert world.gossip.subnets.heard_elsewhere(MAC, 1000) == []


def test_nothing_flaps_while_a_station_is_heard_on_both_sides(world: World) -> None:
    """A ring: each frame of the device comes back from the mesh, for ten minutes."""
    claim(world, 1, "far", 1)
    told = list[type]()
    for number in range(2400):
        now = 2 + number / 4
        told += said(world.gossip.subnets.learn(MAC, now))
        told += said(world.gossip.subnets.heard_elsewhere(MAC, now))
        if number % 20 == 0:
            told += said(list(world.gossip.tick(now)))
    assert told == [DelSubnet, AddSubnet] * 5


# What is said again.


def test_a_word_that_holds_is_said_after_that_of_others(world: World) -> None:
    claim(world, 1, "far", 1)
    assert world.gossip.subnets.learn(MAC, 2) == []
    assert world.gossip.subnets.learn(MAC, FIRST_PAUSE) == []
    found = world.gossip.subnets.learn(MAC, 1 + FIRST_PAUSE)
    assert said(found) == [DelSubnet, AddSubnet]
    assert len(found) == 2
    # To us nothing happens, and no script runs.
    assert owned(world)
    assert world.gossip.subnets.learn(MAC, 2 + FIRST_PAUSE) == []


def test_a_further_rival_does_not_put_our_word_off(world: World) -> None:
    claim(world, 1, "far", 1)
    world.gossip.subnets.learn(MAC, FIRST_PAUSE - 1)
    claim(world, 2, "other", FIRST_PAUSE)
    found = world.gossip.subnets.learn(MAC, 1 + FIRST_PAUSE)
    assert said(found) == [DelSubnet, AddSubnet]


def test_who_has_taken_his_word_back_is_no_rival(world: World) -> None:
    claim(world, 1, "far", 1)
    world.gossip.subnets.learn(MAC, 2)
    world.hear("11 2 far 0:1a:2b:3c:4d:5e", now=3)
    assert world.gossip.subnets.learn(MAC, 100) == []


def test_who_has_left_the_mesh_is_no_rival(world: World) -> None:
    claim(world, 1, "new", 1)
    world.gossip.subnets.learn(MAC, 2)
    world.hear("11 2 new 0:1a:2b:3c:4d:5e", now=3)
    assert "new" in world.mesh.nodes
    list(world.gossip.purge())
    assert "new" not in world.mesh.nodes
    assert world.gossip.subnets.learn(MAC, 100) == []


def test_a_station_that_is_learned_anew_has_no_rivals(world: World) -> None:
    claim(world, 1, "far", FRESH)
    assert SubnetUp(world["alpha"], LEARNED) in world.gossip.subnets.learn(MAC, 20)
    assert world.gossip.subnets.learn(MAC, 100) == []


def test_a_word_is_said_again_ever_more_rarely_but_not_never() -> None:
    stations = Stations(600)
    stations.add(MAC, 0)
    stations.claimed(MAC, "far", 0)
    station = stations.get(MAC)
    assert station is not None
    pauses, now = list[float](), 0.0
    for _ in range(10):
        pauses.append(station.due - now)
        now = station.due
        list(stations.expired(now))
        assert stations.repeats(station, now)
    rising = [FIRST_PAUSE * 2**number for number in range(7)]
    assert pauses == [*rising, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_few_words_are_said_again_in_a_tick() -> None:
    stations = Stations(600)
    names = [number.to_bytes(6, "big") for number in range(2 * MAX_REPEATED)]
    for mac in names:
        stations.add(mac, 0)
        stations.claimed(mac, "far", 0)

    def repeated(now: float) -> int:
        found = [stations.get(mac) for mac in names]
        return sum(stations.repeats(each, now) for each in found if each is not None)

    assert repeated(FIRST_PAUSE) == MAX_REPEATED
    for mac in names:
        stations.speaks(mac, FIRST_PAUSE)
    assert list(stations.expired(FIRST_PAUSE)) == []
    assert repeated(FIRST_PAUSE) == MAX_REPEATED
    list(stations.expired(FIRST_PAUSE))
    assert repeated(FIRST_PAUSE + 1) == 0


def test_few_rivals_are_remembered() -> None:
    stations = Stations(600)
    stations.add(MAC, 0)
    for number in range(2 * MAX_RIVALS):
        stations.claimed(MAC, f"far{number}", 0)
    station = stations.get(MAC)
    assert station is not None
    assert len(station.rivals) == MAX_RIVALS


def test_a_station_that_speaks_during_the_walk_does_not_expire() -> None:
    stations = Stations(600)
    for number in range(3):
        stations.add(bytes([number]), 0)
    walk = stations.expired(700)
    assert next(walk) == bytes([0])
    stations.speaks(bytes([1]), 700)
    stations.forget(bytes([2]))
    assert list(walk) == []
