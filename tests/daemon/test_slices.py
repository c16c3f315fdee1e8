"""Long work gives way to the loop, in order, and once for many who ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tincd_compat.daemon.slices import LATER, SLICE, Slices, at_once


class Turns:
    """A loop whose clock goes on by ``step`` whenever somebody looks at it."""

    def __init__(self, step: float = SLICE / 4, share: float = 1.0) -> None:
        self.step = step
        self.now = 0.0
        self.planned: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.pauses: list[float] = []
        self.slices = Slices(self.clock, self.planned.append, self.later, share)

    def clock(self) -> float:
        self.now += self.step
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self.planned.append(call)

    def work(self, name: str, steps: int) -> Iterator[None]:
        for number in range(steps):
            self.done.append(f"{name}{number}")
            yield

    def turn(self) -> None:
        (call,) = self.planned
        self.planned.clear()
        call()

    def run(self) -> int:
        """Turn until nothing is planned; return how often."""
        turns = 0
        while self.planned:
            self.turn()
            turns += 1
        return turns


def test_work_that_is_worth_less_has_less_of_a_turn() -> None:
    turns = Turns(step=SLICE / 16, share=1 / 4)
    turns.slices.begin("a", turns.work("a", 100))
    assert 0 < len(turns.done) <= 4
    turns.run()
    assert len(turns.done) == 100


def test_short_work_is_done_at_once() -> None:
    turns = Turns()
    turns.slices.begin("a", turns.work("a", 2))
    assert turns.done == ["a0", "a1"]
    assert turns.run() == 1


def test_a_step_can_leave_the_others_to_the_next_turn() -> None:
    turns = Turns()

    def work() -> Iterator[object]:
        yield LATER
        yield from turns.work("a", 2)

    turns.slices.begin("a", work())
    assert (turns.done, turns.pauses) == ([], [])
    turns.turn()
    assert turns.done == ["a0", "a1"]


def test_no_slice_is_longer_than_it_may_be() -> None:
    turns = Turns()
    began = turns.now
    turns.slices.begin("a", turns.work("a", 100))
    while turns.planned:
        assert turns.now - began < SLICE + 2 * turns.step
        began = turns.now
        turns.turn()
    assert len(turns.done) == 100


def test_a_step_is_done_in_every_turn_however_slow_the_machine() -> None:
    turns = Turns(step=2 * SLICE)
    turns.slices.begin("a", turns.work("a", 5))
    for steps in range(1, 5):
        assert len(turns.done) == steps
        turns.turn()
    assert len(turns.done) == 5


def test_much_short_work_shares_the_time_of_a_turn() -> None:
    turns = Turns()
    for number in range(100):
        turns.slices.begin(f"{number}", turns.work(f"{number}-", 1))
    assert 0 < len(turns.done) < 10
    turns.run()
    assert turns.done == [f"{number}-0" for number in range(100)]


def test_work_is_done_one_after_the_other() -> None:
    turns = Turns()
    for name in "ab":
        turns.slices.begin(name, turns.work(name, 6))
    turns.run()
    assert turns.done == [f"{name}{number}" for name in "ab" for number in range(6)]


def test_work_that_waits_gives_way_to_newer_work_of_its_subject() -> None:
    turns = Turns()
    for name in "abcd":
        turns.slices.begin("same", turns.work(name, 6))
    turns.run()
    assert turns.done == [f"{name}{number}" for name in "ad" for number in range(6)]


def test_work_may_begin_work() -> None:
    turns = Turns()

    def outer() -> Iterator[None]:
        turns.slices.begin("inner", turns.work("inner", 2))
        turns.done.append("outer")
        yield

    turns.slices.begin("outer", outer())
    turns.run()
    assert turns.done == ["outer", "inner0", "inner1"]


def test_work_that_fails_does_not_stop_what_waits() -> None:
    turns = Turns()

    def bad() -> Iterator[None]:
        yield from turns.work("bad", 6)
        raise ZeroDivisionError

    turns.slices.begin("bad", bad())
    turns.slices.begin("good", turns.work("good", 1))
    with pytest.raises(ZeroDivisionError):
        turns.run()
    turns.run()
    assert turns.done[-1] == "good0"
    turns.slices.begin("next", turns.work("next", 1))
    assert turns.done[-1] == "next0"


def test_work_may_want_a_pause() -> None:
    turns = Turns()

    def patient() -> Iterator[float | None]:
        yield from turns.work("before", 1)
        yield 0.5
        yield from turns.work("after", 1)

    turns.slices.begin("patient", patient())
    assert (turns.done, turns.pauses) == (["before0"], [0.5])
    turns.slices.begin("other", turns.work("other", 1))
    assert turns.done == ["before0"]
    turns.run()
    assert turns.done == ["before0", "after0", "other0"]


def test_what_is_dropped_is_not_done() -> None:
    turns = Turns()
    for name in "ab":
        turns.slices.begin(name, turns.work(name, 6))
    turns.slices.drop()
    before = turns.done[:]
    turns.run()
    assert turns.done == before
    turns.slices.begin("c", turns.work("c", 1))
    assert turns.done[-1] == "c0"


def test_without_a_loop_all_is_done_at_once() -> None:
    turns = Turns()
    at_once("a", turns.work("a", 100))
    assert len(turns.done) == 100
