"""Floods of lines: what is written at once, what is counted, what is never left out."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat import logs
from tincd_compat.service.floods import (
    COUNT_EVERY,
    LINES_AT_ONCE,
    LINES_PER_SECOND,
    SAME_AT_ONCE,
    Gate,
)


def record(
    place: int = 1, level: int = logging.ERROR, logger: logging.Logger = logs.always
) -> logging.LogRecord:
    return logging.LogRecord(logger.name, level, "file.py", place, "", (), None)


def lines(told: list[tuple[int, str]]) -> list[str]:
    return [line for _, line in told]


def test_lines_that_differ_are_written_at_once() -> None:
    gate = Gate()
    for number in range(LINES_AT_ONCE):
        told = gate.admit(record(), f"{number}", 0.0)
        assert told == [(logging.ERROR, f"{number}")]


def test_one_place_writes_so_many_a_second() -> None:
    gate = Gate()
    written = [
        gate.admit(record(), f"{number}", 0.0) for number in range(LINES_AT_ONCE + 7)
    ]
    assert written[LINES_AT_ONCE:] == [[]] * 7
    assert gate.admit(record(place=2), "elsewhere", 0.0)
    told = lines(gate.admit(record(), "next", 1.0))
    assert told == ["(7 more lines like the next one were left out)", "next"]
    later = [gate.admit(record(), f"{number}", 1.0) for number in range(20)]
    assert sum(map(bool, later)) == LINES_PER_SECOND - 1


def test_what_was_left_out_is_told_when_nothing_follows() -> None:
    gate = Gate()
    for number in range(LINES_AT_ONCE + 2):
        gate.admit(record(), f"n{number}", 0.0)
    assert gate.overdue(COUNT_EVERY - 1) == []
    text = f"(2 lines were left out, the last of them: n{LINES_AT_ONCE + 1})"
    assert gate.overdue(COUNT_EVERY) == [(logging.ERROR, text)]
    assert gate.overdue(COUNT_EVERY) == gate.rest() == []


def test_the_same_line_becomes_a_count() -> None:
    gate = Gate()
    for _ in range(SAME_AT_ONCE):
        assert lines(gate.admit(record(), "again", 0.0)) == ["again"]
    for _ in range(412):
        assert gate.admit(record(), "again", 0.0) == []
    told = gate.admit(record(place=2), "else", 0.0)
    assert lines(told) == ["(last line repeated 412 times)", "else"]


def test_a_count_is_told_while_the_flood_goes_on() -> None:
    gate = Gate()
    told = []
    for tenth in range(1000):
        told += lines(gate.admit(record(), "again", tenth / 10))
    assert told.count("again") <= 3 * SAME_AT_ONCE
    counts = [line for line in told if line != "again"]
    assert 3 <= len(counts) <= 10
    assert "(last line repeated 101 times)" in counts


def test_a_line_now_and_then_is_always_written() -> None:
    gate = Gate()
    for second in range(0, 1000, 5):
        assert lines(gate.admit(record(), "again", float(second))) == ["again"]


@pytest.mark.parametrize(
    "asked",
    [record(level=logging.DEBUG), record(logger=logs.status, level=logging.ERROR)],
)
def test_what_was_asked_for_is_never_left_out(asked: logging.LogRecord) -> None:
    gate = Gate()
    for _ in range(LINES_AT_ONCE + 5):
        assert lines(gate.admit(asked, "row", 0.0)) == ["row"]


def test_a_line_between_ends_a_run() -> None:
    gate = Gate()
    told = []
    for _ in range(SAME_AT_ONCE + 1):
        told += lines(gate.admit(record(), "again", 0.0))
    told += lines(gate.admit(record(level=logging.DEBUG), "row", 0.0))
    assert told[-2:] == ["(last line repeated once)", "row"]
    assert lines(gate.admit(record(), "again", 0.0)) == ["again"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2), st.sampled_from("ab"), st.sampled_from((0.0, 0.1, 9.0))
        ),
        max_size=200,
    )
)
def test_nothing_is_lost_without_a_count(steps: list[tuple[int, str, float]]) -> None:
    gate, now, told = Gate(), 0.0, []
    for place, line, pause in steps:
        now += pause
        told += lines(gate.admit(record(place), line, now))
    told += lines(gate.rest())
    seen = 0
    for line in told:
        words = line.strip("()").split()
        if line in "ab" or words[-1] == "once":
            seen += 1
        else:
            seen += int(next(word for word in words if word.isdigit()))
    assert seen == len(steps)
