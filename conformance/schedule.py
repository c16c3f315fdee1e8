"""Which case is next, whether it may start now, and how long the rest will take.

Cases mostly wait, for timers of tinc's, so many can run side by side.  What limits them
is the processors: a case that has to wait for one misses deadlines.  So there are a few
cases at any time, and more only while processors have been idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conformance.harness.scenario import Case

#: Share of the time of all processors that has to be idle before one case more starts.
SPARE: Final = 0.1
#: Cases for each processor: on average a case uses a seventh of one.
_FEW: Final = 3
_MANY: Final = 7
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Places:
    """How many cases run side by side: ``few`` in any case, ``many`` at most.

    ``quiet`` are those that run while one of them measures.
    """

    few: int
    many: int
    quiet: int

    def admits(self, case: Case, running: Sequence[Case], idle: float) -> bool:
        """Tell whether a case may start beside others, at this idle share."""
        if any(each.scenario.quiet for each in (case, *running)):
            return len(running) < self.quiet
        return len(running) < (self.many if idle >= SPARE else self.few)


def places(processors: int, most: int | None = None) -> Places:
    """Return the places of a machine, ``most`` if somebody has said so."""
    many = processors * _MANY if most is None else max(1, most)
    few, quiet = min(processors * _FEW, many), min(processors, many)
    return Places(few=few, many=many, quiet=quiet)


def in_order(cases: Sequence[Case]) -> list[Case]:
    """Longest first, so that none is left alone at the end; then those in quiet."""
    return sorted(cases, key=lambda case: (case.scenario.quiet, -case.scenario.seconds))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; seconds of cases are those that their scenarios declare.

    ``running`` has the cases with the seconds since each was started.
    """

    elapsed: float
    ended: Sequence[Case]
    running: Sequence[tuple[Case, float]]
    waiting: Sequence[Case]

    def seconds_left(self, at_once: int) -> float:
        """Estimate the rest at the pace that the run has had so far.

        :param at_once: cases side by side, for as long as there is no pace yet
        """
        rests = [max(0.0, case.scenario.seconds - age) for case, age in self.running]
        rests += [case.scenario.seconds for case in self.waiting]
        done = sum(case.scenario.seconds for case in self.ended)
        done += sum(min(age, case.scenario.seconds) for case, age in self.running)
        pace = done / self.elapsed if done and self.elapsed else at_once
        # The longest one is not shared among places.
        return max(sum(rests) / pace, *rests, 0.0)


def time_text(seconds: float) -> str:
    """Return seconds as words: who waits wants minutes."""
    if seconds < _MINUTE:
        return "less than a minute"
    return f"about {seconds / _MINUTE:.0f} min"
