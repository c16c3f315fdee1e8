"""ConnectTo: the wait between attempts."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat import logs
from tincd_compat.control.outgoing import EARLY, Outgoing


def waits(outgoing: Outgoing, count: int) -> list[float]:
    """Fail so often, each time when that is planned; return the waits."""
    found, now = list[float](), 0.0
    for _ in range(count):
        found.append(outgoing.failed(now) - now)
        now += found[-1]
    return found


def test_after_a_pong_the_wait_starts_over() -> None:
    outgoing = Outgoing("beta")
    outgoing.failed(0)
    outgoing.failed(5)
    outgoing.rewind()
    assert outgoing.failed(100) == 105


def test_wait_grows_by_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outgoing = Outgoing("beta")
    assert waits(outgoing, 4) == [5, 10, 15, 20]
    assert outgoing.retry_at == 50
    assert caplog.record_tuples[:2] == [
        (
            "tincd.connections",
            logging.ERROR,
            "Could not set up a meta connection to beta",
        ),
        (
            "tincd.connections",
            logs.NOTICE,
            "Trying to re-establish outgoing connection in 5 seconds",
        ),
    ]


def test_an_early_attempt_takes_nothing_from_the_one_that_is_planned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    outgoing = Outgoing("beta")
    times = (0, 1.5, 3, 4.5, 13, 14.5)
    assert [outgoing.failed(now) for now in times] == [5, 5, 5, 14.5, 14.5, 29.5]
    assert [line.split()[-2] for line in caplog.messages[1::2]] == [
        *("5", "4", "2"),
        *("10", "2", "15"),
    ]
    outgoing.rewind()
    assert outgoing.failed(20) == 25


def test_an_early_look_at_an_unusable_host_file_is_an_early_attempt() -> None:
    outgoing = Outgoing("beta")
    assert outgoing.failed(0) == 5
    assert outgoing.failed(1, unusable=True) == 5
    assert outgoing.failed(5 - EARLY, unusable=True) == 5
    assert outgoing.failed(5, unusable=True) == 905


def test_unusable_host_file_waits_longest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outgoing = Outgoing("beta", max_timeout=300)
    assert outgoing.failed(0, unusable=True) == 300
    assert caplog.messages == [
        "Trying to re-establish outgoing connection in 300 seconds"
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 12, [5, 10, 12, 12]), (60, 900, [60, 65, 70, 75]), (7, 7, [7, 7, 7, 7])],
)
def test_wait_is_clamped(low: int, high: int, expected: list[int]) -> None:
    outgoing = Outgoing("beta", min_timeout=low, max_timeout=high)
    assert waits(outgoing, 4) == expected


@given(st.lists(st.sampled_from(["failed", "unusable", "rewind", "early"])))
def test_wait_stays_within_its_bounds(steps: list[str]) -> None:
    outgoing = Outgoing("beta", min_timeout=10, max_timeout=100)
    now = 0.0
    for step in steps:
        if step == "rewind":
            outgoing.rewind()
            assert outgoing.timeout == 0
        else:
            before, planned = outgoing.timeout, outgoing.retry_at
            if planned is not None:
                now = max(now, planned - 2 if step == "early" else planned)
            retry_at = outgoing.failed(now, unusable=step == "unusable")
            if planned is not None and now < planned:
                assert (retry_at, outgoing.timeout) == (planned, before)
            else:
                assert 10 <= retry_at - now <= 100
                assert outgoing.timeout >= before
