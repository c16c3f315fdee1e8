from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.transport.netwatch import SETTLE, NetworkWatch, concerns

OWN = 7


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"event": "RTM_NEWLINK", "index": 2, "attrs": []}, True),
        ({"event": "RTM_NEWLINK", "index": OWN, "attrs": []}, False),
        ({"event": "RTM_DELADDR", "index": 3, "attrs": None}, True),
        ({"event": "RTM_NEWADDR", "index": OWN, "attrs": []}, False),
        ({"event": "RTM_NEWROUTE", "attrs": [("RTA_OIF", 2)]}, True),
        ({"event": "RTM_NEWROUTE", "attrs": [("RTA_OIF", OWN)]}, False),
        ({"event": "RTM_DELROUTE", "attrs": []}, True),
        ({"event": "RTM_NEWNEIGH", "index": 2, "attrs": []}, False),
        ({}, False),
    ],
)
def test_what_concerns_us(message: dict[str, Any], expected: bool) -> None:
    assert concerns(message, OWN) is expected


class Loop:
    def __init__(self) -> None:
        self.planned: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Loop:
        self.planned.append((delay, call))
        return self


def test_a_burst_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, changes = Loop(), list[int]()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    watch = NetworkWatch(OWN, lambda: changes.append(1))
    for index in (2, OWN, 3, 2):
        watch.note({"event": "RTM_NEWLINK", "index": index, "attrs": []})
    [(delay, settled)] = loop.planned
    assert delay == SETTLE
    assert not changes
    settled()
    assert changes == [1]
    watch.note({"event": "RTM_DELLINK", "index": 2, "attrs": []})
    assert len(loop.planned) == 2


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'pyroute2'"), OSError(1, "No")]
)
def test_the_daemon_can_do_without(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO, logs.status.name)
    loop = FakeLoop()
    watch = NetworkWatch(OWN, lambda: None)
    loop.call(watch.start)
    loop.fail_work(error)
    loop.run(watch.stop())
    loop.shut()
    assert caplog.messages == [f"Cannot watch the network: {error}"]
