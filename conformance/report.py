"""What the suite says: a line for each case, how far it is, what it took in the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from conformance.harness.scenario import Case

#: A comparison can differ everywhere; the report is for reading.
_REASON_LINES: Final = 20
#: Of each log where nobody can look at the files afterwards, without rows of tables.
_LOG_LINES: Final = 40
_ROW: Final = "]:  "
#: Seconds between two looks of who sits at a terminal; and those that a log of CI may
#: say nothing.
_REFRESH: Final = 0.5
_SILENCE: Final = 30.0


class Outcome(Enum):
    PASSED = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case; ``logs`` is set where they were kept.

    ``seconds`` it took, and ``cpu`` of them the processors worked for it.
    """

    case: Case
    outcome: Outcome
    seconds: float = 0.0
    cpu: float = 0.0
    reason: str = ""
    logs: Path | None = None


class StatusLine:
    """What runs: the last line of a terminal, else a line where nothing else is said.

    :param clock: returns seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown = ""
        self._last = clock()

    def show(self, text: Callable[[], str]) -> None:
        """Show what ``text`` returns, which is asked for it now and then."""
        now = self._clock()
        terminal = sys.stdout.isatty()
        if now - self._last < (_REFRESH if terminal else _SILENCE):
            return
        self._last = now
        if not terminal:
            print(f"     {text()}", flush=True)
            return
        line = text()[: shutil.get_terminal_size().columns - 1]
        if line != self._shown:
            self._erase()
            self._shown = line
            print(line, end="", flush=True)

    def clear(self) -> None:
        """Make room for a line that stays."""
        self._last = 0.0 if sys.stdout.isatty() else self._clock()
        self._erase()

    def _erase(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", flush=True)
            self._shown = ""


def report(result: Result, progress: str = "") -> None:
    """Print what became of a case, and how far the run is."""
    seconds = f"{result.seconds:6.1f} s" if result.seconds else " " * 8
    first, *more = result.reason.splitlines() or [""]
    words = f"{result.outcome.value:<5}{result.case.title:<32}{seconds}  {progress}"
    print(f"{words}  {first}".rstrip())
    for line in more[:_REASON_LINES]:
        print(f"     {line}")
    if len(more) > _REASON_LINES:
        print(f"     ... and {len(more) - _REASON_LINES} lines more in output.txt")
    if result.logs is not None:
        print(f"     logs: {result.logs}")
    sys.stdout.flush()


def quote(result: Result) -> None:
    """Print how the logs of a failed case end: what CI ran on is gone afterwards."""
    if result.logs is None or result.outcome is not Outcome.FAILED:
        return
    for path in (result.logs / "output.txt", *sorted(result.logs.rglob("*.log"))):
        print(f"     {path.relative_to(result.logs)} ends with:")
        lines = path.read_text(errors="replace").splitlines()
        for line in [line for line in lines if _ROW not in line][-_LOG_LINES:]:
            print(f"       {line}")
    sys.stdout.flush()


def print_times(results: Sequence[Result]) -> None:
    """Print what each case took beside what its scenario says that it takes."""
    print(f"{'':<5}{'':<32}{'taken':>8}{'declared':>10}{'CPU':>9}")
    for each in sorted(results, key=lambda result: -result.seconds):
        declared = each.case.scenario.seconds
        print(
            f"{'':<5}{each.case.title:<32}{each.seconds:6.1f} s"
            f"{declared:8.0f} s{each.cpu:7.1f} s"
        )


def summary(results: Sequence[Result], wanted: int, elapsed: float) -> int:
    """Print the last lines; the answer is the exit status."""
    outcomes = [result.outcome for result in results]
    passed, failed = outcomes.count(Outcome.PASSED), outcomes.count(Outcome.FAILED)
    # Cases that an interrupt kept from running were neither proved nor refuted.
    skipped = wanted - passed - failed
    cases = sum(result.seconds for result in results)
    cpu = sum(result.cpu for result in results)
    print(
        f"{elapsed:.0f} s; cases one by one {cases:.0f} s, of that {cpu:.0f} s of CPU"
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or len(results) < wanted else 0
