"""What a machine lacks for a case, and what becomes of the case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance import requirements, runner
from conformance.harness.kinds import ONE, Kind
from conformance.harness.lab import Lab
from conformance.harness.scenario import Case, Scenario
from conformance.report import Outcome


def play(lab: Lab, placement: object) -> None:
    raise AssertionError("it is not to be played")


SCENARIO = Scenario(name="x", summary="x", placements=ONE, play=play)


def outcome(monkeypatch: pytest.MonkeyPatch, scenario: Scenario) -> tuple[Outcome, str]:
    monkeypatch.setattr(requirements, "machine_problem", lambda: None)
    session = runner._Session(keep=False)
    try:
        refused = session.refused(Case(scenario, (Kind.C,)))
    finally:
        session.close()
    assert refused is not None
    return refused.outcome, refused.reason


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        (
            replace(SCENARIO, tools=("no-such-tool", "sh")),
            "not installed: no-such-tool",
        ),
        (
            replace(SCENARIO, libraries=("json", "no_such_library")),
            "no such library for Python: no_such_library",
        ),
    ],
)
def test_what_is_missing_fails_a_case_in_ci_alone(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, reason: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert outcome(monkeypatch, scenario) == (Outcome.SKIPPED, reason)
    monkeypatch.setenv("CI", "1")
    assert outcome(monkeypatch, scenario) == (Outcome.FAILED, reason)
    extra = replace(scenario, extra=True)
    assert outcome(monkeypatch, extra) == (Outcome.SKIPPED, reason)
