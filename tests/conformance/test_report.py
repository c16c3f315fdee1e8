"""Lines that the conformance suite prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.report import Outcome, Result, StatusLine, report, summary
from tests.conformance.test_schedule import case


def test_a_line_of_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    report(Result(case("dial"), Outcome.PASSED, 10.5), "[3/321, about 5 min left]")
    words = " ".join(capsys.readouterr().out.split())
    assert words == "ok dial (c) 10.5 s [3/321, about 5 min left]"


def test_a_line_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "first\n" + "more\n" * 30
    logs = Path("/logs/dial-c")
    report(Result(case("dial"), Outcome.FAILED, 1, 0, reason, logs), "[1/1]")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "FAIL dial (c) 1.0 s [1/1] first"
    assert lines[-2].strip() == "... and 10 lines more in output.txt"
    assert lines[-1].strip() == "logs: /logs/dial-c"


@pytest.mark.parametrize(
    ("outcomes", "wanted", "status", "line"),
    [
        ([Outcome.PASSED] * 2, 2, 0, "2 passed, 0 failed, 0 skipped"),
        ([Outcome.PASSED, Outcome.FAILED], 2, 1, "1 passed, 1 failed, 0 skipped"),
        ([Outcome.PASSED, Outcome.SKIPPED], 2, 0, "1 passed, 0 failed, 1 skipped"),
        ([Outcome.PASSED], 3, 1, "1 passed, 0 failed, 2 skipped"),
    ],
)
def test_the_last_line(
    outcomes: list[Outcome],
    wanted: int,
    status: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = [Result(case("dial"), outcome, 10, 2) for outcome in outcomes]
    assert summary(results, wanted, elapsed=5) == status
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_a_log_without_a_terminal_says_what_runs_where_it_would_be_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    status = StatusLine(lambda: now[0])
    for now[0] in range(0, 59, 3):
        status.show(lambda: "7 running")
    status.clear()
    for now[0] in range(60, 80, 3):
        status.show(lambda: "6 running")
    assert capsys.readouterr().out == "     7 running\n"
