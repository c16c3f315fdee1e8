"""What becomes of scripts, remembered for operators."""

from __future__ import annotations

import pytest

from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.scriptresults import REMEMBERED, ScriptResults
from tincd_compat.observe.events import Events
from tincd_compat.observe.words import ScriptResult


class Noted:
    def __init__(self) -> None:
        self.now = 1000.0
        self.events = Events()
        clock = Clock(lambda: self.now, lambda: self.now, lambda: self.now)
        self.results = ScriptResults(self.events, clock)

    def told(self) -> list[str | None]:
        return [event.reason for event in self.events.since()]


@pytest.mark.parametrize(
    ("status", "result", "words"),
    [
        (0, ScriptResult.OK, "exit status 0"),
        (3, ScriptResult.FAILED, "exit status 3"),
        (-9, ScriptResult.SIGNALLED, "Killed"),
    ],
)
def test_the_end_of_a_script(status: int, result: ScriptResult, words: str) -> None:
    noted = Noted()
    noted.results.began("hosts/beta-up", 7)
    [running] = noted.results.views()
    assert (running.running_since, running.result) == (1000.0, None)
    noted.now += 7
    noted.results.ended("hosts/beta-up", 7, status)
    [view] = noted.results.views()
    assert (view.result, view.text, view.ended) == (result, words, 1007.0)
    assert view.running_since is None
    [runs] = noted.results.runs()
    assert (runs.script, runs.result, runs.count) == ("hosts/NAME-up", result, 1)
    failed = [] if status == 0 else [result]
    assert noted.told() == failed
    assert [event.facts["seconds"] for event in noted.events.since()] == [7] * len(
        failed
    )


def test_a_script_that_cannot_be_started() -> None:
    noted = Noted()
    noted.results.not_started("tinc-up")
    [view] = noted.results.views()
    assert view.result is ScriptResult.NOT_STARTED
    assert noted.told() == ["not-started"]


def test_a_script_that_takes_long_goes_on_all_the_same() -> None:
    noted = Noted()
    noted.results.began("tinc-up", 7)
    noted.now += 31
    noted.results.overdue("tinc-up", 7)
    [view] = noted.results.views()
    assert view.running_since is not None
    assert noted.told() == ["overdue"]
    assert [event.facts["seconds"] for event in noted.events.since()] == [31]


def test_two_runs_of_a_script_have_a_time_each() -> None:
    noted = Noted()
    noted.results.began("subnet-up", 7)
    noted.now += 61
    noted.results.overdue("subnet-up", 7)
    noted.results.began("subnet-up", 8)
    noted.now += 2
    noted.results.ended("subnet-up", 7, 1)
    [view] = noted.results.views()
    assert (view.ended, view.running_since) == (1063.0, 1061.0)
    noted.now += 3
    noted.results.ended("subnet-up", 8, 1)
    [view] = noted.results.views()
    assert (view.ended, view.running_since) == (1066.0, None)
    told = [event.facts["seconds"] for event in noted.events.since()]
    assert told == [61, 63, 5]


def test_those_that_are_left_out_are_counted_only() -> None:
    noted = Noted()
    for _ in range(1000):
        noted.results.left_out("subnet-up")
    [runs] = noted.results.runs()
    assert (runs.result, runs.count) == (ScriptResult.LEFT_OUT, 1000)
    assert noted.told() == []


def test_the_last_ones_are_remembered() -> None:
    noted = Noted()
    for number in range(REMEMBERED + 5):
        noted.results.began(f"hosts/n{number}-up", number)
        noted.results.ended(f"hosts/n{number}-up", number, 0)
    names = [view.name for view in noted.results.views()]
    assert len(names) == REMEMBERED
    assert names[-1] == f"hosts/n{REMEMBERED + 4}-up"
