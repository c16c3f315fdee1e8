"""The line that ``systemctl status`` shows of a net: who is linked and reachable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.mesh.node import Mesh


class StatusLine:
    """Tells ``tell`` of every change; ``clock`` returns the time of day as text."""

    def __init__(
        self,
        mesh: Mesh,
        links: LinkTable,
        tell: Callable[[str], None],
        clock: Callable[[], str],
    ) -> None:
        self._mesh = mesh
        self._links = links
        self._tell = tell
        self._clock = clock
        self._shown = ""

    def update(self) -> None:
        """Look again, and tell if anything is different."""
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
            f"{connected} connected, {len(reachable)} of {len(others)} nodes reachable,"
            f" {relayed} of them through others"
        )
