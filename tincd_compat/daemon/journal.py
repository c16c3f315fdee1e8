"""What happens in the daemon, noted for operators where the reason is known.

Each note is one call with values that are there anyway: words and sentences are made
when somebody reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from tincd_compat.daemon.clock import Clock
from tincd_compat.observe.events import Events
from tincd_compat.observe.words import EventKind


class Journal:
    """Puts what happens into the ring of events."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self.events = events
        self._clock = clock

    def started(self, version: str, pid: int) -> None:
        now = self._clock.now()
        self.events.add(now, EventKind.START, version=version, pid=pid)

    def reloaded(self, error: str | None, waiting: Sequence[str] = ()) -> None:
        """The configuration was read again, or is broken.

        ``waiting`` are the variables whose new values wait for the next start.
        """
        self.events.add(
            self._clock.now(),
            EventKind.RELOAD,
            ok=error is None,
            error=error,
            waiting=[*waiting],
        )
