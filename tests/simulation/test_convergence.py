"""Large meshes of real control planes come to rest, agreeing about themselves.

Everything is seeded: virtual time, delays of the streams, nonces and topologies.  The
modules of this folder are run side by side.
"""

from __future__ import annotations

from random import Random

from tests.simulation import invariants
from tests.simulation.stories import events, joined, part_and_heal
from tests.simulation.world import World, names, random_calls


def test_a_third_is_cut_off_and_comes_back() -> None:
    world = joined(60, seed=0)
    part_and_heal(world, world.members[:20])


def test_both_ends_dial_each_other() -> None:
    calls = random_calls(names(40), 4, Random(0))
    world = World(calls + [pair[::-1] for pair in calls], seed=0)
    world.start(world.members, 1.0)
    world.settle(limit=3000)
    invariants.whole(world)


def test_a_hub_with_seventy_links_flaps_ten_times() -> None:
    members = names(80)
    hub, leaves = members[0], members[1:71]
    calls = random_calls(members[1:], 2.2, Random(0)) + [(leaf, hub) for leaf in leaves]
    world = World(calls, seed=0)
    world.start(world.members, 5.0)
    world.settle(limit=2000)
    before = events(world)
    for _ in range(10):
        for leaf in leaves:
            world.network.sever(leaf, hub)
        world.loop.run_for(4.0)
    world.settle(limit=4000)
    invariants.whole(world)
    seen = events(world) - before
    facts = invariants.facts(seen)
    invariants.few_messages(seen["flooded"], world.links, facts, seen["dumped"])
