"""Named loggers, one per debug level of tincd, and syslog's NOTICE severity.

tincd's debug level is a filter on top of the severity: a line belongs to one logger
here (the level from which on it is shown) and carries one severity.  The service layer
enables the loggers up to the debug level asked for and attaches the destination; every
other layer only writes ``logs.protocol.warning("...", ...)``.
"""

from __future__ import annotations

import logging
from typing import Final

#: Severity between INFO and WARNING, as syslog has it.
NOTICE: Final = 25

always: Final = logging.getLogger("tincd")
connections: Final = logging.getLogger("tincd.connections")
status: Final = logging.getLogger("tincd.status")
protocol: Final = logging.getLogger("tincd.protocol")
meta: Final = logging.getLogger("tincd.meta")
traffic: Final = logging.getLogger("tincd.traffic")
scary: Final = logging.getLogger("tincd.scary")

#: Debug level from which on each logger is shown (tincd(8), DEBUG LEVELS).
THRESHOLDS: Final = {
    always: 0,
    connections: 1,
    status: 2,
    protocol: 3,
    meta: 4,
    traffic: 5,
    scary: 10,
}


class SuppressedLines:
    """The number of lines that would have been shown and were held back.

    There is one of it, as there is one log: who holds lines back is spread over all
    layers, and none of them knows the others.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self, logger: logging.Logger, level: int, lines: int = 1) -> None:
        """Count lines, unless the debug level would not have shown them."""
        if logger.isEnabledFor(level):
            self.count += lines


suppressed: Final = SuppressedLines()
