"""Results of scripts: the last run of each, and counts by result.

A script of a node is remembered under the name of its file.  Members decide how many
nodes there are, so only the last ones are.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tincd_compat.daemon.clock import Clock
from tincd_compat.observe.events import Events
from tincd_compat.observe.summary import ScriptRuns
from tincd_compat.observe.views import ScriptView
from tincd_compat.observe.words import EventKind, ScriptResult
from tincd_compat.service.scripts import kind_of

#: Scripts whose last run is remembered.
REMEMBERED: Final = 64


class ScriptResults:
    """Results of runs; a run that went well is no event."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._last: dict[str, ScriptView] = {}
        self._counts: Counter[tuple[str, ScriptResult]] = Counter()

    def views(self) -> tuple[ScriptView, ...]:
        return tuple(self._last.values())

    def runs(self) -> Iterator[ScriptRuns]:
        """Yield how often scripts of each kind have ended in which way."""
        for (kind, result), count in self._counts.items():
            yield ScriptRuns(script=kind, result=result, count=count)

    # What a runner of scripts tells.

    def began(self, name: str) -> None:
        last = self._last.pop(name, None) or ScriptView(name=name)
        if len(self._last) >= REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[name] = replace(last, running_since=self._clock.now())

    def ended(self, name: str, status: int) -> None:
        if status < 0:
            words = signal.strsignal(-status) or f"signal {-status}"
            self._note(name, ScriptResult.SIGNALLED, words)
        elif status:
            self._note(name, ScriptResult.FAILED, f"exit status {status}")
        else:
            self._note(name, ScriptResult.OK, "exit status 0")

    def not_started(self, name: str) -> None:
        self.began(name)
        self._note(name, ScriptResult.NOT_STARTED, "could not be started")

    def overdue(self, name: str) -> None:
        self._tell(name, ScriptResult.OVERDUE, "", self._seconds(name))

    def left_out(self, name: str) -> None:
        """Count only: when that happens, it happens tens of thousands of times."""
        self._counts[kind_of(name), ScriptResult.LEFT_OUT] += 1

    def _note(self, name: str, result: ScriptResult, words: str) -> None:
        now, last = self._clock.now(), self._last.get(name)
        seconds = self._seconds(name)
        if last is not None:
            self._last[name] = replace(
                last, result=result, ended=now, text=words, running_since=None
            )
        self._tell(name, result, words, seconds)

    def _seconds(self, name: str) -> float | None:
        """Return for how long a script runs; None if it does not, as far as known."""
        last = self._last.get(name)
        began = None if last is None else last.running_since
        return None if began is None else round(self._clock.now() - began, 1)

    def _tell(
        self, name: str, result: ScriptResult, words: str, seconds: float | None
    ) -> None:
        self._counts[kind_of(name), result] += 1
        if result is not ScriptResult.OK:
            self._events.add(
                *(self._clock.now(), EventKind.SCRIPT, None, result),
                script=name,
                seconds=seconds,
                words=words,
            )
