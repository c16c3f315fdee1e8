"""Where a compiled pump sends what is for an address, as far as it is told.

Three tables lie in a row: an address leads to its owner, an owner to the way there, and
the way to the peer that gets the datagrams.  Each is told and forgotten by itself.  So
one word brings back all addresses of an owner when the way to it was void, and a peer
gets one train whoever owns what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.flows import Flow
from tincd_compat.tunnel.pipeline import Pipeline

if TYPE_CHECKING:
    from tincd_compat._fast._core import Pump

#: Nodes that a pump has numbers for; it refuses greater ones.
MAX_NODES: Final = 16384


class Endpoint(Protocol):
    """A socket and what it can do."""

    @property
    def fd(self) -> int: ...
    @property
    def segmentation(self) -> bool: ...
    @property
    def local(self) -> str:
        """The address of ours to send from, "" if the system chooses it."""


class Sockets(Protocol):
    """The part of the UDP sockets that sends."""

    def endpoint(self, address: SocketAddress, remembered: int) -> Endpoint | None:
        """Return the socket to send from, None if no family fits."""


class Numbers:
    """What nodes are called in the tables of a pump."""

    def __init__(self) -> None:
        self._numbers: dict[Node, int] = {}

    def __getitem__(self, node: Node) -> int:
        """Return the number of a node that has one."""
        return self._numbers[node]

    def of(self, *nodes: Node) -> Sequence[int] | None:
        """Return the numbers of nodes, None if there are not enough."""
        numbers = self._numbers
        new = {node for node in nodes if node not in numbers}
        if len(numbers) + len(new) > MAX_NODES:
            return None
        return [numbers.setdefault(node, len(numbers)) for node in nodes]

    def forget(self) -> None:
        """No number is in any table."""
        self._numbers.clear()


class Ways:
    """What one pump knows of addresses, owners and peers."""

    def __init__(
        self, pump: Pump, numbers: Numbers, pipeline: Pipeline, sockets: Sockets
    ) -> None:
        self._pump = pump
        self._numbers = numbers
        self._pipeline = pipeline
        self._sockets = sockets
        #: The owners to whom the pump has a way.
        self._owners: set[Node] = set()
        #: Whether the pump can send to a node.
        self._peers: dict[Node, bool] = {}

    def tell(self, destination: bytes, flow: Flow) -> bool:
        """Tell the way to an address; False if there is no room."""
        numbers = self._numbers.of(flow.owner, flow.node, flow.via)
        if numbers is None:
            return False
        owner, peer, via = numbers
        if self._is_peer(flow.node, peer):
            if flow.owner not in self._owners:
                self._owners.add(flow.owner)
                self._pump.set_way(owner, peer, via, flow.limit)
            self._pump.add_destination(destination, owner)
        return True

    def _is_peer(self, node: Node, number: int) -> bool:
        """Tell whether the pump can send to a node."""
        known = self._peers.get(node)
        if known is None:
            known = self._peers[node] = self._set_peer(node, number)
        return known

    def _set_peer(self, node: Node, number: int) -> bool:
        tunnel = self._pipeline.tunnel(node)
        compiled = None if tunnel.sealer is None else tunnel.sealer.compiled
        address = node.address
        if compiled is None or address is None:
            return False
        socket = self._sockets.endpoint(address, tunnel.heard_on)
        if socket is None:
            return False
        place = address.host, address.port, address.scope
        about = node, compiled, socket.fd, *place, socket.segmentation
        self._pump.set_peer(number, *about, socket.local)
        return True

    # What is void.

    def forget(self) -> None:
        """The pump has forgotten all."""
        self._owners.clear()
        self._peers.clear()

    def forget_ways(self, owners: Iterable[Node]) -> None:
        """The ways to these owners of addresses may be other ones."""
        for owner in self._owners.intersection(owners):
            self._owners.remove(owner)
            self._pump.forget_way(self._numbers[owner])

    def forget_node(self, node: Node) -> None:
        """The node may have other keys, or be at another address or socket."""
        if self._peers.pop(node, False):
            self._pump.forget_peer(self._numbers[node])
