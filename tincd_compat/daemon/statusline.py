"""The line that ``systemctl status`` shows: which daemon runs, who is reachable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from tincd_compat import TINC_VERSION, __version__
from tincd_compat.daemon.slices import Begin, at_once

if TYPE_CHECKING:
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.mesh.node import Mesh

#: Which daemon runs: ``systemctl status`` shows the name of the unit alone.
PROGRAM: Final = f"tincd-compat {__version__} for tinc {TINC_VERSION}"
#: Seconds after a change in which others may follow, to be told with it.
SOON: Final = 0.2
#: Nodes that are counted in a second at most, however often something changes, and
#: those that are in one step.
NODES_PER_SECOND: Final = 10_000
_AT_ONCE: Final = 64


class StatusLine:
    """Tells ``tell`` of every change; ``clock`` returns the time of day as text.

    ``call_later(seconds, function)`` is the loop's; ``begin(subject, work)`` does what
    may take long, an iterator, in small steps.
    """

    def __init__(
        self,
        mesh: Mesh,
        links: LinkTable,
        tell: Callable[[str], None],
        clock: Callable[[], str],
        call_later: Callable[[float, Callable[[], None]], object],
        begin: Begin = at_once,
    ) -> None:
        self._mesh = mesh
        self._links = links
        self._tell = tell
        self._clock = clock
        self._call_later = call_later
        self._begin = begin
        self._planned = False
        self._shown = ""

    def changed(self) -> None:
        """A link or the graph is another one: look soon, once for many changes.

        The more nodes there are, the later.
        """
        if not self._planned:
            self._planned = True
            seconds = len(self._mesh.nodes) / NODES_PER_SECOND
            self._call_later(max(SOON, seconds), self.update)

    def update(self) -> None:
        """Look again, and tell if anything is different."""
        self._planned = False
        self._begin("status line", self._look())

    def _look(self) -> Iterator[None]:
        mesh = self._mesh
        known = reachable = relayed = 0
        for number, node in enumerate(tuple(mesh.nodes.values()), 1):
            if node is not mesh.myself:
                known += 1
                reachable += node.reachable
                relayed += node.reachable and node.nexthop is not node
            if number % _AT_ONCE == 0:
                yield
        connected = self._links.active_count
        shown = (
            f"{PROGRAM}: {connected} connected, {reachable} of {known} nodes"
            f" reachable, {relayed} of them through others"
        )
        if shown != self._shown:
            self._shown = shown
            self._tell(f"{shown}; last change at {self._clock()}")
