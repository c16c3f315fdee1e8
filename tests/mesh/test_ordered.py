"""Ordered tables against a list that is sorted after every step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cost import calls
from tincd_compat.mesh import ordered
from tincd_compat.mesh.ordered import Ordered


@pytest.fixture(scope="module", autouse=True)
def _short_pieces() -> Iterator[None]:
    with mock.patch.object(ordered, "MAX_PIECE", 4):
        yield


def negative(number: int) -> int:
    return -number


def down(numbers: set[int]) -> list[int]:
    return sorted(numbers, reverse=True)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 40)), max_size=120
)


@given(st.sets(st.integers(0, 40)), STEPS)
def test_agrees_with_a_sorted_list(
    start: set[int], steps: list[tuple[str, int]]
) -> None:
    table, known = Ordered(negative, down(start)), set(start)
    for verb, number in steps:
        if verb == "add":
            assert table.add(number) is (number not in known)
            known.add(number)
        else:
            assert table.remove(number) is (number in known)
            known.discard(number)
        assert list(table) == down(known)
        assert len(table) == len(known)
        assert bool(table) is bool(known)
        if known:
            assert (table.first, table.last) == (max(known), min(known))
    assert [number in table for number in range(42)] == [
        number in known for number in range(42)
    ]


def test_pieces_stay_short_and_none_is_empty() -> None:
    table = Ordered(negative)
    for number in range(100):
        table.add(number)
    for number in range(0, 100, 2):
        table.remove(number)
    assert all(0 < len(piece) <= 4 for piece in table._pieces)


def test_cost_of_a_step_hardly_grows_with_the_table() -> None:
    def cost(size: int) -> int:
        table = Ordered(negative, range(size, 0, -1))

        def take_out_and_put_in(number: int) -> None:
            table.remove(number)
            table.add(number)

        numbers = (1, size // 2, size)
        return max(calls(partial(take_out_and_put_in, number)) for number in numbers)

    # A table 64 times as large takes six comparisons more for each of two searches.
    assert cost(64 * 256) < 2 * cost(256)
