"""Scripts that are made for a test, and what is logged of them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Sized
from pathlib import Path

from tincd_compat.service.scripts import ScriptRunner

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Lines(logging.Handler):
    """Keeps (severity, text)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


def write(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def tell(fifo: Path, text: str) -> None:
    """Let scripts that read from a pipe go on."""
    fifo.write_text(text)


def run_script(directory: Path, name: str, interpreter: str | None = None) -> None:
    async def once() -> None:
        runner = ScriptRunner(directory, ENVIRONMENT, lambda: interpreter)
        runner.run(name, {"NAME": "alpha"})
        assert await runner.drain()

    asyncio.run(once())


def masked(text: str) -> str:
    return re.sub(r"\(pid \d+\)", "(pid N)", text)


async def until(lines: Sized, count: int) -> None:
    """Let the loop turn until so many lines have been logged."""
    while len(lines) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


def executed(name: str) -> tuple[int, str]:
    return logging.INFO, f"Executing script {name}"


def failed(name: str, status: int) -> tuple[int, str]:
    return logging.ERROR, f"Script {name} exited with non-zero status {status}"
