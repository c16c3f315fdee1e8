"""The share of time that processors had nothing to do, by the counts of the kernel."""

from __future__ import annotations

import pytest

from conformance.processors import Processors, busy_and_idle, idle_share

#: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
STAT = "cpu  10 20 30 400 50 1 2 3 5 5\ncpu0 1 2 3 4 5 6 7 8 0 0\n"


class Kernel:
    """Counts that a test sets, and a clock that it turns."""

    def __init__(self) -> None:
        self.busy = self.idle = 0
        self.now = 0.0

    def read(self) -> str:
        return f"cpu  {self.busy} 0 0 {self.idle} 0 0 0 0 0 0\n"

    def passes(self, seconds: float, busy: int, idle: int) -> None:
        self.now += seconds
        self.busy += busy
        self.idle += idle


def test_waiting_for_a_disk_is_idle_and_what_others_stole_is_not() -> None:
    assert busy_and_idle(STAT) == (10 + 20 + 30 + 1 + 2 + 3, 450)


def test_share() -> None:
    assert idle_share((100, 50), (130, 60)) == pytest.approx(0.25)


def test_nothing_counted_is_not_idle() -> None:
    assert idle_share((100, 50), (100, 50)) == 0


def test_too_early_to_tell() -> None:
    kernel = Kernel()
    processors = Processors(kernel.read, lambda: kernel.now)
    kernel.passes(0.4, busy=0, idle=80)
    assert processors.idle() == 0
    kernel.passes(0.1, busy=10, idle=10)
    assert processors.idle() == pytest.approx(0.9)


def test_what_was_before_a_case_more_does_not_count() -> None:
    kernel = Kernel()
    processors = Processors(kernel.read, lambda: kernel.now)
    kernel.passes(1, busy=0, idle=200)
    processors.look_anew()
    assert processors.idle() == 0
    kernel.passes(1, busy=150, idle=50)
    assert processors.idle() == pytest.approx(0.25)


def test_what_was_long_ago_does_not_count() -> None:
    kernel = Kernel()
    processors = Processors(kernel.read, lambda: kernel.now)
    kernel.passes(3, busy=0, idle=600)
    assert processors.idle() == pytest.approx(1)
    kernel.passes(1, busy=200, idle=0)
    assert processors.idle() == 0
