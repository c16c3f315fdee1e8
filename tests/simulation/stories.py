"""What happens to a mesh in several tests, and what is counted meanwhile."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.simulation import invariants
from tests.simulation.world import World, names, random_calls


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
