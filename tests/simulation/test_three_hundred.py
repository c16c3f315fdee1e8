"""A mesh of three hundred comes to rest, agreeing about itself.

Its tests share it, so they are in one module, and one process runs them.
"""

from __future__ import annotations

from functools import lru_cache

from tests.simulation import invariants
from tests.simulation.stories import joined, part_and_heal, region
from tests.simulation.world import World


@lru_cache(1)
def large() -> World:
    """A mesh of 300 that the tests below share; each leaves it whole or clears it.

    Every other node has a link beside those of the tree, which is enough for detours
    of many kinds; smaller meshes are woven closer.
    """
    return joined(300, seed=0, degree=3)


def test_three_hundred_join() -> None:
    assert len(large().running) == 300


def test_a_partition_of_three_hundred_heals() -> None:
    world = large()
    try:
        part_and_heal(world, region(world, 30))
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
