from __future__ import annotations

from pathlib import Path

import pytest

from tincd_compat import logs
from tincd_compat.config.check.findings import (
    Finding,
    FindingSeverity,
    Report,
    exit_status,
    summary,
)
from tincd_compat.config.parser import Entry
from tincd_compat.errors import ConfigError

ENTRY = Entry("Mode", "x", "tinc.conf", 1)


def finding(
    severity: FindingSeverity, file: str | None = "f", line: int | None = 1
) -> Finding:
    return Finding(file, line, severity, "text")


@pytest.mark.parametrize(
    ("severities", "status", "text"),
    [
        ([], 0, "no errors and no warnings"),
        ([FindingSeverity.INFO], 0, "no errors and no warnings"),
        ([FindingSeverity.INFO, FindingSeverity.WARNING], 1, "1 warning"),
        ([FindingSeverity.WARNING, FindingSeverity.WARNING], 1, "2 warnings"),
        ([FindingSeverity.ERROR, FindingSeverity.WARNING], 2, "1 error, 1 warning"),
        ([FindingSeverity.ERROR], 2, "1 error"),
    ],
)
def test_status_and_summary(
    severities: list[FindingSeverity], status: int, text: str
) -> None:
    findings = [finding(severity) for severity in severities]
    assert exit_status(findings) == status
    assert summary(findings) == text


@pytest.mark.parametrize(
    ("file", "line", "text"),
    [
        ("tinc.conf", 3, "tinc.conf:3: error: text"),
        ("tinc.conf", None, "tinc.conf: error: text"),
        (None, 2, "command line option 2: error: text"),
    ],
)
def test_the_line_of_a_finding(file: str | None, line: int | None, text: str) -> None:
    assert str(finding(FindingSeverity.ERROR, file, line)) == text


def test_for_programs() -> None:
    report = Report()
    report.warning(ENTRY, "text")
    report.info(Path("x"), "text")
    assert [found.as_dict() for found in report.findings] == [
        {
            "file": "tinc.conf",
            "line": 1,
            "severity": "warning",
            "message": "text",
            "variable": "Mode",
        },
        {
            "file": "x",
            "line": None,
            "severity": "info",
            "message": "text",
            "variable": None,
        },
    ]


def test_once_and_by_file_and_line() -> None:
    report = Report()
    report.error((Path("b"), 2), "one")
    report.error((Path("a"), 1), "two")
    report.error((Path("b"), 1), "three")
    report.error((Path("b"), 2), "one")
    assert [found.message for found in report.findings] == ["three", "one", "two"]


def test_log_lines_and_errors_become_findings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    report = Report()
    with report.blaming(ENTRY, FindingSeverity.WARNING):
        logs.always.error("bad %s in %s", "thing", ENTRY.place)
        logs.always.warning("odd in tinc.conf line 12")
        logs.always.info("not worth a word")
        raise ConfigError("impossible")
    assert [(found.severity, found.message) for found in report.findings] == [
        (FindingSeverity.WARNING, "bad thing"),
        (FindingSeverity.WARNING, "odd in tinc.conf line 12"),
        (FindingSeverity.WARNING, "impossible"),
    ]
    assert caplog.messages == []
    assert logs.always.propagate


def test_bugs_are_not_findings() -> None:
    with pytest.raises(ZeroDivisionError), Report().blaming(ENTRY):
        raise ZeroDivisionError
