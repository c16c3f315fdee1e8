"""Which case of the conformance suite starts when, and what is said of the rest."""

from __future__ import annotations

import pytest

from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.scenario import Case, Scenario
from conformance.scenarios import SCENARIOS
from conformance.schedule import SPARE, Places, Progress, in_order, places, time_text


def play(lab: Lab, placement: Placement) -> None:
    raise AssertionError("nothing is played here")


def case(name: str, seconds: float = 10, *, quiet: bool = False) -> Case:
    scenario = Scenario(
        name=name,
        summary="",
        placements=((Kind.C,),),
        play=play,
        seconds=seconds,
        quiet=quiet,
    )
    return Case(scenario, (Kind.C,))


PLAIN = case("plain")
QUIET = case("quiet", quiet=True)


def test_the_longest_are_first_and_those_in_quiet_last() -> None:
    cases = [
        case("quiet long", 90, quiet=True),
        case("short", 1),
        case("long", 60),
        case("quiet short", 2, quiet=True),
        case("first of two", 10),
        case("second of two", 10),
    ]
    names = [each.scenario.name for each in in_order(cases)]
    assert names == [
        "long",
        "first of two",
        "second of two",
        "short",
        "quiet long",
        "quiet short",
    ]


def test_no_case_is_lost_by_the_order() -> None:
    cases = [
        Case(each, placement) for each in SCENARIOS for placement in each.placements
    ]
    assert sorted(each.slug for each in in_order(cases)) == sorted(
        each.slug for each in cases
    )


def test_places_of_a_machine() -> None:
    assert places(2) == Places(few=6, many=14, quiet=2)
    assert places(8) == Places(few=24, many=56, quiet=8)


@pytest.mark.parametrize("most", [-1, 0, 1])
def test_one_at_a_time(most: int) -> None:
    assert places(4, most) == Places(few=1, many=1, quiet=1)


def test_what_was_asked_for_is_the_most() -> None:
    assert places(2, 8) == Places(few=6, many=8, quiet=2)


def test_a_few_run_however_busy_the_machine_is() -> None:
    assert places(2).admits(PLAIN, [PLAIN] * 5, idle=0)
    assert not places(2).admits(PLAIN, [PLAIN] * 6, idle=0)


def test_more_run_while_processors_are_idle() -> None:
    assert places(2).admits(PLAIN, [PLAIN] * 13, idle=SPARE)
    assert not places(2).admits(PLAIN, [PLAIN] * 13, idle=SPARE - 0.01)
    assert not places(2).admits(PLAIN, [PLAIN] * 14, idle=1)


def test_what_measures_has_few_neighbours() -> None:
    assert places(2).admits(QUIET, [PLAIN], idle=0)
    assert places(2).admits(PLAIN, [QUIET], idle=0)
    assert not places(2).admits(QUIET, [PLAIN] * 2, idle=1)
    assert not places(2).admits(PLAIN, [PLAIN, QUIET], idle=1)


def test_an_estimate_before_there_is_a_pace() -> None:
    waiting = [case("one", 10), case("two", 10), case("three", 10), case("four", 10)]
    progress = Progress(elapsed=0, ended=[], running=[], waiting=waiting)
    assert progress.seconds_left(at_once=2) == pytest.approx(20)


def test_an_estimate_by_the_pace_so_far() -> None:
    progress = Progress(
        elapsed=20,
        # Thirty seconds of work done in twenty.
        ended=[case("done", 25)],
        running=[(case("half", 10), 5)],
        waiting=[case("next", 10)] * 4,
    )
    assert progress.seconds_left(at_once=12) == pytest.approx(45 / 1.5)


def test_a_case_that_takes_longer_than_declared_slows_the_pace() -> None:
    progress = Progress(
        elapsed=40,
        ended=[],
        running=[(case("late", 10), 40)],
        waiting=[case("next", 10)],
    )
    assert progress.seconds_left(at_once=12) == pytest.approx(40)


def test_the_longest_case_is_not_shared_among_places() -> None:
    progress = Progress(
        elapsed=10,
        ended=[case("done", 90)],
        running=[(case("long", 60), 10)],
        waiting=[],
    )
    assert progress.seconds_left(at_once=12) == pytest.approx(50)


def test_nothing_is_left_in_the_end() -> None:
    progress = Progress(elapsed=10, ended=[PLAIN], running=[], waiting=[])
    assert progress.seconds_left(at_once=12) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (61, "about 1 min"),
        (200, "about 3 min"),
    ],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert time_text(seconds) == words
