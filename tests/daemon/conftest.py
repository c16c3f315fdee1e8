"""A loop for each test, and all log lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat import logs


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.shut()


@pytest.fixture(autouse=True)
def every_level(caplog: pytest.LogCaptureFixture) -> None:
    for logger in logs.THRESHOLDS:
        caplog.set_level(logging.DEBUG, logger.name)
