"""Times of the loop by the wall clock, which somebody may set."""

from __future__ import annotations

from tincd_compat.daemon.clock import TOLERANCE, Clock
from tincd_compat.observe.times import Time


class Clocks:
    def __init__(self) -> None:
        self.loop, self.wall, self.boot = 100.0, 1_700_000_000.0, 900.0
        self.clock = Clock(lambda: self.loop, lambda: self.wall, lambda: self.boot)

    def go(self, seconds: float) -> None:
        self.loop += seconds
        self.wall += seconds
        self.boot += seconds


def test_a_moment_is_shown_by_the_wall() -> None:
    clocks = Clocks()
    clocks.go(60)
    assert clocks.clock.wall(110.0) == Time(1_700_000_010.0)
    assert clocks.clock.wall(None) is None
    assert clocks.clock.now() == Time(1_700_000_060.0)


def test_a_moment_does_not_waver() -> None:
    clocks = Clocks()
    shown = clocks.clock.wall(110.0)
    clocks.wall += TOLERANCE * 0.9
    assert clocks.clock.wall(110.0) == shown
    assert clocks.clock.step is None


def test_a_clock_that_was_set_is_noticed() -> None:
    clocks = Clocks()
    clocks.go(5)
    clocks.wall -= 3600
    assert clocks.clock.wall(105.0) == Time(clocks.wall)
    assert clocks.clock.step == -3600
    assert clocks.clock.set_at == Time(clocks.wall)


def test_a_sleep_is_no_setting_of_the_clock() -> None:
    clocks = Clocks()
    clocks.wall += 3600
    clocks.boot += 3600
    assert clocks.clock.wall(100.0) == Time(clocks.wall)
    assert clocks.clock.step is None
