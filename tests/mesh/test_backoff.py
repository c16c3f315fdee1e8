"""Every state of the back-off with everything that can happen in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.mesh.backoff import (
    HOLD_DOWN,
    INITIAL_DELAY,
    LONG_DELAY,
    LONGEST_DELAY,
    SHORT_DELAY,
    TIME_TO_LEARN,
    Backoff,
    BackoffState,
)

START = 1000.0
#: Less than any delay or timer.
MOMENT = 0.001


def backoff_in(state: BackoffState) -> tuple[Backoff, float]:
    """Return a machine in that state and the time of its last change."""
    backoff, now = Backoff(), START
    if state is not BackoffState.QUIET:
        backoff.change(now)
    if state is BackoffState.LONG_WAIT:
        now += TIME_TO_LEARN
        backoff.change(now)
    assert backoff.state(now) is state
    return backoff, now


def change(backoff: Backoff, now: float) -> tuple[BackoffState, float | None]:
    delay = backoff.change(now + MOMENT)
    return backoff.state(now + MOMENT), delay


def learned(backoff: Backoff, now: float) -> tuple[BackoffState, float | None]:
    return backoff.state(now + TIME_TO_LEARN), None


def held_down(backoff: Backoff, now: float) -> tuple[BackoffState, float | None]:
    return backoff.state(now + HOLD_DOWN), None


def nothing(backoff: Backoff, now: float) -> tuple[BackoffState, float | None]:
    return backoff.state(now + MOMENT), None


Event = Callable[[Backoff, float], tuple[BackoffState, float | None]]


@pytest.mark.parametrize(
    ("state", "event", "following", "delay"),
    [
        (BackoffState.QUIET, change, BackoffState.SHORT_WAIT, INITIAL_DELAY),
        (BackoffState.QUIET, learned, BackoffState.QUIET, None),
        (BackoffState.QUIET, held_down, BackoffState.QUIET, None),
        (BackoffState.QUIET, nothing, BackoffState.QUIET, None),
        (BackoffState.SHORT_WAIT, change, BackoffState.SHORT_WAIT, SHORT_DELAY),
        (BackoffState.SHORT_WAIT, learned, BackoffState.LONG_WAIT, None),
        (BackoffState.SHORT_WAIT, held_down, BackoffState.QUIET, None),
        (BackoffState.SHORT_WAIT, nothing, BackoffState.SHORT_WAIT, None),
        (BackoffState.LONG_WAIT, change, BackoffState.LONG_WAIT, LONG_DELAY),
        (BackoffState.LONG_WAIT, learned, BackoffState.LONG_WAIT, None),
        (BackoffState.LONG_WAIT, held_down, BackoffState.QUIET, None),
        (BackoffState.LONG_WAIT, nothing, BackoffState.LONG_WAIT, None),
    ],
)
def test_every_event_in_every_state(
    state: BackoffState, event: Event, following: BackoffState, delay: float | None
) -> None:
    assert event(*backoff_in(state)) == (following, delay)


@pytest.mark.parametrize("state", [BackoffState.SHORT_WAIT, BackoffState.LONG_WAIT])
def test_a_change_begins_the_hold_down_anew(state: BackoffState) -> None:
    backoff, now = backoff_in(state)
    later = now + HOLD_DOWN - MOMENT
    backoff.change(later)
    assert backoff.state(later + HOLD_DOWN - MOMENT) is BackoffState.LONG_WAIT
    assert backoff.state(later + HOLD_DOWN) is BackoffState.QUIET


def test_a_change_does_not_prolong_the_time_to_learn() -> None:
    backoff, now = backoff_in(BackoffState.SHORT_WAIT)
    backoff.change(now + TIME_TO_LEARN - MOMENT)
    assert backoff.change(now + TIME_TO_LEARN) == LONG_DELAY


def test_the_next_storm_begins_as_the_first() -> None:
    backoff, now = backoff_in(BackoffState.LONG_WAIT)
    later = now + HOLD_DOWN
    assert backoff.change(later) == INITIAL_DELAY
    assert backoff.change(later) == SHORT_DELAY


@pytest.mark.parametrize(
    ("seconds", "delay"), [(0.001, LONG_DELAY), (0.1, 1.0), (60.0, LONGEST_DELAY)]
)
def test_expensive_runs_are_further_apart(seconds: float, delay: float) -> None:
    backoff, now = backoff_in(BackoffState.LONG_WAIT)
    backoff.ran(seconds)
    assert backoff.change(now) == pytest.approx(delay)
    backoff.ran(0)
    assert backoff.change(now) == LONG_DELAY


@given(st.lists(st.floats(0, 2 * HOLD_DOWN), max_size=200))
def test_runs_are_rare_and_never_starved(gaps: list[float]) -> None:
    """Whatever comes when: a run within the longest delay, and only so many."""
    backoff, now, runs = Backoff(), START, 0
    due: float | None = None
    for gap in gaps:
        now += gap
        if due is not None and due <= now:
            runs, due = runs + 1, None
        delay = backoff.change(now)
        due = now + delay if due is None else due
        assert now <= due <= now + LONG_DELAY
    # One more for the rounding of many short delays.
    assert runs <= 2 + (now - START) / SHORT_DELAY
