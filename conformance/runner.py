"""Cases side by side, each in a worker process, and the report about them."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Final

from conformance import worker
from conformance.attend import Attended
from conformance.harness.keys import KeyStore
from conformance.harness.kinds import placement_text
from conformance.harness.lab import new_tag
from conformance.harness.netns import remove_all
from conformance.harness.scenario import Case
from conformance.requirements import Requirements, strict

ROOT: Final = Path(__file__).resolve().parent.parent
LOGS: Final = Path(__file__).resolve().parent / "logs"

#: So many failures may be accidents.
_ACCIDENTS: Final = 5
#: A comparison can differ everywhere; the report is for reading.
_REASON_LINES: Final = 20
#: Of each log where nobody can look at the files afterwards, without rows of tables.
_LOG_LINES: Final = 40
_ROW: Final = "]:  "


class Outcome(Enum):
    PASSED = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case; ``logs`` is set where they were kept."""

    case: Case
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    logs: Path | None = None


def run(cases: Sequence[Case], *, jobs: int, keep: bool) -> int:
    """Run the cases and print the report; the answer is the exit status."""
    session = _Session(keep)
    signal.signal(signal.SIGTERM, _interrupt)
    results: list[Result] = []
    try:
        session.prepare(cases)
        with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
            try:
                for result in pool.map(session.run, cases):
                    _report(result)
                    results.append(result)
                _try_again(session, results)
            except KeyboardInterrupt:
                session.stop()
                pool.shutdown(cancel_futures=True)
                print("interrupted", flush=True)
    finally:
        session.close()
    return _summary(results, len(cases))


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
        results[index] = session.run(results[index].case)
        _report(results[index])
        if strict():
            _quote(results[index])


class _Session:
    """One run of the suite: its directory, its keys, its place for logs."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._stopping = False
        self._requirements = Requirements()
        self._directory = Path(tempfile.mkdtemp(prefix="tincd-conformance-"))
        self._keys = self._directory / "keys"

    def prepare(self, cases: Sequence[Case]) -> None:
        if any(self._requirements.missing_for(case) is None for case in cases):
            KeyStore(self._keys).fill()

    def run(self, case: Case) -> Result:
        """Run one case in a worker, unless it cannot be run."""
        missing = self._requirements.missing_for(case)
        if missing is not None:
            outcome = Outcome.FAILED if strict() else Outcome.SKIPPED
            return Result(case, outcome, reason=missing)
        fault = self._requirements.fault_for(case)
        if fault is not None:
            return Result(case, Outcome.FAILED, reason=fault)
        if self._stopping:
            return Result(case, Outcome.SKIPPED, reason="interrupted")
        return self._work(case)

    def stop(self) -> None:
        """Let running workers tidy up, and start no more."""
        self._stopping = True

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _work(self, case: Case) -> Result:
        directory = self._directory / case.slug
        directory.mkdir()
        tag = new_tag()
        started = time.monotonic()
        attended = self._start(case, directory, tag)
        status = attended.wait(case.scenario.limit, lambda: self._stopping)
        left = [*attended.left, *remove_all(tag)]
        reason = _verdict(directory) if status != worker.PASSED else ""
        if left:
            reason = f"{reason}\nleft behind: {', '.join(left)}".strip()
        if self._stopping:
            return Result(case, Outcome.SKIPPED, reason="interrupted")
        outcome = Outcome.FAILED if reason else Outcome.PASSED
        logs = self._keep_logs(case, directory, outcome)
        return Result(case, outcome, time.monotonic() - started, reason, logs)

    def _start(self, case: Case, directory: Path, tag: str) -> Attended:
        argv = [sys.executable, "-m", "conformance", case.scenario.name]
        argv += ["--placement", placement_text(case.placement)]
        argv += ["--work", str(directory), "--keys", str(self._keys), "--tag", tag]
        return Attended(argv, directory / "output.txt", ROOT)

    def _keep_logs(self, case: Case, directory: Path, outcome: Outcome) -> Path | None:
        if outcome is Outcome.PASSED and not self._keep:
            shutil.rmtree(directory)
            return None
        place = LOGS / f"{case.slug}-{time.strftime('%Y%m%d-%H%M%S')}"
        place.parent.mkdir(exist_ok=True)
        shutil.move(directory, place)
        return place


def _verdict(directory: Path) -> str:
    text = (directory / "output.txt").read_text(errors="replace")
    _, found, reason = text.rpartition(f"\n{worker.VERDICT}")
    if found:
        return reason.strip()
    return f"the case ended without a verdict: {text.strip()[-400:]}"


def _report(result: Result) -> None:
    seconds = f"{result.seconds:6.1f} s" if result.seconds else " " * 8
    print(f"{result.outcome.value:<5}{result.case.title:<32}{seconds}", end="")
    first, *more = result.reason.splitlines() or [""]
    print(f"  {first}".rstrip())
    for line in more[:_REASON_LINES]:
        print(f"     {line}")
    if len(more) > _REASON_LINES:
        print(f"     ... and {len(more) - _REASON_LINES} lines more in output.txt")
    if result.logs is not None:
        print(f"     logs: {result.logs}")
    sys.stdout.flush()


def _quote(result: Result) -> None:
    """Print how the logs of a failed case end: what CI ran on is gone afterwards."""
    if result.logs is None or result.outcome is not Outcome.FAILED:
        return
    for path in (result.logs / "output.txt", *sorted(result.logs.rglob("*.log"))):
        print(f"     {path.relative_to(result.logs)} ends with:")
        lines = path.read_text(errors="replace").splitlines()
        for line in [line for line in lines if _ROW not in line][-_LOG_LINES:]:
            print(f"       {line}")
    sys.stdout.flush()


def _summary(results: Sequence[Result], wanted: int) -> int:
    outcomes = [result.outcome for result in results]
    passed, failed = outcomes.count(Outcome.PASSED), outcomes.count(Outcome.FAILED)
    # Cases that an interrupt kept from running were neither proved nor refuted.
    skipped = wanted - passed - failed
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or len(results) < wanted else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
