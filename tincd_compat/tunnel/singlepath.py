"""The single-packet path: packets that come alone, moved in Python by few functions.

A burst shares the price of all that is done once for it.  A packet that comes alone
pays that price by itself, and after a pause nothing on its way is in the processor's
caches: then it costs what the number of functions on the way costs, several times what
it takes to seal it.

The path decides nothing.  It has the tables of a compiled pump, which are filled and
emptied alike (:mod:`.tables`), and leaves a packet that is not ordinary to the
pipeline, untouched.  Whoever calls sees to it that single packets are not logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.plain import MAX_DESTINATIONS
from tincd_compat.tunnel.ports import Progress, Send
from tincd_compat.tunnel.receiving import MAX_DATAGRAM

# Members are looked up slowly.
_QUIET: Final = Progress.QUIET
_HEEDED: Final = Progress.HEEDED
_REFUSED: Final = Progress.REFUSED

#: Makes a datagram of a frame; None if the pipeline has to.
Seal: TypeAlias = Callable[[bytes | bytearray], bytes | None]
#: Makes a frame of a datagram that has come now; None if the pipeline has to.
Open: TypeAlias = Callable[[bytes, float], bytes | None]


def _no_datagram(frame: bytes | bytearray) -> bytes | None:
    return None


@dataclass(slots=True)
class _NextHop:
    """A node that gets datagrams."""

    node: Node
    seal: Seal
    send: Send


@dataclass(slots=True)
class _Way:
    """The way to an owner; longer frames than ``limit`` are not ordinary.

    Frames of the ``stops`` on it are not passed on.
    """

    peer: _NextHop
    stops: tuple[int, int, int]
    limit: int


@dataclass(frozen=True, slots=True)
class _Source:
    """A node behind a UDP address."""

    node: Node
    number: int
    open: Open


class SinglePath:
    """A pump for one packet at a time, with the tables of the compiled one.

    ``destination`` reads the address of a frame, and ``write`` writes a frame to our
    device.  ``opened`` gets a node's frame that only the pipeline can act on, and the
    index of the socket; ``refused`` hears that the system has refused a datagram with a
    frame of that length.
    """

    def __init__(
        self,
        destination: Callable[[bytes | bytearray], bytes | None],
        write: Callable[[bytes], None],
        opened: Callable[[Node, bytes, int], None],
        refused: Callable[[Node, int, OSError], None],
        *,
        switching: bool,
        relays: bool,
    ) -> None:
        self._destination = destination
        self._write = write
        self._opened = opened
        self._refused = refused
        self._switching = switching
        self._relays = relays
        self._peers: dict[int, _NextHop] = {}
        self._ways: dict[int, _Way] = {}
        self._destinations: dict[bytes | None, _Way] = {}
        self._own: set[bytes | None] = set()
        self._stations: set[bytes] = set()
        self._sources: dict[tuple[int, Any], _Source] = {}

    # A function call on the path is felt: hence these long functions.

    def outward(self, frame: bytearray) -> bool:
        """Send a frame of our device; False if the pipeline has to see it."""
        way = self._destinations.get(self._destination(frame))
        if way is None or len(frame) > way.limit:
            return False
        if self._switching and bytes(frame[6:12]) not in self._stations:
            return False
        peer = way.peer
        datagram = peer.seal(frame)
        if datagram is None:
            return False
        refusal = peer.send(datagram)
        if refusal is not None:
            self._refused(peer.node, len(frame), refusal)
        return True

    def inward(
        self, index: int, datagram: bytes, address: tuple[Any, ...], now: float
    ) -> Progress:
        """Act on a datagram of a socket; REFUSED if the pipeline has to see it.

        HEEDED if the pipeline has acted on its frame, which may touch anything.
        ``address`` is the sender's as the socket gives it, ``now`` the time at which
        the socket was read.
        """
        source = self._sources.get((index, address))
        if source is None or len(datagram) > MAX_DATAGRAM:
            return _REFUSED
        frame = source.open(datagram, now)
        if frame is None:
            return _REFUSED
        destination = self._destination(frame)
        if destination in self._own:
            self._write(frame)
            return _QUIET
        way = self._destinations.get(destination) if self._relays else None
        if (
            way is not None
            and len(frame) <= way.limit
            and source.number not in way.stops
        ):
            peer = way.peer
            sealed = peer.seal(frame)
            if sealed is not None:
                refusal = peer.send(sealed)
                if refusal is not None:
                    self._refused(peer.node, len(frame), refusal)
                return _QUIET
        self._opened(source.node, frame, index)
        return _HEEDED

    # The tables are those of the compiled pump (_fast/_core.pyi).  A full one forgets
    # all before it takes another entry.

    def set_peer(self, number: int, node: Node, seal: Seal, send: Send) -> None:
        peer = self._peers.get(number)
        if peer is None:
            self._peers[number] = _NextHop(node, seal, send)
        else:
            peer.node, peer.seal, peer.send = node, seal, send

    def set_way(self, owner: int, peer: int, via: int, limit: int, /) -> None:
        stops = owner, via, peer
        way = self._ways.get(owner)
        if way is None:
            self._ways[owner] = _Way(self._peers[peer], stops, limit)
        else:
            way.peer, way.stops, way.limit = self._peers[peer], stops, limit

    def add_destination(self, key: bytes, owner: int, /) -> None:
        if len(self._destinations) >= MAX_DESTINATIONS:
            self._destinations.clear()
        self._destinations[key] = self._ways[owner]

    def add_own(self, key: bytes, /) -> None:
        if len(self._own) >= MAX_DESTINATIONS:
            self._own.clear()
        self._own.add(key)

    def add_station(self, mac: bytes, /) -> None:
        if len(self._stations) >= MAX_DESTINATIONS:
            self._stations.clear()
        self._stations.add(mac)

    def add_source(
        self, index: int, address: Any, node: Node, number: int, opens: Open
    ) -> bool:
        """Name the node behind a UDP address; False if there are too many."""
        if len(self._sources) >= MAX_DESTINATIONS:
            return False
        self._sources[index, address] = _Source(node, number, opens)
        return True

    def forget_peer(self, number: int, /) -> None:
        # Who still has a way there finds that no frame may take it.
        self._peers[number].seal = _no_datagram

    def forget_way(self, owner: int, /) -> None:
        self._ways[owner].limit = -1

    def forget_address(self, key: bytes, /) -> None:
        self._destinations.pop(key, None)
        self._own.discard(key)
        self._stations.discard(key)

    def forget_source(self, index: int, address: Any, /) -> None:
        self._sources.pop((index, address), None)

    def clear_stations(self) -> None:
        self._stations.clear()

    def clear(self) -> None:
        self._peers.clear()
        self._ways.clear()
        self._destinations.clear()
        self._own.clear()
        self._stations.clear()
        self._sources.clear()
