"""Keepalive probes for nodes behind an address translation that forgets.

A translation between us and a node whom we have dialled lets its datagrams in only for
as long as it remembers ours.  Some forget after twenty seconds.  What the node sends is
lost then, until we speak or until it notices and sends by TCP.  Two things show that,
after a silence on a path that carries UDP: numbers of the node that are far higher as
soon as we have probed the path, and a short frame that comes by TCP.  From then on the
path gets a probe before that time is over again.

``UDPKeepalive`` says how often instead, or never.  By itself nothing is sent: a probe
every fifteen seconds and its answer are a megabyte and a quarter a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tincd_compat.dataclass import dataclass

if TYPE_CHECKING:
    from tincd_compat.mesh.node import Node

#: Seconds between two signs of life, once a translation was seen to forget; half of
#: that, and so on, where it is seen again, but no less than the last.
FIRST: Final = 15.0
LEAST: Final = 5.0
#: Seconds without a datagram from a node after which a frame by TCP tells something.
SILENCE: Final = 10.0
#: Numbers that a node has used meanwhile, of which its answers to our probes and what
#: it says by accident take half; and the seconds within which that shows.
LOST: Final = 8
ANSWERED_WITHIN: Final = 2.0


@dataclass(slots=True)
class _Path:
    """``number`` is the highest that the node has used, ``since`` when it was new.

    ``seen`` is when it was last asked for.
    """

    number: int
    since: float
    seen: float
    interval: float = 0.0


class Keepalive:
    """Intervals of keepalive probes, for the nodes that we have dialled.

    ``configured`` are seconds, 0 for never; None derives the interval from losses.
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
        before = self._paths.get(node)
        if before is not None and _lost(before, number, now):
            self._learn(before)
        return self._look(node, number, now).interval

    def came_by_tcp(self, node: Node, number: int, now: float) -> None:
        """Note a frame that could have come by UDP, over a path that carries it."""
        if self._configured is not None or node not in self._paths:
            return
        path = self._look(node, number, now)
        if now - path.since >= SILENCE:
            self._learn(path)
            # The next frames tell nothing new.
            path.since = now

    def forget(self, node: Node) -> None:
        """Forget a node that became reachable or unreachable, or whose link ended."""
        self._paths.pop(node, None)

    def _look(self, node: Node, number: int, now: float) -> _Path:
        path = self._paths.get(node)
        if path is None:
            path = self._paths[node] = _Path(number, now, now)
        elif number != path.number:
            path.number, path.since = number, now
        path.seen = now
        return path

    def _learn(self, path: _Path) -> None:
        path.interval = max(path.interval / 2, LEAST) if path.interval else FIRST


def _lost(path: _Path, number: int, now: float) -> bool:
    """Tell whether datagrams of a silent node were lost, as a probe of ours shows."""
    silent = path.seen - path.since >= SILENCE
    return (
        silent and now - path.seen <= ANSWERED_WITHIN and number - path.number >= LOST
    )
