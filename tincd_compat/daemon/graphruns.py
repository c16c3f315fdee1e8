"""The times of graph runs: at once where order matters, else rarely under a storm.

Reachability is known without a run (:mod:`tincd_compat.mesh.reach`); paths are not.  An
added edge makes paths shorter at best, so its run waits for other changes.  A loss that
only makes paths longer waits, too, but not for long.  Until then packets to be relayed
go to a neighbour that is still linked and knows the new path; if its path leads back
through us, the packet that comes back makes the graph run first.

Only after a loss among many edges does a run have to find out which nodes are cut off.
That run does not wait, as packets would go to unreachable nodes.  It comes before an
edge is added: the edge could hide that a node was gone for a moment, and such a node
has to lose its keys.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tincd_compat.mesh.backoff import LONG_DELAY, LONGEST_DELAY, Backoff

#: Nodes that come or go in a turn, for which it has worked enough.
MANY: Final = 64
#: Seconds by which a run that waits for nothing is put off then.  What has waited for
#: that turn comes first, and what follows from it is begun in the next few.
BREATH: Final = 0.02


class GraphRuns:
    """Decides about runs; ``run`` makes one.

    ``call_later(seconds, function)`` calls back.  Without it, runs are never put off
    beyond the end of a batch.
    """

    def __init__(
        self,
        run: Callable[[], None],
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._run = run
        self._clock = clock
        self._call_later = call_later
        self._backoff = Backoff()
        self._changed = False
        self._changed_in_batch = False
        #: How many have come or gone in this batch without a run.
        self._flips = 0
        #: When a run is planned, and the number of that plan.
        self._due = float("inf")
        self._plans = 0
        #: A node may have been cut off since the last run, nobody knows which.
        self.losses = False
        #: That, or the way to a node may have got longer.
        self.detours = False
        #: Runs so far, and those of them that a storm has put off.
        self.count = 0
        self.deferred = 0

    def change(self, *, loss: bool, detour: bool = False, flips: int = 0) -> None:
        """Note that edges changed; whom a ``loss`` has cut off is not known.

        ``flips`` tells how many came or went, which is acted upon already.
        """
        self._flips += flips
        self._changed = self._changed_in_batch = True
        self.losses = self.losses or loss
        self.detours = self.detours or loss or detour

    def settle(self) -> None:
        """Run now if edges changed."""
        if not self._changed:
            return
        self._changed = self._changed_in_batch = False
        self.losses = self.detours = False
        self.count += 1
        started = self._clock()
        self._run()
        self._backoff.ran(self._clock() - started)

    def settle_losses(self) -> None:
        """Run now if that says who is cut off; due before edges are added."""
        if self.losses:
            self.settle()

    def settle_detours(self) -> None:
        """Run now if a path leads over an edge that has gone; due before it is used."""
        if self.detours:
            self.settle()

    def batch_done(self) -> None:
        """Run now or plan it: all messages of one turn have been handled.

        Nodes cut off do not wait, since packets would go to where nobody is.
        """
        if self.losses or self._call_later is None:
            self.settle()
        elif self._changed_in_batch:
            self._changed_in_batch = False
            self._plan(self._call_later)
        self._flips = 0

    def _plan(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        now = self._clock()
        longest = LONG_DELAY if self.detours else LONGEST_DELAY
        delay = min(self._backoff.change(now), longest)
        if self._flips > MANY:
            delay = max(delay, BREATH)
        if delay <= 0:
            self.settle()
        elif now + delay < self._due:
            self._due = now + delay
            self._plans += 1
            call_later(delay, partial(self._run_planned, self._plans))

    def _run_planned(self, plan: int) -> None:
        if plan != self._plans:
            # An earlier run has taken its place.
            return
        self._due = float("inf")
        self.deferred += self._changed
        self.settle()
