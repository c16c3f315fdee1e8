"""What every test starts with."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tincd_compat import logs


@pytest.fixture(autouse=True)
def _loggers_as_imported() -> Iterator[None]:
    """Undo what a test did to the debug level and the output of the log."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.NOTSET)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
