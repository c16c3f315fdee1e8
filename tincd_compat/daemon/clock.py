"""The two clocks of the daemon: that of the loop, and the one on the wall."""

from __future__ import annotations

from collections.abc import Callable

from tincd_compat.observe.times import Time


class Clock:
    """Tells times of the loop by the wall, for whoever looks from outside."""

    def __init__(self, loop: Callable[[], float], wall: Callable[[], float]) -> None:
        self._loop = loop
        self._wall = wall

    def now(self) -> Time:
        return Time(self._wall())

    def wall(self, moment: float | None) -> Time | None:
        """Return a moment of the loop by the wall clock, as that is set now."""
        return None if moment is None else Time(self._wall() - self._loop() + moment)
