"""GraphDumpFile: the graph of the mesh as graphviz text, for a file or a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from tincd_compat import logs

#: Seconds between two dumps, if there is anything new (tinc 1.0.36).
INTERVAL: Final = 60.0
#: Seconds a command may take to read what it is fed.
PATIENCE: Final = 30.0


class GraphDump:
    """Writes ``text()`` every minute in which the graph has changed.

    ``target`` returns the value of GraphDumpFile, which a reload may change, or None;
    ``version`` returns a number that is another one after each change.
    """

    def __init__(
        self,
        target: Callable[[], str | None],
        text: Callable[[], str],
        version: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._target = target
        self._text = text
        self._version = version
        self._loop = loop
        self._dumped = -1
        self._timer: asyncio.TimerHandle | None = None
        self._feeding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Count the minutes from now on."""
        self._timer = self._loop.call_later(INTERVAL, self._due)

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
            self._feeding = self._loop.create_task(feed(target[1:], self._text()))
        else:
            write(target, self._text())


def write(path: str, text: str) -> None:
    """Replace a file whole; readers never see half a graph."""
    new = f"{path}.new"
    try:
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        logs.always.error("Unable to open graph dump file %s: %s", new, error.strerror)
        return
    try:
        os.replace(new, path)
    except OSError as error:
        logs.always.error("Could not rename %s to %s: %s", new, path, error.strerror)


async def feed(command: str, text: str) -> None:
    """Give the text to a shell command; one that hangs is left alone."""
    process = None
    try:
        process = await asyncio.create_subprocess_shell(
            command, stdin=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE):
            await process.communicate(text.encode())
    except TimeoutError:
        logs.always.error("Graph dump command %s does not end", command)
        if process is not None:
            process.kill()
    except OSError as error:
        logs.always.error(
            "Unable to open graph dump file |%s: %s", command, error.strerror
        )
