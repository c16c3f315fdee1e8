"""The times of steps of path MTU discovery, and how many are made in one turn.

A member can bring thousands of nodes with keys at once.  Then thousands of steps fall
due in the same moment, once a second, and SIGALRM makes all that are planned due.  Each
step seals and sends a few datagrams; together they would hold up packets for seconds.
So what is due waits in a queue, of which each turn of the loop takes what it has time
for.  Planned anew as late as they were made, the steps spread by themselves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from tincd_compat.daemon.leftovers import BURST_TURN

if TYPE_CHECKING:
    from tincd_compat.mesh.node import Node


class Probing:
    """Makes the steps of all nodes, each in its time.

    :param step: makes a step for a node; returns the seconds until the next, None if
        there is none.  Its second argument tells whether the step is hurried.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        step: Callable[[Node, bool], float | None],
    ) -> None:
        self._loop = loop
        self._step = step
        self._timers: dict[Node, asyncio.TimerHandle] = {}
        #: Nodes with a step that is due, and whether it is hurried.
        self._due: OrderedDict[Node, bool] = OrderedDict()
        #: A turn is at work on what is due, or the next one will be.
        self._busy = False

    def begin(self, node: Node) -> None:
        """Make the first step at once, unless others wait for theirs."""
        if self._busy:
            self._due.setdefault(node, False)
        else:
            self._make(node, hurried=False)

    def hurry(self) -> None:
        """Make all steps that are planned as soon as possible (SIGALRM)."""
        self._due.update(dict.fromkeys(self._timers, True))
        if not self._busy:
            self._work()

    def _fall_due(self, node: Node) -> None:
        self._due.setdefault(node, False)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._work)

    def give_up(self, node: Node) -> None:
        """Make no further step."""
        self._cancel(node)
        self._due.pop(node, None)

    def close(self) -> None:
        """Give up all nodes."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._due.clear()

    def _work(self) -> None:
        """Make steps that are due until the turn is over, one at least."""
        self._busy = True
        end = self._loop.time() + BURST_TURN
        try:
            while self._due:
                node, hurried = self._due.popitem(last=False)
                self._make(node, hurried=hurried)
                if self._loop.time() >= end:
                    break
        finally:
            self._busy = bool(self._due)
            if self._busy:
                self._loop.call_soon(self._work)

    def _make(self, node: Node, *, hurried: bool) -> None:
        self._cancel(node)
        delay = self._step(node, hurried)
        if delay is not None:
            self._timers[node] = self._loop.call_later(delay, self._fall_due, node)

    def _cancel(self, node: Node) -> None:
        timer = self._timers.pop(node, None)
        if timer is not None:
            timer.cancel()
