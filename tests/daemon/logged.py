"""What a test finds in the log."""

from __future__ import annotations

import logging

import pytest


def shown(caplog: pytest.LogCaptureFixture, logger: logging.Logger) -> list[str]:
    """Take the lines of one logger, without the debug ones."""
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name == logger.name and record.levelno > logging.DEBUG
    ]
    caplog.clear()
    return lines
