"""What a pump knows of the mesh, added and forgotten alike for both pumps.

A pump moves packets between device and UDP as long as nothing is special about them:
the compiled one (:mod:`.pumps`), or the single-packet path in Python
(:mod:`.singlepath`).  The ``FlowTable`` adds to the tables of a pump what would have
brought a packet on its way that came back, and says what is void.  So a pump never
knows more than the tables of the pipeline, and a miss costs no more than the way
through the pipeline.

Three tables lie in a row: an address leads to its owner, an owner to the way there, and
the way to the peer that gets the datagrams.  Each is filled and emptied by itself.  So
one frame brings back all addresses of an owner when the way to it was void, and a peer
gets one train whoever owns what is in it.  A fourth table has the nodes behind UDP
addresses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.singlepath import SinglePath
from tincd_compat.tunnel.tunnel import Tunnel

if TYPE_CHECKING:
    from tincd_compat._fast._core import Pump

#: Nodes that a pump has numbers for; the compiled one refuses greater ones.
MAX_NODES: Final = 16384
#: The index of a socket, and a sender's address as the pump has it.
Place: TypeAlias = tuple[Any, ...]


class Service(IntEnum):
    """What a pump does with datagrams of a source, as the compiled pump numbers it."""

    MOVE = 0
    UNSEAL = 1
    TEST = 2


class PumpTables(ABC):
    """The tables of one pump; a subclass knows of what kind the pump is.

    :param station_memory: seconds after which authors of frames are announced again
    """

    def __init__(
        self,
        pump: Pump | SinglePath,
        tunnels: Callable[[Node], Tunnel],
        mesh: Mesh,
        station_memory: float,
    ) -> None:
        self._tables = pump
        self._tunnels = tunnels
        self._mesh = mesh
        self._station_memory = station_memory
        self._forgot_stations = 0.0
        self._numbers: dict[Node, int] = {}
        #: The owners to whom the pump has a way.
        self._owners: set[Node] = set()
        #: Whether the pump can send to a node.
        self._peers: dict[Node, bool] = {}
        self._places: dict[Node, set[Place]] = {}
        self._sources: set[Place] = set()
        self.add_own = pump.add_own
        self.add_station = pump.add_station

    @abstractmethod
    def _set_peer(self, number: int, node: Node) -> bool:
        """Let the pump send to a node; False if it cannot."""

    @abstractmethod
    def _set_source(
        self, place: Place, node: Node, number: int, tunnel: Tunnel, service: Service
    ) -> bool:
        """Let the pump open what a node sends from a place; False if there is no room.

        There is a key to open it with.
        """

    def _numbers_of(self, *nodes: Node) -> list[int]:
        """Return the numbers of nodes; where there are none left all begins anew.

        Who is in use comes back, and who is not makes room.
        """
        numbers = self._numbers
        if len(numbers) + len(set(nodes) - numbers.keys()) > MAX_NODES:
            self.forget()
        return [numbers.setdefault(node, len(numbers)) for node in nodes]

    def add_destination(
        self, destination: bytes, owner: Node, peer: Node, via: Node, limit: int
    ) -> None:
        """Add the way to an address: next hop ``peer``, next stop ``via``."""
        numbers = self._numbers_of(owner, peer, via)
        if peer not in self._peers:
            self._peers[peer] = self._set_peer(numbers[1], peer)
        if self._peers[peer]:
            if owner not in self._owners:
                self._owners.add(owner)
                self._tables.set_way(numbers[0], numbers[1], numbers[2], limit)
            self._tables.add_destination(destination, numbers[0])

    def add_source(self, place: Place, address: SocketAddress) -> None:
        """Add who is at a place, which is this UDP address."""
        node = self._mesh.node_by_address(address)
        tunnel = None if node is None else self._tunnels(node)
        if node is None or tunnel is None or not tunnel.opens:
            return
        if place in self._sources:
            return
        if tunnel.heard_on != place[0] or not address.agrees_with(node.address):
            # That the node is heard here is for the pipeline to note.
            service = Service.TEST
        else:
            # In sessions nobody is asked to compress.
            packed = tunnel.opener is not None and tunnel.opener.unpack is not None
            service = Service.UNSEAL if packed else Service.MOVE
        (number,) = self._numbers_of(node)
        if not self._set_source(place, node, number, tunnel, service):
            self.forget()
            (number,) = self._numbers_of(node)
            self._set_source(place, node, number, tunnel, service)
        self._sources.add(place)
        self._places.setdefault(node, set()).add(place)

    # What is void.

    def forget(self) -> None:
        """Forget all."""
        self._tables.clear()
        self._numbers.clear()
        self._owners.clear()
        self._peers.clear()
        self._places.clear()
        self._sources.clear()

    def forget_addresses(self, addresses: Sequence[bytes]) -> None:
        """Forget who owns these, and that they are authors of frames."""
        for address in addresses:
            self._tables.forget_address(address)

    def forget_ways(self, owners: Iterable[Node]) -> None:
        """Forget the ways to these owners of addresses."""
        for owner in self._owners.intersection(owners):
            self._owners.remove(owner)
            self._tables.forget_way(self._numbers[owner])

    def forget_node(self, node: Node) -> None:
        """Forget keys, address and socket of a node."""
        if self._peers.pop(node, False):
            self._tables.forget_peer(self._numbers[node])
        for place in self._places.pop(node, ()):
            self._sources.remove(place)
            self._tables.forget_source(*place)

    def expire_stations(self, now: float) -> None:
        """Forget the authors of frames if they may have to be announced again."""
        if now - self._forgot_stations > self._station_memory:
            self._tables.clear_stations()
            self._forgot_stations = now
