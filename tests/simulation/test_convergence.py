"""Large meshes of real control planes come to rest, agreeing about themselves.

Everything is seeded: virtual time, delays of the streams, nonces and topologies.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from random import Random

import pytest

from tests.simulation import invariants
from tests.simulation.world import World, names, random_calls
from tincd_compat import logs
from tincd_compat.meta.messages import AddEdge, AddSubnet, DelEdge


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No log lines and no garbage collector, which millions of messages would feel.

    A flooded line is the same for everybody, so it is parsed once for all.
    """
    for kind in (AddEdge, DelEdge, AddSubnet):
        parse = lru_cache(65536)(kind.parse)
        monkeypatch.setattr(kind, "parse", staticmethod(parse))
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.CRITICAL)
    gc.disable()
    yield
    gc.enable()


def events(world: World) -> Counter[str]:
    """What happened so far at all nodes together, and the lines they flooded."""
    total = Counter(flooded=world.network.traffic.gossip)
    for daemon in world.daemons.values():
        total += daemon.counts
    return total


def joined(count: int, seed: int, *, repeats_nonces: bool = False) -> World:
    """Return a mesh of mean degree 4 whose daemons all started within 5 seconds."""
    calls = random_calls(names(count), 4, Random(seed))
    world = World(calls, seed, repeats_nonces=repeats_nonces)
    world.start(world.members, 5.0)
    world.settle()
    invariants.whole(world)
    flooded, facts = world.network.traffic.gossip, 2 * world.links + count
    invariants.few_messages(flooded, world.links, facts, events(world)["dumped"])
    return world


@lru_cache(1)
def large() -> World:
    """A mesh of 300 that the tests below share; each leaves it whole or clears it."""
    return joined(300, seed=0)


def test_three_hundred_join() -> None:
    assert len(large().running) == 300


def test_a_partition_of_three_hundred_heals() -> None:
    world = large()
    try:
        part_and_heal(world, world.members[:30])
    except BaseException:
        large.cache_clear()
        raise


def test_thirty_of_three_hundred_leave() -> None:
    world = large()
    large.cache_clear()
    flooded = world.network.traffic.gossip
    gone = world.random.sample(world.members, 30)
    before = sum(len(invariants.neighbours(daemon)) for daemon in world.running)
    for name in gone:
        world.daemons[name].kill()
    world.settle()
    invariants.at_rest(world)
    after = sum(len(invariants.neighbours(daemon)) for daemon in world.running)
    flooded = world.network.traffic.gossip - flooded
    invariants.few_messages(flooded, world.links, before - after, 0)


def test_a_third_is_cut_off_and_comes_back() -> None:
    world = joined(60, seed=0)
    part_and_heal(world, world.members[:20])


def part_and_heal(world: World, side: list[str]) -> None:
    """Cut this side off for longer than it takes to notice that nobody answers."""
    before = events(world)
    world.network.partition(side)
    world.loop.run_for(120)
    invariants.at_rest(world)
    assert len(invariants.components(world.running)) > 1
    world.network.heal()
    world.settle(limit=2000)
    invariants.whole(world)
    seen = events(world) - before
    facts = invariants.facts(seen)
    invariants.few_messages(seen["flooded"], world.links, facts, seen["dumped"])


@pytest.mark.parametrize("repeats_nonces", [False, True])
def test_a_few_are_killed_and_start_again(repeats_nonces: bool) -> None:
    world = joined(60, seed=1, repeats_nonces=repeats_nonces)
    world.loop.run_for(10)
    world.restart(world.random.sample(world.members, 3), within=5.0, pause=0.3)
    world.settle(limit=600)
    invariants.whole(world)


def test_all_are_killed_and_start_again() -> None:
    world = joined(150, seed=0)
    world.loop.run_for(10)
    before = events(world)
    world.restart(world.members, within=1.0, pause=0.3)
    world.settle(limit=600)
    invariants.whole(world)
    seen = events(world) - before
    facts = 3 * 2 * world.links + len(world.members)
    invariants.few_messages(seen["flooded"], world.links, facts, seen["dumped"])


def test_both_ends_dial_each_other() -> None:
    calls = random_calls(names(40), 4, Random(0))
    world = World(calls + [pair[::-1] for pair in calls], seed=0)
    world.start(world.members, 1.0)
    world.settle(limit=3000)
    invariants.whole(world)


def test_a_hub_with_seventy_links_flaps_twenty_times() -> None:
    members = names(80)
    hub, leaves = members[0], members[1:71]
    calls = random_calls(members[1:], 3, Random(0)) + [(leaf, hub) for leaf in leaves]
    world = World(calls, seed=0)
    world.start(world.members, 5.0)
    world.settle(limit=2000)
    before = events(world)
    for _ in range(20):
        for leaf in leaves:
            world.network.sever(leaf, hub)
        world.loop.run_for(4.0)
    world.settle(limit=4000)
    invariants.whole(world)
    seen = events(world) - before
    facts = invariants.facts(seen)
    invariants.few_messages(seen["flooded"], world.links, facts, seen["dumped"])
