"""Work that is left when its turn is over, and goes on in the next."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tincd_compat.daemon.leftovers import BURST_TURN, Leftovers
from tincd_compat.tunnel.pipeline import Work

#: Origins: two sockets, and the device.
ONE, OTHER, DEVICE = 0, 1, None


class Day:
    """A clock that work moves, and a loop of which each turn is asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.planned: list[Callable[[], None]] = []
        self.events: list[str] = []
        self.leftovers = Leftovers(lambda: self.now, self.planned.append)
        self.leftovers.attach(
            lambda origin: self.events.append(f"hold {origin}"),
            lambda origin: self.events.append(f"release {origin}"),
        )

    def work(self, name: str, *seconds: float) -> Work:
        """Return work of so many steps."""
        for step in seconds:
            self.now += step
            self.events.append(name)
            if (yield):
                self.events.append(f"{name} has waited")
        self.events.append(f"{name} is done")

    def turn(self) -> None:
        planned, self.planned[:] = list(self.planned), []
        for each in planned:
            each()

    def heard(self) -> list[str]:
        events, self.events[:] = list(self.events), []
        return events


def test_what_is_short_is_done_at_once() -> None:
    day = Day()
    day.leftovers.run(DEVICE, day.work("a", *[BURST_TURN / 4] * 3))
    assert day.heard() == ["a", "a", "a", "a is done"]
    assert not day.planned
    assert not day.leftovers.holds(DEVICE)


def test_what_is_long_waits_for_further_turns() -> None:
    day = Day()
    day.leftovers.run(DEVICE, day.work("a", *[BURST_TURN] * 3))
    assert day.heard() == ["a", "hold None"]
    assert day.leftovers.holds(DEVICE)
    assert not day.leftovers.holds(ONE)
    day.turn()
    assert day.heard() == ["a has waited", "a"]
    day.turn()
    assert day.heard() == ["a has waited", "a"]
    day.turn()
    assert day.heard() == ["a has waited", "a is done", "release None"]
    assert not day.planned


def test_what_comes_later_waits_behind_it() -> None:
    day = Day()
    day.leftovers.run(ONE, day.work("a", BURST_TURN, 0))
    day.leftovers.run(ONE, day.work("b", 0, 0))
    assert day.heard() == ["a", "hold 0"]
    day.turn()
    heard = ["a has waited", "a", "a is done", "b", "b", "b is done", "release 0"]
    assert day.heard() == heard


def test_each_origin_has_a_turn() -> None:
    day = Day()
    for origin, name in ((ONE, "a"), (OTHER, "b"), (DEVICE, "c")):
        day.leftovers.run(origin, day.work(name, BURST_TURN, BURST_TURN))
    assert day.heard() == ["a", "hold 0", "b", "hold 1", "c", "hold None"]
    assert len(day.planned) == 1
    before = day.now
    day.turn()
    assert [event for event in day.heard() if event in "abc"] == ["a", "b", "c"]
    assert day.now - before == pytest.approx(3 * BURST_TURN)
    assert len(day.planned) == 1


def test_an_error_ends_its_own_work_only() -> None:
    def failing() -> Work:
        day.now += BURST_TURN
        yield
        raise ValueError("wrong")

    day = Day()
    day.leftovers.run(ONE, failing())
    day.leftovers.run(ONE, day.work("b"))
    day.leftovers.run(OTHER, day.work("c", BURST_TURN))
    day.heard()
    with pytest.raises(ValueError, match="wrong"):
        day.turn()
    # Whoever caught it goes on with the next turn.
    day.turn()
    heard = ["b is done", "release 0", "c has waited", "c is done", "release 1"]
    assert day.heard() == heard
    assert not day.planned


def test_closing_forgets_what_waits() -> None:
    day = Day()
    day.leftovers.run(ONE, day.work("a", BURST_TURN, BURST_TURN))
    day.heard()
    day.leftovers.close()
    day.turn()
    assert day.heard() == []
    assert not day.planned
