"""The clocks of the daemon: the loop's, the one on the wall, and the machine's.

A time of the loop is shown by the wall clock.  So that it does not change by a
microsecond with each look, what lies between both clocks is kept until the wall clock
is set, or the machine has slept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tincd_compat.observe.times import Time

#: Seconds by which the difference of two clocks may change unnoticed.
TOLERANCE: Final = 0.5


class Clock:
    """The wall clock at moments of the loop, for what operators see.

    ``boot`` goes on while the machine sleeps, as the wall clock does.
    """

    def __init__(
        self,
        loop: Callable[[], float],
        wall: Callable[[], float],
        boot: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._wall = wall
        self._boot = boot
        self._offset = wall() - loop()
        self._since_boot = wall() - boot()
        #: By how many seconds the wall clock was set last, and when; None if never.
        self.step: float | None = None
        self.set_at: Time | None = None

    def now(self) -> Time:
        return Time(self._wall())

    def wall(self, moment: float | None) -> Time | None:
        """Return a moment of the loop by the wall clock, as that is set now."""
        if moment is None:
            return None
        self.check()
        return Time(self._offset + moment)

    def check(self) -> None:
        """Notice that the wall clock was set, or that the machine has slept."""
        now = self._wall()
        offset = now - self._loop()
        if abs(offset - self._offset) <= TOLERANCE:
            return
        self._offset = offset
        since_boot = now - self._boot()
        step = since_boot - self._since_boot
        if abs(step) > TOLERANCE:
            self._since_boot = since_boot
            self.step, self.set_at = step, Time(now)
