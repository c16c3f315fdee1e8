"""Contradictions about our edges: until when, how many, and what sets them right."""

from __future__ import annotations

import pytest

from tincd_compat.control.contested import (
    ECHO,
    LONGEST_ECHO,
    MAX_EDGES,
    MAX_WEIGHTS,
    ContestedEdges,
)


@pytest.mark.parametrize(
    ("heard", "weight"), [((), 6), ((4, 5), 6), ((6, 7), 8), ((7,), 6), ((6, 8), 7)]
)
def test_what_is_said_anew_is_news_to_everybody(
    heard: tuple[int, ...], weight: int
) -> None:
    contested = ContestedEdges()
    contested.note("peer", 0)
    for each in heard:
        contested.note("peer", 0, each)
    assert contested.resolve("peer", 5) == weight
    assert contested.settled(100) == []


def test_a_doubt_lasts_as_long_as_its_echo() -> None:
    contested = ContestedEdges()
    contested.note("peer", 100)
    contested.note("far", 99)
    contested.note("far", 100)
    assert contested.settled(100 + ECHO - 0.1) == []
    assert contested.settled(100 + ECHO) == ["far", "peer"]
    contested.put_off("far", 101)
    contested.put_off("nobody", 101)
    assert contested.settled(100 + ECHO) == ["peer"]
    assert contested.settled(101 + ECHO) == ["far", "peer"]


def test_a_storm_does_not_put_it_off_for_ever() -> None:
    contested = ContestedEdges()
    for now in range(100):
        contested.note("peer", now)
    assert contested.settled(LONGEST_ECHO - 0.1) == []
    assert contested.settled(LONGEST_ECHO) == ["peer"]


def test_doubts_are_limited() -> None:
    contested = ContestedEdges()
    assert [contested.note(str(number), 0) for number in range(MAX_EDGES)] == [
        True
    ] * MAX_EDGES
    assert not contested.note("one more", 0)
    assert len(contested.settled(ECHO)) == MAX_EDGES
    # One that is known is noted still.
    assert contested.note("0", 0, 6)
    assert contested.resolve("0", 5) == 7
    assert contested.note("one more", 0)
    for weight in range(6, 6 + 2 * MAX_WEIGHTS):
        assert contested.note("1", 0, weight)
    assert contested.resolve("1", 5) == 6 + MAX_WEIGHTS


def test_a_withdrawn_edge_is_under_way_until_the_next_tick_but_one() -> None:
    contested = ContestedEdges()
    contested.note_withdrawn("peer")
    found = []
    for _ in range(3):
        found.append(contested.was_withdrawn("peer"))
        contested.age()
    assert found == [True, True, False]
    assert not contested.was_withdrawn("far")
