"""Unexpected errors: faults of ours, caught as a last resort.

Whatever an event loop calls has nobody above it.  An error there must be seen, cost no
more than the connection or the attempt it belongs to, and not fill a disk when it comes
back with every packet: the traceback is written once for each place.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tincd_compat import logs

#: Places remembered; what fails in more of them is shown with a traceback again.
MAX_PLACES: Final = 256


class UnexpectedErrors:
    """The log of unforeseen errors, with a traceback for each new place."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()

    def report(self, what: str, error: BaseException) -> None:
        """Log an error, in full if it comes from a new place; ``what`` it disturbed."""
        place = _origin(error)
        known = place in self._seen
        if not known and len(self._seen) >= MAX_PLACES:
            self._seen.clear()
        self._seen.add(place)
        logs.always.error(
            "%s: %s: %s",
            what,
            type(error).__name__,
            error,
            exc_info=None if known else error,
        )

    def from_loop(
        self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        """Report what an event loop complains about (its exception handler)."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.report(context["message"], error)
        else:
            logs.always.error("%s", context["message"])


def _origin(error: BaseException) -> tuple[str, int]:
    """Return file and line where the error was raised."""
    trace = error.__traceback__
    if trace is None:
        return type(error).__name__, 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno
