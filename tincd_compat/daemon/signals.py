"""Signals of the daemon, and when each is acted upon.

TERM, QUIT, INT, USR1 and USR2 are acted upon at once.  HUP, ALRM and WINCH need a
daemon that serves: during the start they are held until it is over, and after the end
they do nothing, as in tinc 1.0.36.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from tincd_compat import logs

Act: TypeAlias = Callable[[], None]

#: Signals that have to wait for the end of the start, in the order of tincd, whichever
#: came first.
DEFERRED: Final = (signal.SIGWINCH, signal.SIGALRM, signal.SIGHUP)
#: Signals that tincd acts upon without a line of their own.
_SILENT: Final = frozenset({signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH})


class Signals:
    """The handlers of the signals in ``acts``, by number."""

    def __init__(self, acts: Mapping[signal.Signals, Act]) -> None:
        self._acts = acts
        self._serving = False
        #: Deferred signals that came before the daemon served.
        self._held: set[signal.Signals] = set()

    def handlers(self) -> dict[int, Act]:
        """Return what the loop has to call for each signal."""
        return {number: partial(self._caught, number) for number in self._acts}

    def serve(self) -> None:
        """Act upon each held signal once: the start is over."""
        self._serving = True
        for number in DEFERRED:
            if number in self._held:
                self._acts[number]()

    def end(self) -> None:
        """Ignore deferred signals: the end has begun."""
        self._serving = False

    def _caught(self, number: signal.Signals) -> None:
        if number not in _SILENT:
            name = number.name.removeprefix("SIG")
            logs.always.log(logs.NOTICE, "Got %s signal", name)
        if number in DEFERRED and not self._serving:
            self._held.add(number)
        else:
            self._acts[number]()
