"""Waiting with a limit, and saying how long it took.

A fixed sleep is either too short on a busy machine or wasted on an idle one, so every
wait here polls. The printed durations make a slow drift visible long before a limit is
reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Seconds for what takes a moment, but not on a machine that is busy: a limit that only
#: ends what hangs.
SOON: Final = 30.0


class Failed(Exception):
    """The daemons did not do what the scenario demands; the text says what."""


def say(text: str) -> None:
    """Write one line of the case's own record, at once."""
    print(text, flush=True)


def wait_for(
    what: str, probe: Callable[[], T | None], limit: float, every: float = 0.05
) -> T:
    """Call ``probe`` until it answers something true, and return that.

    :param limit: seconds after which ``Failed`` is raised
    :param every: seconds between two calls
    """
    started = time.monotonic()
    while True:
        answer = probe()
        took = time.monotonic() - started
        if answer:
            say(f"  {took:6.2f} s  {what}")
            return answer
        if took > limit:
            raise Failed(f"not within {limit:g} s: {what}")
        time.sleep(every)


def holds(
    what: str, probe: Callable[[], bool], seconds: float, every: float = 0.1
) -> None:
    """Demand that ``probe`` stays true for so many seconds."""
    started = time.monotonic()
    while (took := time.monotonic() - started) < seconds:
        if not probe():
            raise Failed(f"only for {took:.2f} s of {seconds:g} s: {what}")
        time.sleep(every)
    say(f"  {seconds:6.2f} s  held: {what}")
