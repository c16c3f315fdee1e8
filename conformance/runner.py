"""Cases side by side, each in a worker process, and the report about them."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from conformance import schedule, worker
from conformance.attend import Attended, End
from conformance.harness.keys import KeyStore
from conformance.harness.lab import new_tag
from conformance.harness.netns import remove_all
from conformance.harness.remains import end_containers
from conformance.harness.scenario import Case
from conformance.processors import Processors
from conformance.report import (
    Outcome,
    Result,
    StatusLine,
    print_times,
    quote,
    report,
    summary,
)
from conformance.requirements import Requirements, strict
from conformance.schedule import Places, Progress

LOGS: Final = Path(__file__).resolve().parent / "logs"

#: So many failures may be accidents.
_ACCIDENTS: Final = 5
#: Seconds between two looks at all workers.
_POLL: Final = 0.1


def run(cases: Sequence[Case], *, jobs: int | None, keep: bool, times: bool) -> int:
    """Run the cases and print the report; the answer is the exit status."""
    session = _Session(keep)
    places = schedule.places(os.cpu_count() or 1, jobs)
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    results: list[Result] = []
    try:
        session.prepare(cases)
        # What forks share stays shared if nobody looks through it for garbage.
        gc.freeze()
        try:
            _Round(session, cases, places, results).play()
            _try_again(session, results)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    finally:
        session.close()
    if times:
        print_times(results)
    return summary(results, len(cases), time.monotonic() - started)


def _try_again(session: _Session, results: list[Result]) -> None:
    """Run the few cases that failed once more, alone.

    A busy machine, or a race of C tincd's own, can fail a case; what fails twice is
    wrong.  Many failures are no accident, and stay as they are.
    """
    failed = [i for i, each in enumerate(results) if each.outcome is Outcome.FAILED]
    if not 0 < len(failed) <= _ACCIDENTS or len(failed) == len(results):
        return
    print("once more, alone:", flush=True)
    for index in failed:
        again: list[Result] = []
        _Round(session, [results[index].case], schedule.places(1, 1), again).play()
        (results[index],) = again
        if strict():
            quote(results[index])


class _Round:
    """Cases that are run side by side, and their results as they come."""

    def __init__(
        self,
        session: _Session,
        cases: Sequence[Case],
        places: Places,
        results: list[Result],
    ) -> None:
        self._session = session
        self._places = places
        self._results = results
        self._waiting = schedule.in_order(cases)
        self._total = len(cases)
        self._running: list[_Running] = []
        self._started = time.monotonic()
        self._processors = Processors()
        self._status = StatusLine()

    def play(self) -> None:
        """Run all of them; an interrupt lets those that run tidy up."""
        try:
            while self._waiting or self._running:
                self._start()
                for result in self._ended():
                    self._add(result)
                self._status.show(self._now)
                time.sleep(_POLL)
        except KeyboardInterrupt:
            for each in self._running:
                each.attended.interrupt()
            while self._running:
                self._ended()
                time.sleep(_POLL)
            raise
        finally:
            self._status.clear()

    def _start(self) -> None:
        """Start what may start now."""
        while self._waiting:
            case = self._waiting[0]
            running = [each.case for each in self._running]
            if not self._places.admits(case, running, self._processors.idle()):
                return
            del self._waiting[0]
            refused = self._session.refused(case)
            if refused is not None:
                self._add(refused)
                continue
            self._running.append(self._session.start(case))
            self._processors.look_anew()

    def _ended(self) -> list[Result]:
        results = []
        for each in list(self._running):
            end = each.attended.poll()
            if end is not None:
                self._running.remove(each)
                results.append(self._session.result(each, end))
        return results

    def _add(self, result: Result) -> None:
        self._results.append(result)
        self._status.clear()
        report(result, f"[{len(self._results)}/{self._total}{self._left()}]")

    def _now(self) -> str:
        titles = ", ".join(each.case.title for each in self._running)
        count, waiting = len(self._running), len(self._waiting)
        return f"{count} running, {waiting} to come{self._left()}: {titles}"

    def _left(self) -> str:
        if not self._waiting and not self._running:
            return ""
        now = time.monotonic()
        progress = Progress(
            elapsed=now - self._started,
            ended=[
                (result.case, result.seconds)
                for result in self._results
                if result.seconds
            ],
            running=[
                (each.case, now - each.attended.started) for each in self._running
            ],
            waiting=self._waiting,
        )
        return f", {schedule.time_text(progress.seconds_left(self._places))} left"


class _Running(NamedTuple):
    """A case that runs, in what directory, and what its namespaces are called by."""

    case: Case
    attended: Attended
    directory: Path
    tag: str


class _Session:
    """One run of the suite: its directory, its keys, its place for logs."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._requirements = Requirements()
        self._directory = Path(tempfile.mkdtemp(prefix="tincd-conformance-"))
        self._keys = KeyStore(self._directory / "keys")

    def prepare(self, cases: Sequence[Case]) -> None:
        if any(self._requirements.missing_for(case) is None for case in cases):
            self._keys.fill()

    def refused(self, case: Case) -> Result | None:
        """Return what becomes of a case that cannot be run, None if it can."""
        missing = self._requirements.missing_for(case)
        if missing is not None:
            is_fatal = strict() and not case.scenario.extra
            outcome = Outcome.FAILED if is_fatal else Outcome.SKIPPED
            return Result(case, outcome, reason=missing)
        fault = self._requirements.fault_for(case)
        if fault is not None:
            return Result(case, Outcome.FAILED, reason=fault)
        return None

    def start(self, case: Case) -> _Running:
        """Start a case in a worker."""
        directory = self._directory / case.slug
        directory.mkdir()
        tag = new_tag()
        work = partial(worker.run, case, directory, self._keys, tag)
        attended = Attended(work, directory / "output.txt", case.scenario.limit)
        return _Running(case, attended, directory, tag)

    def result(self, ran: _Running, end: End) -> Result:
        """Judge a case whose worker has ended, and tidy up after it."""
        seconds = time.monotonic() - ran.attended.started
        left = [*end.left, *remove_all(ran.tag)]
        if ran.case.scenario.tools:
            left += end_containers(ran.directory)
        reason = _verdict(ran.directory) if end.status != worker.PASSED else ""
        if left:
            reason = f"{reason}\nleft behind: {', '.join(left)}".strip()
        outcome = Outcome.FAILED if reason else Outcome.PASSED
        logs = self._keep_logs(ran, outcome)
        return Result(ran.case, outcome, seconds, end.cpu, reason, logs)

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _keep_logs(self, ran: _Running, outcome: Outcome) -> Path | None:
        if outcome is Outcome.PASSED and not self._keep:
            shutil.rmtree(ran.directory)
            return None
        place = LOGS / f"{ran.case.slug}-{time.strftime('%Y%m%d-%H%M%S')}"
        place.parent.mkdir(exist_ok=True)
        shutil.move(ran.directory, place)
        return place


def _verdict(directory: Path) -> str:
    text = (directory / "output.txt").read_text(errors="replace")
    _, found, reason = text.rpartition(f"\n{worker.VERDICT}")
    if found:
        return reason.strip()
    return f"the case ended without a verdict: {text.strip()[-400:]}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
