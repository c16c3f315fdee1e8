"""The line that ``systemctl status`` shows: which daemon runs, who is reachable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tincd_compat import TINC_VERSION, __version__

if TYPE_CHECKING:
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.mesh.node import Mesh

#: Which daemon runs: ``systemctl status`` shows the name of the unit alone.
PROGRAM: Final = f"tincd-compat {__version__} for tinc {TINC_VERSION}"
#: Seconds after a change in which others may follow, to be told with it.
SOON: Final = 0.2


class StatusLine:
    """Tells ``tell`` of every change; ``clock`` returns the time of day as text.

    ``call_later(seconds, function)`` is the loop's.
    """

    def __init__(
        self,
        mesh: Mesh,
        links: LinkTable,
        tell: Callable[[str], None],
        clock: Callable[[], str],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._mesh = mesh
        self._links = links
        self._tell = tell
        self._clock = clock
        self._call_later = call_later
        self._planned = False
        self._shown = ""

    def changed(self) -> None:
        """A link or the graph is another one: look soon, once for many changes."""
        if not self._planned:
            self._planned = True
            self._call_later(SOON, self.update)

    def update(self) -> None:
        """Look again, and tell if anything is different."""
        self._planned = False
        shown = self._describe()
        if shown != self._shown:
            self._shown = shown
            self._tell(f"{shown}; last change at {self._clock()}")

    def _describe(self) -> str:
        mesh = self._mesh
        others = [node for node in mesh.nodes.values() if node is not mesh.myself]
        reachable = [node for node in others if node.reachable]
        relayed = sum(node.nexthop is not node for node in reachable)
        connected = sum(1 for _ in self._links.active())
        return (
            f"{PROGRAM}: {connected} connected, {len(reachable)} of {len(others)} nodes"
            f" reachable, {relayed} of them through others"
        )
