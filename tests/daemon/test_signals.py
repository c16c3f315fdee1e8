"""Signals: at once, or when the daemon serves, or never."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from tincd_compat.daemon.signals import DEFERRED, Signals

_NUMBERS = (*DEFERRED, signal.SIGTERM, signal.SIGUSR1)


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("moment", ["start", "serving", "end"])
def test_when_a_signal_is_acted_upon(number: signal.Signals, moment: str) -> None:
    acted: list[signal.Signals] = []
    signals = Signals({each: partial(acted.append, each) for each in _NUMBERS})
    if moment != "start":
        signals.serve()
    if moment == "end":
        signals.end()
    signals.handlers()[number]()
    at_once = number not in DEFERRED or moment == "serving"
    assert acted == [number] * at_once
    if moment == "start":
        signals.serve()
        assert acted == [number]


def test_what_was_held_comes_once_and_in_order() -> None:
    acted: list[signal.Signals] = []
    signals = Signals({each: partial(acted.append, each) for each in _NUMBERS})
    for number in (*reversed(DEFERRED), *DEFERRED):
        signals.handlers()[number]()
    signals.serve()
    assert acted == list(DEFERRED)
