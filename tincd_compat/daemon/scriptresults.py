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
from tincd_compat.observe.times import Time
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
        #: Since when each run goes on that has not ended, by the number of its process;
        #: the runner keeps these few.
        self._running: dict[int, Time] = {}

    def views(self) -> tuple[ScriptView, ...]:
        return tuple(self._last.values())

    def runs(self) -> Iterator[ScriptRuns]:
        """Yield how often scripts of each kind have ended in which way."""
        for (kind, result), count in self._counts.items():
            yield ScriptRuns(script=kind, result=result, count=count)

    # What a runner of scripts tells.

    def began(self, name: str, pid: int) -> None:
        now = self._clock.now()
        self._running[pid] = now
        self._remember(replace(self._last_of(name), running_since=now))

    def ended(self, name: str, pid: int, status: int) -> None:
        if status < 0:
            words = signal.strsignal(-status) or f"signal {-status}"
            result = ScriptResult.SIGNALLED
        elif status:
            result, words = ScriptResult.FAILED, f"exit status {status}"
        else:
            result, words = ScriptResult.OK, "exit status 0"
        seconds, last = self._seconds(pid), self._last.get(name)
        began = self._running.pop(pid, None)
        if last is not None:
            latest = last.running_since
            self._last[name] = replace(
                last,
                result=result,
                ended=self._clock.now(),
                text=words,
                # A later run of the script may be under way.
                running_since=None if latest == began else latest,
            )
        self._tell(name, result, words, seconds)

    def not_started(self, name: str) -> None:
        result, words = ScriptResult.NOT_STARTED, "could not be started"
        last = self._last_of(name)
        self._remember(
            replace(last, result=result, ended=self._clock.now(), text=words)
        )
        self._tell(name, result, words, 0.0)

    def overdue(self, name: str, pid: int) -> None:
        self._tell(name, ScriptResult.OVERDUE, "", self._seconds(pid))

    def left_out(self, name: str) -> None:
        """Count only: when that happens, it happens tens of thousands of times."""
        self._counts[kind_of(name), ScriptResult.LEFT_OUT] += 1

    def _last_of(self, name: str) -> ScriptView:
        return self._last.get(name) or ScriptView(name=name)

    def _remember(self, view: ScriptView) -> None:
        """Keep the view of a script, and the oldest of too many no longer."""
        self._last.pop(view.name, None)
        if len(self._last) >= REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[view.name] = view

    def _seconds(self, pid: int) -> float | None:
        """Return for how long a run goes on; None if it is not known."""
        began = self._running.get(pid)
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
