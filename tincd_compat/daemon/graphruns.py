"""When the graph runs: at once where order matters, else rarely under a storm.

Between two runs edges are first added and then lost, never the other way round.  So
what one run finds after many changes is what a run after each of them would have found
in the end: additions cut nobody off, and whom a loss has cut off no further loss brings
back.  Only an addition after a loss could hide that a node was gone for a moment, and
such a node has to lose its keys; hence :meth:`GraphRuns.settle_losses`.
"""

from __future__ import annotations

from collections.abc import Callable

from tincd_compat.mesh.backoff import Backoff


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
        self._planned = False
        #: A node may have been cut off since the last run.
        self.losses = False
        #: Runs so far, and those of them that a storm has put off.
        self.count = 0
        self.deferred = 0

    def change(self, *, loss: bool) -> None:
        """Note that edges changed; a ``loss`` may have cut a node off."""
        self._changed = self._changed_in_batch = True
        self.losses = self.losses or loss

    def settle(self) -> None:
        """Run now if edges changed."""
        if not self._changed:
            return
        self._changed = self._changed_in_batch = self.losses = False
        self.count += 1
        started = self._clock()
        self._run()
        self._backoff.ran(self._clock() - started)

    def settle_losses(self) -> None:
        """Run now if a node may have been cut off; due before edges are added."""
        if self.losses:
            self.settle()

    def batch_done(self) -> None:
        """Run now or plan it: all messages of one read have been handled.

        A loss does not wait, since packets would go to where nobody is.
        """
        if self.losses or self._call_later is None:
            self.settle()
        elif self._changed_in_batch:
            self._changed_in_batch = False
            self._plan(self._call_later)

    def _plan(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        delay = self._backoff.change(self._clock())
        if delay <= 0:
            self.settle()
        elif not self._planned:
            self._planned = True
            call_later(delay, self._run_planned)

    def _run_planned(self) -> None:
        self._planned = False
        self.deferred += self._changed
        self.settle()
