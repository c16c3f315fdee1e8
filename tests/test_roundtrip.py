"""Smoothing of round-trip times."""

from __future__ import annotations

import pytest

from tincd_compat.roundtrip import RoundTrip


def test_nothing_is_known_at_first() -> None:
    times = RoundTrip()
    assert (times.last, times.smoothed, times.variation) == (None, None, None)


def test_the_example_of_the_rfc() -> None:
    times = RoundTrip()
    times.add(0.2)
    assert (times.last, times.smoothed, times.variation) == (0.2, 0.2, 0.1)
    times.add(0.1)
    assert times.last == 0.1
    assert times.variation == pytest.approx(3 / 4 * 0.1 + 1 / 4 * 0.1)
    assert times.smoothed == pytest.approx(7 / 8 * 0.2 + 1 / 8 * 0.1)


def test_one_late_answer_is_not_believed_at_once() -> None:
    times = RoundTrip()
    for _ in range(20):
        times.add(0.01)
    times.add(1.0)
    assert times.smoothed == pytest.approx(0.01 + 0.99 / 8)
    times.forget()
    assert (times.last, times.smoothed, times.variation) == (None, None, None)
