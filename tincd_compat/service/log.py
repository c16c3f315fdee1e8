"""The log of the daemon: its debug level, and the destination in use.

Everybody else writes to the loggers of :mod:`tincd_compat.logs` and knows nothing of
this.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.service.outputs import FileOutput, Output, StderrOutput

if TYPE_CHECKING:
    import asyncio

#: Debug level while SIGINT asks for more.
INTERRUPT_DEBUG_LEVEL: Final = 5

#: Seconds until a descriptor is asked for again, where none was left.
RETRY: Final = 1.0

#: More than any level: a logger set to it is silent.
_SILENT: Final = logging.CRITICAL + 1


class Log:
    """The debug level and the output in use; the daemon has one of these.

    The output hangs on the root logger, so that what a library complains about is not
    lost either, from warnings on.
    """

    def __init__(self, output: Output, debug_level: int) -> None:
        self.output = output
        self._mirror: Output | None = None
        self._level_before: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Whether a loop will write the lines that wait.
        self._watching = False
        #: The descriptor that shows when a reader has room, -1 if no line waits.
        self._watched = -1
        logging.getLogger().addHandler(output)
        self.set_level(debug_level)

    def set_level(self, level: int) -> None:
        """Show the lines of debug levels up to ``level``; those of level 0 always."""
        self.level = level
        self._guard()
        for logger, threshold in logs.THRESHOLDS.items():
            shown = threshold <= max(level, 0)
            logger.setLevel(logging.DEBUG if shown else _SILENT)

    def _guard(self) -> None:
        """Let files that will be made be private if requests are logged as they are."""
        if isinstance(self.output, FileOutput):
            self.output.private = _shows_keys(self.level)

    def toggle_debug(self) -> None:
        """SIGINT: show everything up to level 5, or go back to the level before."""
        if self._level_before is None:
            self._level_before = self.level
            self.set_level(INTERRUPT_DEBUG_LEVEL)
            logs.always.log(
                logs.NOTICE,
                "Temporarily setting debug level to %d.  "
                "Kill me with SIGINT again to go back to level %d.",
                self.level,
                self._level_before,
            )
        else:
            level, self._level_before = self._level_before, None
            logs.always.log(logs.NOTICE, "Reverting to old debug level (%d)", level)
            self.set_level(level)

    def use(self, output: Output) -> None:
        """Write to ``output`` from now on."""
        logging.getLogger().addHandler(output)
        self._drop(self.output)
        self.output = output
        self._guard()
        self.attend(self._loop)

    def rename(self, ident: str) -> None:
        """Put another name into the lines of a log file."""
        if isinstance(self.output, FileOutput):
            self.output.ident = ident

    def reopen(self) -> None:
        """SIGHUP: open the log file by its name again; other outputs stay."""
        if not isinstance(self.output, FileOutput):
            return
        try:
            self.output.reopen()
        except OSError as error:
            path = self.output.path
            logs.always.error("Unable to reopen log file %s: %s", path, error.strerror)

    def count_omitted(self) -> None:
        """Say what was left out of floods, see :mod:`tincd_compat.service.floods`."""
        self.output.count_omitted()

    def attend(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Write from ``loop`` what waits for its reader; None ends that."""
        self._forget_watch()
        self._loop = loop
        self.output.waits = None if loop is None else self._watch_soon
        if loop is not None and self.output.waiting:
            self._watch_soon()

    def _watch_soon(self) -> None:
        if self._loop is not None and not self._watching:
            self._watching = True
            # Lines may come from threads.
            self._loop.call_soon_threadsafe(self._watch)

    def _watch(self) -> None:
        self._watching = False
        if self._loop is None or self._watched >= 0 or not self.output.waiting:
            return
        self._watching = True
        try:
            self._watched = self.output.duplicate()
        except OSError:
            self._loop.call_later(RETRY, self._watch)
        else:
            self._loop.add_writer(self._watched, self._room)

    def _room(self) -> None:
        self._forget_watch()
        self.output.catch_up()
        self._watch()

    def _forget_watch(self) -> None:
        self._watching = False
        if self._watched >= 0 and self._loop is not None:
            self._loop.remove_writer(self._watched)
            os.close(self._watched)
            self._watched = -1

    def mirror_errors(self, output: Output) -> None:
        """Write errors to ``output`` as well, until :meth:`end_mirror`."""
        output.setLevel(logging.ERROR)
        self._mirror = output
        logging.getLogger().addHandler(output)

    def end_mirror(self) -> None:
        if self._mirror is not None:
            self._drop(self._mirror)
            self._mirror = None

    def close(self) -> None:
        """Stop logging."""
        self.end_mirror()
        self._drop(self.output)

    @staticmethod
    def _drop(output: Output) -> None:
        logging.getLogger().removeHandler(output)
        output.close()


def _shows_keys(level: int) -> bool:
    """Tell whether lines of a debug level have requests in them, with packet keys."""
    return level >= logs.THRESHOLDS[logs.meta]


def open_log(path: Path | None, ident: str, debug_level: int) -> Log:
    """Return the log as it is before detaching: a file if there is a path, else stderr.

    A file that cannot be opened is complained about on stderr, which then serves.
    """
    if path is None:
        return Log(StderrOutput(), debug_level)
    try:
        return Log(
            FileOutput(path, ident, private=_shows_keys(debug_level)), debug_level
        )
    except OSError as error:
        log = Log(StderrOutput(), debug_level)
        logs.always.error("Could not open log file %s: %s", path, error.strerror)
        return log
