"""GraphDumpFile: the graph of the mesh as graphviz text, for a file or a command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final

from tincd_compat import logs
from tincd_compat.daemon.slices import Begin, at_once

#: Seconds between two dumps, if there is anything new (tinc 1.0.36).
DUMP_INTERVAL: Final = 60.0
#: Seconds a command may take to read what it is fed.
WRITE_PATIENCE: Final = 30.0


class GraphDump:
    """Writes ``text()``, which comes in parts, if the graph has changed in a minute.

    ``target`` returns the value of GraphDumpFile, which a reload may change, or None;
    ``version`` returns a number that is another one after each change.
    """

    def __init__(
        self,
        target: Callable[[], str | None],
        text: Callable[[], Iterable[str]],
        version: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
        begin: Begin = at_once,
    ) -> None:
        self._target = target
        self._text = text
        self._version = version
        self._loop = loop
        self._begin = begin
        self._dumped = -1
        self._timer: asyncio.TimerHandle | None = None
        self._feeding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Count the minutes from now on."""
        self._timer = self._loop.call_later(DUMP_INTERVAL, self._due)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self.start()
        target = self._target()
        version = self._version()
        if target is None or version == self._dumped:
            return
        self._dumped = version
        logs.protocol.log(logs.NOTICE, "Dumping graph")
        if target.startswith("|"):
            self._begin("graph", self._collect(target[1:]))
        else:
            self._begin("graph", write(target, self._text()))

    def _collect(self, command: str) -> Iterator[None]:
        parts = list[str]()
        for part in self._text():
            parts.append(part)
            yield
        self._feeding = self._loop.create_task(feed(command, "".join(parts)))


def write(path: str, text: Iterable[str]) -> Iterator[None]:
    """Replace a file whole, one part each step; readers never see half a graph."""
    new = f"{path}.new"
    try:
        with open(new, "w", encoding="utf-8") as file:
            for part in text:
                file.write(part)
                yield
    except OSError as error:
        logs.always.error("Unable to open graph dump file %s: %s", new, error.strerror)
        return
    try:
        os.replace(new, path)
    except OSError as error:
        logs.always.error("Could not rename %s to %s: %s", new, path, error.strerror)


async def feed(command: str, text: str) -> None:
    """Give the text to a shell command; one that hangs is ended, with all of its own.

    The text is in memory that the command reads like a file: there is nothing to wait
    for if it does not.
    """
    try:
        process = await _start(command, text)
        if not await _ended(process):
            logs.always.error("Graph dump command %s does not end", command)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await _ended(process)
    except OSError as error:
        logs.always.error(
            "Unable to open graph dump file |%s: %s", command, error.strerror
        )


async def _start(command: str, text: str) -> asyncio.subprocess.Process:
    with _memory(text.encode()) as file:
        # In a group of its own, so that a whole pipeline can be ended.
        return await asyncio.create_subprocess_shell(
            command, stdin=file, process_group=0
        )


def _memory(data: bytes) -> IO[bytes]:
    """Return a file without a place that is to be read from its beginning."""
    file = open(os.memfd_create("graph"), "w+b")  # noqa: SIM115
    file.write(data)
    file.seek(0)
    return file


async def _ended(process: asyncio.subprocess.Process) -> bool:
    """Tell whether a process ends within WRITE_PATIENCE."""
    try:
        async with asyncio.timeout(WRITE_PATIENCE):
            await process.wait()
    except TimeoutError:
        return False
    return True
