"""Contradictions about our edges: until when, how many, and what sets them right."""

from __future__ import annotations

import pytest

from tincd_compat.control.doubts import (
    ECHO,
    LONGEST_ECHO,
    MAX_EDGES,
    MAX_WEIGHTS,
    Doubts,
)


@pytest.mark.parametrize(
    ("heard", "weight"), [((), 6), ((4, 5), 6), ((6, 7), 8), ((7,), 6), ((6, 8), 7)]
)
def test_what_is_said_anew_is_news_to_everybody(
    heard: tuple[int, ...], weight: int
) -> None:
    doubts = Doubts()
    doubts.note("peer", 0)
    for each in heard:
        doubts.note("peer", 0, each)
    assert doubts.resolve("peer", 5) == weight
    assert doubts.settled(100) == []


def test_a_doubt_lasts_as_long_as_its_echo() -> None:
    doubts = Doubts()
    doubts.note("peer", 100)
    doubts.note("far", 99)
    doubts.note("far", 100)
    assert doubts.settled(100 + ECHO - 0.1) == []
    assert doubts.settled(100 + ECHO) == ["far", "peer"]
    doubts.put_off("far", 101)
    doubts.put_off("nobody", 101)
    assert doubts.settled(100 + ECHO) == ["peer"]
    assert doubts.settled(101 + ECHO) == ["far", "peer"]


def test_a_storm_does_not_put_it_off_for_ever() -> None:
    doubts = Doubts()
    for now in range(100):
        doubts.note("peer", now)
    assert doubts.settled(LONGEST_ECHO - 0.1) == []
    assert doubts.settled(LONGEST_ECHO) == ["peer"]


def test_doubts_are_limited() -> None:
    doubts = Doubts()
    assert [doubts.note(str(number), 0) for number in range(MAX_EDGES)] == [
        True
    ] * MAX_EDGES
    assert not doubts.note("one more", 0)
    assert len(doubts.settled(ECHO)) == MAX_EDGES
    # One that is known is noted still.
    assert doubts.note("0", 0, 6)
    assert doubts.resolve("0", 5) == 7
    assert doubts.note("one more", 0)
    for weight in range(6, 6 + 2 * MAX_WEIGHTS):
        assert doubts.note("1", 0, weight)
    assert doubts.resolve("1", 5) == 6 + MAX_WEIGHTS


def test_a_withdrawn_edge_is_under_way_until_the_next_tick_but_one() -> None:
    doubts = Doubts()
    doubts.note_withdrawn("peer")
    found = []
    for _ in range(3):
        found.append(doubts.was_withdrawn("peer"))
        doubts.age()
    assert found == [True, True, False]
    assert not doubts.was_withdrawn("far")
