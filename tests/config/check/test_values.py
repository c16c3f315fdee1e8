from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.config.samples import SUITES, config
from tincd_compat.config.check.findings import Report
from tincd_compat.config.check.values import check_settings, check_values
from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import Scope


def check(text: str, warnings: Sequence[str] = ()) -> tuple[list[str], Settings]:
    """Return what is said about a tinc.conf, and the settings that remain."""
    report = Report()
    good = check_values(config(text), Scope.OWN, report)
    suites = replace(SUITES, warnings=lambda *suite: warnings)
    settings = check_settings(good, "alpha", suites, report)
    return [str(finding) for finding in report.findings], settings


def test_values_that_are_refused_leave_the_default() -> None:
    text = "Cipher = rot13\nPort = 1\nMode = x\nMACLength = 99\nDigest = SHA1\n"
    lines, settings = check(text)
    assert [line.split(" (")[0] for line in lines] == [
        "tinc.conf:1: error: Unrecognized cipher type!",
        "tinc.conf:3: error: Invalid routing mode!",
        "tinc.conf:4: error: MAC length exceeds size of digest!",
    ]
    assert settings == Settings(name="alpha", port="1", port_set=True, digest="SHA1")


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        ("Blowfish is not available", 2),
        ("bf-cbc is not available", 2),
        ("SHA1 is not available", 3),
        ("MACLength = 0: forged", 1),
    ],
)
def test_where_a_warning_of_the_suite_belongs(warning: str, line: int) -> None:
    text = "MACLength = 0\nCipher = blowfish\nDigest = SHA1\n"
    lines, _ = check(text, [warning])
    assert lines == [f"tinc.conf:{line}: warning: {warning}"]


def test_a_warning_about_defaults_has_no_place() -> None:
    assert check("Port = 1", ["aes-256-cbc is not available"])[0] == []
