"""The tunnels of all nodes, made when first asked for, and begun anew with their nodes.

A node that comes or goes has no key of ours or from it that counts, and no path MTU.
One line of a member can do that to ten thousand nodes.  So their tunnels are only
noted: each is reset before anybody gets it, and those that nobody asks for in slices.
Whoever asks cannot tell the difference, nor whether a node went, came back, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass

from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.slices import LATER, Begin
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.traffic import NOTHING, Traffic
from tincd_compat.tunnel.tunnel import Tunnel


@dataclass(frozen=True, slots=True)
class Totals:
    """What has gone through tunnels, by direction and carrier."""

    sent: Traffic = NOTHING
    received: Traffic = NOTHING
    sent_by_tcp: Traffic = NOTHING
    received_by_tcp: Traffic = NOTHING

    @classmethod
    def of(cls, tunnel: Tunnel) -> Totals:
        return cls(
            tunnel.sent, tunnel.received, tunnel.sent_by_tcp, tunnel.received_by_tcp
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.sent + other.sent,
            self.received + other.received,
            self.sent_by_tcp + other.sent_by_tcp,
            self.received_by_tcp + other.received_by_tcp,
        )


class Tunnels:
    """Calls :meth:`of` for the tunnel of a node.

    :param make: makes one
    :param ended: hears of each node whose tunnel was reset or is forgotten
    :param begin: does what may take long, an iterator, in small steps
    """

    def __init__(
        self,
        make: Callable[[Node], Tunnel],
        ended: Callable[[Node], None],
        begin: Begin,
    ) -> None:
        self._make = make
        self._ended = ended
        self._begin = begin
        self._made: dict[Node, Tunnel] = {}
        #: What has gone through tunnels that are no more.
        self.forgotten = Totals()
        #: Nodes that came or went since their tunnel was reset.
        self._outdated: dict[Node, None] = {}

    def of(self, node: Node) -> Tunnel:
        """Return the tunnel of a node."""
        tunnel = self._made.get(node)
        if tunnel is None:
            tunnel = self._made[node] = self._make(node)
        elif self._outdated:
            self.bring_up_to_date(node)
        return tunnel

    def known(self, node: Node) -> Tunnel | None:
        """Return the tunnel of a node if anybody has asked for it."""
        return self.of(node) if node in self._made else None

    def all(self) -> Collection[Tunnel]:
        """Return all tunnels, for what of them does not end with a reset."""
        return self._made.values()

    def nodes(self) -> list[Node]:
        """Return the nodes that have a tunnel."""
        return [*self._made]

    def totals(self) -> Generator[None, None, Totals]:
        """Return what has gone through all tunnels; one of them is added each step."""
        found = self.forgotten
        for tunnel in tuple(self._made.values()):
            found += Totals.of(tunnel)
            yield
        return found

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        """Nodes became reachable or unreachable."""
        made = filter(self._made.__contains__, nodes)
        self._outdated.update(dict.fromkeys(made))
        if self._outdated:
            self._begin("tunnels", self._work())

    def bring_up_to_date(self, node: Node) -> bool:
        """Reset the tunnel of a node if it is from before it came or went; tell that.

        What hears of the reset may ask for the tunnel, so the note of it comes first.
        """
        if node not in self._outdated:
            return False
        del self._outdated[node]
        self._made[node].reset()
        self._ended(node)
        return True

    def _work(self) -> Iterator[float | None]:
        if len(self._outdated) > MANY:
            # The turn in which so many come or go is long without that.
            yield LATER
        while self._outdated:
            self.bring_up_to_date(next(iter(self._outdated)))
            yield None

    def forget(self, node: Node) -> None:
        """The node has left the tables."""
        self._outdated.pop(node, None)
        tunnel = self._made.pop(node, None)
        if tunnel is not None:
            self.forgotten += Totals.of(tunnel)
            self._ended(node)
