"""Who is behind UDP addresses, as far as a compiled pump is told, and who is ignored.

The pump opens the datagrams of sources that it knows.  What their keys have not made it
hands back, and everything that comes from elsewhere: it may be a node's that has moved,
or has another key.  Junk comes back the same way, and Python takes longer over it than
the pump.  So once :class:`SenderLookup` would not look at more of it in this turn, the
pump is told to ignore it: a source's datagrams are tested still, by both of the node's
keys, and a stranger's are not even that.  All ends with the turn, and when what was
told is forgotten.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.codec import Opener
from tincd_compat.tunnel.compression import Decompressor
from tincd_compat.tunnel.lookup import TURNS
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.ways import Numbers

if TYPE_CHECKING:
    from tincd_compat._fast._core import Pump

#: Host, port, scope, the address of ours that was spoken to, the index of the socket.
Place: TypeAlias = tuple[str, int, int, str, int]


class Sockets(Protocol):
    """The part of the UDP sockets that knows addresses."""

    def source(
        self, index: int, host: str, port: int, scope: int, local: str
    ) -> SocketAddress:
        """Return the address of a datagram that a socket received."""


class Sender(NamedTuple):
    """Whose frames come out of a pump, and what unpacks them, if they are packed."""

    node: Node
    unpack: Decompressor | None


class _Service(IntEnum):
    """What a pump does with datagrams."""

    MOVE = 0
    UNSEAL = 1
    TEST = 2


class Sources:
    """What one pump knows of UDP addresses."""

    def __init__(
        self,
        pump: Pump,
        numbers: Numbers,
        pipeline: Pipeline,
        mesh: Mesh,
        sockets: Sockets,
    ) -> None:
        self._pump = pump
        self._numbers = numbers
        self._pipeline = pipeline
        self._mesh = mesh
        self._sockets = sockets
        self._told: set[Place] = set()
        self._places: dict[Node, set[Place]] = {}
        #: When all strangers were ignored last.
        self._turn = -1

    def forget(self) -> None:
        """The pump has forgotten all."""
        self._turn = -1
        self._told.clear()
        self._places.clear()

    def forget_node(self, node: Node) -> None:
        """The node may have other keys, or be at another address or socket.

        What it has sealed may come from anywhere: who was ignored gets another look.
        """
        for place in self._places.pop(node, ()):
            host, port, scope, local, index = place
            self._told.remove(place)
            self._pump.forget_source(index, host, port, scope, local)
        self._turn = -1
        self._pump.heed_strangers()

    def tell(self, place: Place) -> bool:
        """Tell who is at a place, unless that is known; False if there is no room."""
        if place in self._told:
            return True
        host, port, scope, local, index = place
        address = self._address(place)
        node = self._mesh.node_by_address(address)
        opener = None if node is None else self._pipeline.tunnel(node).opener
        if node is None or opener is None:
            return True
        other = self._pipeline.tunnel(node).openers.other
        service = self._service(node, opener, address, index)
        compiled = opener.compiled
        # What is only tested needs a MAC, and both keys somebody who tests them.
        if service is _Service.TEST and not opener.authenticates:
            compiled = None
        if other is not None and other.compiled is None:
            compiled = None
        numbers = self._numbers.of(node)
        if numbers is None or not self._pump.add_source(
            Sender(node, opener.unpack),
            numbers[0],
            compiled,
            *(index, host, port, scope),
            None if other is None else other.compiled,
            service,
            local,
        ):
            return False
        self._told.add(place)
        self._places.setdefault(node, set()).add(place)
        return True

    def _service(
        self, node: Node, opener: Opener, address: SocketAddress, index: int
    ) -> _Service:
        here = self._pipeline.tunnel(node).heard_on == index
        if not (here and address.agrees_with(node.address)):
            # That it is heard here is for Python to note.
            return _Service.TEST
        return _Service.MOVE if opener.unpack is None else _Service.UNSEAL

    def ignore(self, place: Place, now: float) -> None:
        """Let the pump ignore what comes from a place if to look at it is in vain."""
        lookup, address = self._pipeline.receiver.lookup, self._address(place)
        host, port, scope, local, index = place
        if place in self._told:
            owner = self._mesh.node_by_address(address)
            if lookup.in_vain(address.host, now, owner):
                self._pump.ignore_source(index, host, port, scope, local)
        elif lookup.in_vain(address.host, now):
            self._pump.ignore_host(address.host)
            self._ignore_strangers(now)

    def _ignore_strangers(self, now: float) -> None:
        """Let the pump ignore all strangers, if to look at them is in vain."""
        turn = int(now * TURNS)
        wanted = self._pipeline.receiver.lookup.wanted_hosts(now)
        if wanted is not None and turn != self._turn:
            self._turn = turn
            self._pump.ignore_strangers(wanted)

    def _address(self, place: Place) -> SocketAddress:
        host, port, scope, local, index = place
        return self._sockets.source(index, host, port, scope, local)
