"""Loggers left as they were, since a Log turns them; fixtures that files share."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running import Lines
from tincd_compat import logs


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {log: log.level for log in logs.THRESHOLDS}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.fixture
def lines() -> list[tuple[int, str]]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    logs.always.setLevel(logging.DEBUG)
    logs.status.setLevel(logging.DEBUG)
    return handler.lines


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """Scripts that still read from this end with the test."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("usr/sbin", "usr/bin", "opt/bin", "run", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "opt/bin/tincd"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    return tmp_path
