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


def joined(
    count: int, seed: int, *, degree: float = 4, repeats_nonces: bool = False
) -> World:
    """Return a mesh whose daemons all started within 5 seconds.

    What that costs grows with the square of links: facts, times links they cross.
    """
    calls = random_calls(names(count), degree, Random(seed))
    world = World(calls, seed, repeats_nonces=repeats_nonces)
    world.start(world.members, 5.0)
    world.settle()
    invariants.whole(world)
    flooded, facts = world.network.traffic.gossip, 2 * world.links + count
    invariants.few_messages(flooded, world.links, facts, events(world)["dumped"])
    return world


def region(world: World, count: int) -> list[str]:
    """Return so many members that are near to each other, at the edge of the mesh."""
    found = [world.members[-1]]
    for name in found:
        near = (pair for pair in world.calls if name in pair)
        others = (pair[pair[0] == name] for pair in near)
        found += [other for other in others if other not in found]
    return found[:count]


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
