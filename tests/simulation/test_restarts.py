"""Daemons that are killed and start again, all or a few, are believed what they say."""

from __future__ import annotations

import pytest

from tests.simulation import invariants
from tests.simulation.stories import events, joined
from tincd_compat.daemon.graphruns import MANY


@pytest.mark.parametrize("repeats_nonces", [False, True])
def test_a_few_are_killed_and_start_again(repeats_nonces: bool) -> None:
    world = joined(60, seed=1, repeats_nonces=repeats_nonces)
    world.loop.run_for(10)
    world.restart(world.random.sample(world.members, 3), within=5.0, pause=0.3)
    world.settle(limit=600)
    invariants.whole(world)


def test_all_are_killed_and_start_again() -> None:
    # More nodes than may come or go in one turn of the loop without a pause.
    world = joined(MANY + 6, seed=0)
    world.loop.run_for(10)
    before = events(world)
    world.restart(world.members, within=1.0, pause=0.3)
    world.settle(limit=600)
    invariants.whole(world)
    seen = events(world) - before
    facts = 3 * 2 * world.links + len(world.members)
    invariants.few_messages(seen["flooded"], world.links, facts, seen["dumped"])
