"""Times and their text, held against the library's calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.observe.times import Time, parse, utc

SECONDS = st.integers(-62_135_596_800, 253_402_300_799)


@given(SECONDS, st.sampled_from([0.0, 0.25, 0.75]))
def test_text_is_that_of_the_calendar(seconds: int, part: float) -> None:
    expected = datetime.fromtimestamp(seconds, UTC).isoformat()
    assert utc(Time(seconds + part)) == expected.replace("+00:00", "Z")


@given(SECONDS)
def test_what_is_written_is_read(seconds: int) -> None:
    assert parse(utc(Time(seconds))) == Time(seconds)


def test_parts_of_a_second_are_read_and_left_out() -> None:
    assert parse("2026-11-30T02:47:31.999Z") == parse("2026-11-30T02:47:31Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-30",
        "2026-11-30T02:47:31",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-30T24:00:00Z",
        "2026-11-30T02:47:31Z\n",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-30T02:47:31Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse(text)


@pytest.mark.parametrize("time", [-1e18, 1e18])
def test_times_out_of_any_calendar_have_a_text(time: float) -> None:
    assert utc(Time(time)).endswith("Z")
