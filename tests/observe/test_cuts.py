"""Articulation points, held against what is left when a node is taken out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.observe.made import World
from tincd_compat.observe.cuts import MOST_CUTS, Cut, cuts

NAMES = ("alpha", *"bcdefgh")
PAIRS = st.sets(
    st.sampled_from([(one, two) for one in NAMES for two in NAMES if one < two]),
    max_size=14,
)


def search(world: World) -> list[Cut]:
    work = cuts(world.mesh)
    while True:
        try:
            next(work)
        except StopIteration as over:
            found: list[Cut] = over.value
            return found


def component(pairs: set[tuple[str, str]], start: str, without: str) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for pair in pairs:
            if name in pair and without not in pair:
                other = pair[name == pair[0]]
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
    return seen


@settings(max_examples=60)
@given(PAIRS)
def test_taking_a_node_out_parts_the_rest(pairs: set[tuple[str, str]]) -> None:
    world = World(*(f"{one}-{other}" for one, other in sorted(pairs)))
    reached = component(pairs, "alpha", "")
    expected = {}
    for name in reached:
        rest = reached - {name}
        parts = {frozenset(component(pairs, other, name)) for other in rest}
        if len(parts) > 1:
            expected[name] = len(rest) - max(map(len, parts))
    assert dict(search(world)) == expected


def test_the_worst_comes_first() -> None:
    world = World("alpha-b", "b-c", "c-d", "c-e", "c-f")
    assert search(world) == [Cut("c", 3), Cut("b", 1)]


def test_an_edge_without_its_reverse_is_no_way() -> None:
    world = World("alpha-b", "b-c", "alpha-d")
    world.edge("c", "d")
    assert Cut("b", 1) in search(world)


def test_a_line_of_many_nodes_is_no_recursion() -> None:
    names = ["alpha", *(f"n{number:04}" for number in range(3000))]
    world = World(*(f"{a}-{b}" for a, b in pairwise(names)))
    # Nearly all of them are articulation points, and those in the middle the worst.
    assert [cut.node for cut in search(world)[:3]] == ["n1499", "n1498", "n1500"]
    assert len(search(world)) == MOST_CUTS
