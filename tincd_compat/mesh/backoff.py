"""Delays of graph runs that no other message depends on, after RFC 8405.

A lone change has its run at once, and so has the first change of a storm.  Further
changes share runs: at first with a short delay, later with a long one if the storm does
not end.  After a time without changes the state is the first one again.

::

    QUIET -- change --> SHORT_WAIT -- time to learn is over --> LONG_WAIT
      ^                     |                                       |
      +-- hold-down over ---+---------------------------------------+

The RFC's example has 50, 200 and 5000 ms for routers that tell each other little.  A
tincd hears of every node that comes and goes and its users wait for that, so here the
delays begin at 0, and the longest is reached only where a run is that expensive.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

#: Delays in seconds until the run that serves a change, by state.
INITIAL_DELAY: Final = 0.0
SHORT_DELAY: Final = 0.05
LONG_DELAY: Final = 0.2
#: In LONG_WAIT a run may take this share of the time at most, up to the longest delay.
RUN_SHARE: Final = 0.1
LONGEST_DELAY: Final = 5.0
#: Seconds from the first change on in which a single event should have become known.
TIME_TO_LEARN: Final = 0.5
#: Seconds without a change after which the storm is over.
HOLD_DOWN: Final = 10.0


class BackoffState(Enum):
    """How often changes have come lately."""

    QUIET = "a lone change"
    SHORT_WAIT = "the rest of a single event"
    LONG_WAIT = "a storm"


class Backoff:
    """The state machine; times are monotonic seconds and never go back.

    Its two timers are deadlines, looked at when the next change comes.
    """

    def __init__(self) -> None:
        self._state = BackoffState.QUIET
        self._learned_at = 0.0
        self._quiet_at = 0.0
        self._long_delay = LONG_DELAY

    def state(self, now: float) -> BackoffState:
        """Return the state, after the timers that have run out by now."""
        if now >= self._quiet_at:
            self._state = BackoffState.QUIET
        elif self._state is BackoffState.SHORT_WAIT and now >= self._learned_at:
            self._state = BackoffState.LONG_WAIT
        return self._state

    def change(self, now: float) -> float:
        """Note a change; return the delay of its graph run in seconds.

        A run that is planned already serves this change too, and is not put off.
        """
        state = self.state(now)
        self._quiet_at = now + HOLD_DOWN
        if state is BackoffState.QUIET:
            self._state = BackoffState.SHORT_WAIT
            self._learned_at = now + TIME_TO_LEARN
            return INITIAL_DELAY
        return SHORT_DELAY if state is BackoffState.SHORT_WAIT else self._long_delay

    def ran(self, seconds: float) -> None:
        """Note how long a run has taken."""
        wanted = seconds / RUN_SHARE
        self._long_delay = min(max(wanted, LONG_DELAY), LONGEST_DELAY)
