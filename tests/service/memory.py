"""An output that keeps its lines, and a clock that stands still."""

from __future__ import annotations

import errno
import logging
import os

from tincd_compat.service.outputs import Output


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Memory(Output):
    """An output that keeps what it gets, has a full disk, or nobody who reads it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = Clock() if clock is None else clock
        super().__init__(self.clock)
        self.lines: list[str] = []
        self.full = False
        #: Lines that there is room for still; None for any number.
        self.room: int | None = None

    def form(self, level: int, created: float | None, line: str) -> bytes:
        return line.encode()

    def write(self, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.room is not None:
            if not self.room:
                raise BlockingIOError
            self.room -= 1
        self.lines.append(data.decode())
        return len(data)

    def duplicate(self) -> int:
        return os.open(os.devnull, os.O_WRONLY)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("tincd", level, "file.py", 1, message, (), None)
