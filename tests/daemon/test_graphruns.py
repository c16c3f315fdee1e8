"""When the graph runs."""

from __future__ import annotations

from tests.daemon.deferring import Clock
from tincd_compat.daemon.graphruns import BREATH, MANY, GraphRuns
from tincd_compat.mesh.backoff import (
    HOLD_DOWN,
    LONG_DELAY,
    LONGEST_DELAY,
    SHORT_DELAY,
    TIME_TO_LEARN,
)


class Runs(GraphRuns):
    """Writes down when the graph ran."""

    def __init__(self, deferring: bool = True) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        #: Seconds that a run takes.
        self.slow = 0.0
        later = self.clock.call_later if deferring else None
        super().__init__(self._note, self.clock.time, later)

    def _note(self) -> None:
        self.times.append(round(self.clock.now - 1000, 3))
        self.clock.now += self.slow

    def batch(self, *losses: bool) -> None:
        for loss in losses:
            self.change(loss=loss)
        self.batch_done()


def test_one_run_serves_a_batch() -> None:
    runs = Runs()
    runs.batch(False, False, False)
    assert runs.times == [0]
    assert runs.count == 1


def test_a_turn_in_which_many_came_is_not_made_longer_by_a_run() -> None:
    runs = Runs()
    runs.change(loss=False, flips=MANY)
    runs.change(loss=False, flips=1)
    runs.batch_done()
    assert runs.times == []
    runs.clock.sleep(BREATH)
    assert runs.times == [BREATH]
    runs.clock.sleep(HOLD_DOWN)
    runs.change(loss=False, flips=MANY)
    runs.batch_done()
    assert len(runs.times) == 2
    # What is to take a path does not wait for that.
    runs.change(loss=False, detour=True, flips=MANY + 1)
    runs.settle_detours()
    assert len(runs.times) == 3


def test_nothing_changed_nothing_to_do() -> None:
    runs = Runs()
    runs.batch()
    runs.settle()
    runs.settle_losses()
    runs.clock.sleep(HOLD_DOWN)
    assert runs.times == []


def test_storm_shares_runs() -> None:
    runs = Runs()
    while runs.clock.now < 1000 + TIME_TO_LEARN:
        runs.batch(False)
        runs.clock.sleep(0.01)
    early = len(runs.times)
    assert early <= 2 + TIME_TO_LEARN / SHORT_DELAY
    while runs.clock.now < 1000 + TIME_TO_LEARN + 2:
        runs.batch(False)
        runs.clock.sleep(0.01)
    assert len(runs.times) - early <= 2 + 2 / LONG_DELAY
    assert runs.deferred == runs.count - 1 == len(runs.times) - 1


def test_last_change_of_a_storm_is_served_too() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    assert runs.times == [0]
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, SHORT_DELAY]
    runs.clock.sleep(HOLD_DOWN)
    runs.batch(False)
    assert runs.times[2:] == [SHORT_DELAY + HOLD_DOWN]


def test_loss_is_served_at_the_end_of_its_batch_even_in_a_storm() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    runs.batch(True, True, True)
    assert runs.times == [0, 0]
    assert not runs.losses
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0]
    assert runs.deferred == 0


def test_addition_after_a_loss_needs_a_run() -> None:
    runs = Runs()
    runs.change(loss=False)
    runs.settle_losses()
    assert runs.times == []
    runs.change(loss=True)
    runs.settle_losses()
    assert runs.times == [0]
    runs.settle_losses()
    assert runs.times == [0]


def test_ordered_run_is_never_put_off() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    runs.settle()
    assert runs.times == [0, 0]
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0]
    runs.batch(False)
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0, 2 * SHORT_DELAY]


def test_detour_waits_in_a_storm_but_never_long() -> None:
    runs = Runs()
    runs.slow = 1.0
    runs.batch(False)
    runs.clock.sleep(TIME_TO_LEARN)
    runs.batch(False)
    runs.change(loss=False, detour=True)
    assert (runs.losses, runs.detours) == (False, True)
    runs.settle_losses()
    runs.batch_done()
    before = len(runs.times)
    runs.clock.sleep(LONG_DELAY)
    assert len(runs.times) == before + 1
    assert not runs.detours
    runs.clock.sleep(LONGEST_DELAY)
    assert len(runs.times) == before + 1


def test_earlier_run_takes_the_place_of_a_later_one_only_once() -> None:
    runs = Runs()
    runs.slow = 1.0
    runs.batch(False)
    runs.clock.sleep(TIME_TO_LEARN)
    runs.batch(False)
    runs.change(loss=False, detour=True)
    runs.batch_done()
    runs.clock.sleep(LONG_DELAY)
    before = len(runs.times)
    runs.batch(False)
    runs.clock.sleep(LONGEST_DELAY - LONG_DELAY - 0.01)
    assert len(runs.times) == before
    runs.clock.sleep(LONG_DELAY + 0.02)
    assert len(runs.times) == before + 1


def test_lone_detour_is_taken_at_once() -> None:
    runs = Runs()
    runs.change(loss=False, detour=True)
    runs.batch_done()
    assert runs.times == [0]


def test_batches_without_news_do_not_prolong_a_storm() -> None:
    runs = Runs()
    runs.batch(False)
    for _ in range(3):
        runs.clock.sleep(HOLD_DOWN / 2)
        runs.batch()
    runs.batch(False)
    assert runs.times == [0, 1.5 * HOLD_DOWN]


def test_without_a_timer_every_batch_has_its_run() -> None:
    runs = Runs(deferring=False)
    runs.batch(False)
    runs.batch(False)
    runs.batch()
    assert runs.times == [0, 0]
