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


PLACES = Places(few=6, many=12, quiet=2)


def test_an_estimate_before_anything_was_seen() -> None:
    waiting = [case(name, 30) for name in "abcdefghijklmnopqrstuvwx"]
    progress = Progress(elapsed=0, ended=[], running=[], waiting=waiting)
    assert progress.seconds_left(PLACES) == pytest.approx(60)


def test_an_estimate_by_the_number_that_ran_at_once() -> None:
    progress = Progress(
        elapsed=20,
        ended=[(case("done", 25), 25)],
        running=[(case("half", 10), 5)],
        waiting=[case("next", 10)] * 4,
    )
    # Thirty seconds of cases in twenty.
    assert progress.seconds_left(PLACES) == pytest.approx(45 / 1.5)


def test_an_estimate_on_a_machine_where_all_takes_twice_as_long() -> None:
    progress = Progress(
        elapsed=200,
        ended=[(case("done", 10), 20)] * 100,
        running=[],
        waiting=[case("next", 10)] * 100,
    )
    assert progress.seconds_left(PLACES) == pytest.approx(200, rel=0.05)


def test_a_case_over_its_time_tells_that_others_will_be() -> None:
    slow = [(case("late", 30), 90)] * 10
    progress = Progress(elapsed=90, ended=[], running=slow, waiting=[case("next", 30)])
    assert progress.seconds_left(PLACES) > 60


def test_the_longest_case_is_not_shared_among_places() -> None:
    progress = Progress(
        elapsed=10,
        ended=[(case("done", 90), 90)],
        running=[(case("long", 60), 10)],
        waiting=[],
    )
    assert progress.seconds_left(PLACES) == pytest.approx(50)


def test_those_that_measure_have_places_of_their_own() -> None:
    progress = Progress(elapsed=0, ended=[], running=[], waiting=[QUIET] * 4)
    assert progress.seconds_left(PLACES) == pytest.approx(
        4 * QUIET.scenario.seconds / 2
    )


def test_nothing_is_left_in_the_end() -> None:
    progress = Progress(elapsed=10, ended=[(PLAIN, 10)], running=[], waiting=[])
    assert progress.seconds_left(PLACES) == 0


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
