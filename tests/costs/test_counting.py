"""What the count sees, of Python and of C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.costs.counting import Name, lines
from tincd_compat.addresses import Subnet, format_mac

HUNDRED = range(100)
NAMES = [Name(number) for number in HUNDRED]
SUBNETS = [Subnet.parse(f"10.0.0.{number}") for number in HUNDRED]


def test_a_loop_counts_each_turn() -> None:
    few, many = (partial(format_mac, bytes(size)) for size in (100, 200))
    assert lines(many) - lines(few) == 100


def test_only_the_package_counts() -> None:
    assert lines(lambda: [number for number in HUNDRED if number]) == 0


@pytest.mark.parametrize(
    "walk",
    [
        lambda: sorted(HUNDRED, key=abs),
        lambda: sorted(NAMES),
        lambda: set(NAMES),
        lambda: "none" in NAMES,
        lambda: list(SUBNETS).remove(SUBNETS[-1]),
        lambda: set(SUBNETS),
    ],
)
def test_what_c_sorts_compares_or_hashes_counts(walk: Callable[[], object]) -> None:
    assert lines(walk) >= 99
