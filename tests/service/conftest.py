"""Leave the loggers as they were: a Log turns them to its own ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tincd_compat import logs


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {log: log.level for log in logs.THRESHOLDS}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)
