"""What the count sees, of Python and of C."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.costs.counting import Name, lines
from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Mesh

HUNDRED = range(100)
NAMES = [Name(number) for number in HUNDRED]
SUBNETS = [Subnet.parse(f"10.0.0.{number}") for number in HUNDRED]


def _mesh(size: int) -> Mesh:
    mesh = Mesh("us")
    for number in range(size):
        mesh.get_or_add(str(number))
    return mesh


def test_a_loop_counts_each_turn() -> None:
    few, many = _mesh(100), _mesh(200)
    assert lines(many.sorted_nodes) - lines(few.sorted_nodes) == 100


def test_only_the_package_counts() -> None:
    assert lines(lambda: [number for number in HUNDRED if number]) == 0


@pytest.mark.parametrize(
    "walk",
    [
        lambda: sorted(NAMES),
        lambda: set(NAMES),
        lambda: "none" in NAMES,
        lambda: list(SUBNETS).remove(SUBNETS[-1]),
        lambda: set(SUBNETS),
    ],
)
def test_what_c_compares_or_hashes_counts(walk: Callable[[], object]) -> None:
    assert lines(walk) >= 99
