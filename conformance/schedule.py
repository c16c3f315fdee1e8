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
SPARE: Final = 0.05
#: Cases for each processor: on average a case uses a seventh of one.
_FEW: Final = 3
_MANY: Final = 7
_MINUTE: Final = 60
#: Seconds in which a run fills its places.
_EARLY: Final = 10.0
#: Seconds of cases that are believed to be as declared until others have been seen.
_BELIEVED: Final = 60.0


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
    """How far a run is: cases with the seconds that they took, or have run so far."""

    elapsed: float
    ended: Sequence[tuple[Case, float]]
    running: Sequence[tuple[Case, float]]
    waiting: Sequence[Case]

    def seconds_left(self, places: Places) -> float:
        """Estimate the rest by how many cases ran at once so far, and how slowly."""
        slowness = self._slowness()
        rests = [
            (case, max(0.0, case.scenario.seconds * slowness - age))
            for case, age in self.running
        ]
        rests += [(case, case.scenario.seconds * slowness) for case in self.waiting]
        quiet = sum(rest for case, rest in rests if case.scenario.quiet)
        others = sum(rest for _, rest in rests) - quiet
        at_once = self._at_once(places.many)
        # The longest one is not shared among places.
        longest = max((rest for _, rest in rests), default=0.0)
        left = others / at_once + quiet / min(at_once, places.quiet)
        return max(left, longest)

    def _slowness(self) -> float:
        """Return how much longer cases take here than their scenarios declare.

        Cases that run tell, too, once they are over their time; a run that has just
        begun takes it that all are as declared.
        """
        overdue = [
            (case, age) for case, age in self.running if age > case.scenario.seconds
        ]
        told = [*self.ended, *overdue]
        declared = _BELIEVED + sum(case.scenario.seconds for case, _ in told)
        return (_BELIEVED + sum(seconds for _, seconds in told)) / declared

    def _at_once(self, many: int) -> float:
        if self.elapsed < _EARLY:
            return many
        spent = sum(seconds for _, seconds in (*self.ended, *self.running))
        return max(1.0, spent / self.elapsed)


def time_text(seconds: float) -> str:
    """Return seconds as words: who waits wants minutes."""
    if seconds < _MINUTE:
        return "less than a minute"
    return f"about {seconds / _MINUTE:.0f} min"
