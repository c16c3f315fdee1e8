"""Address translations that forget: which nodes need a sign of life, and how often.

A translation between us and a node whom we have dialled lets its datagrams in only for
as long as it remembers ours.  Some forget after twenty seconds.  What the node sends is
lost then, until it notices and sends by TCP: so a short frame that comes by TCP, after
a silence on a path that carries UDP, shows such a translation.  From then on the path
gets a probe before that time is over again.

``UDPKeepalive`` says how often instead, or never.  By itself nothing is sent: a probe
every fifteen seconds and its answer are a megabyte and a quarter a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tincd_compat.mesh.node import Node

#: Seconds between two signs of life, once a translation was seen to forget; half of
#: that, and so on, where it is seen again, but no less than the last.
FIRST: Final = 15.0
LEAST: Final = 5.0
#: Seconds without a datagram from a node after which a frame by TCP tells something.
SILENCE: Final = 10.0


@dataclass(slots=True)
class _Path:
    """``number`` is the highest that the node has used, ``since`` when it was new."""

    number: int
    since: float
    interval: float = 0.0


class Keepalive:
    """Knows how often paths need a sign of life, for the nodes that we have dialled.

    ``configured`` are seconds, 0 for never; None leaves it to what is seen.
    """

    def __init__(self, configured: int | None) -> None:
        self._configured = configured
        self._paths: dict[Node, _Path] = {}

    def interval(self, node: Node, number: int, now: float) -> float:
        """Return the seconds for a node, 0 for never; asked every few seconds.

        ``number`` is the highest of its datagrams so far, of whatever key.
        """
        if self._configured is not None:
            return float(self._configured)
        path = self._look(node, number, now)
        return path.interval

    def came_by_tcp(self, node: Node, number: int, now: float) -> None:
        """Note a frame that could have come by UDP, over a path that carries it."""
        if self._configured is not None or node not in self._paths:
            return
        path = self._look(node, number, now)
        if now - path.since >= SILENCE:
            path.interval = max(path.interval / 2, LEAST) if path.interval else FIRST
            # The next frames tell nothing new.
            path.since = now

    def forget(self, node: Node) -> None:
        """The node has become reachable or unreachable, or its link has gone."""
        self._paths.pop(node, None)

    def _look(self, node: Node, number: int, now: float) -> _Path:
        path = self._paths.get(node)
        if path is None:
            path = self._paths[node] = _Path(number, now)
        elif number != path.number:
            path.number, path.since = number, now
        return path
