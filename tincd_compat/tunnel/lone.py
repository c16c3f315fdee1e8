"""Packets that come alone, moved in Python by few functions.

A burst shares the price of all that is done once for it.  A packet that comes alone
pays that price by itself, and after a pause nothing on its way is in the processor's
caches: then it costs what the number of functions on the way costs, several times what
it takes to seal it.

Nothing is decided here.  What is known, ways to destinations and senders behind UDP
addresses, was told after the pipeline had moved a packet alike, and is forgotten when
the ``FlowTable`` says that it is void.  A packet that is not ordinary is left to the
pipeline, untouched.
The compiled pumps (:mod:`.pumps`) work in the same manner.  Whoever calls sees to it
that single packets are not logged.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.flows import MAX_FLOWS, Flow
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.pumps import Progress
from tincd_compat.tunnel.receiving import MAX_DATAGRAM

# Members are looked up slowly.
_QUIET: Final = Progress.QUIET
_HEEDED: Final = Progress.HEEDED
_REFUSED: Final = Progress.REFUSED

#: Sends a datagram; returns why it is refused.
Send: TypeAlias = Callable[[bytes], OSError | None]
#: The number of a socket, and the address of who sends to it, as the socket gives it.
Source: TypeAlias = tuple[int, tuple[Any, ...]]


class Sockets(Protocol):
    """The UDP sockets, numbered as the listening addresses are."""

    def sender(self, address: SocketAddress, remembered: int) -> Send | None:
        """Return what sends one datagram to there, None if no family fits."""

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        """The system has refused a datagram."""


@dataclass(slots=True)
class _Way:
    """To the owner of addresses; longer frames than ``limit`` are not ordinary.

    Frames of the ``stops`` on it are not passed on.
    """

    node: Node
    stops: tuple[Node, Node, Node]
    limit: int
    seal: Callable[[bytes | bytearray], bytes | None]
    send: Send

    def end(self) -> None:
        """Let whoever still has this way find that no frame may take it."""
        self.limit = -1
        self.seal = _no_frame


def _no_frame(frame: bytes | bytearray) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whoever is behind a UDP address."""

    node: Node
    open: Callable[[bytes], bytes | None]


class Lone:
    """The short way in both directions.

    ``write`` writes a frame to our device; ``clock`` returns seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        mesh: Mesh,
        sockets: Sockets,
        write: Callable[[bytes], None],
        clock: Callable[[], float],
    ) -> None:
        self._pipeline = pipeline
        self._flows = pipeline.flows
        self._mesh = mesh
        self._sockets = sockets
        self._write = write
        self._clock = clock
        self._destination = pipeline.flows.destination
        self._switching = pipeline.flows.switching
        self._relaying = pipeline.flows.relays
        self._ways: dict[bytes | None, _Way] = {}
        self._ways_to: dict[Node, _Way] = {}
        self._stations: dict[bytes, float] = {}
        self._senders: dict[Source, _Sender] = {}
        self._sources_of: dict[Node, set[Source]] = {}
        self._ours: set[bytes | None] = set()
        self._flows.short_way = self

    # What is void.

    def forget(self) -> None:
        """Nothing that was told counts any more."""
        self._ways.clear()
        self._ways_to.clear()
        self._stations.clear()
        self._senders.clear()
        self._sources_of.clear()
        self._ours.clear()

    def forget_addresses(self, addresses: Sequence[bytes]) -> None:
        """Others may own these, and authors of frames be announced anew."""
        for address in addresses:
            self._ways.pop(address, None)
            self._ours.discard(address)
            self._stations.pop(address, None)

    def forget_ways(self, owners: Iterable[Node]) -> None:
        """The ways to these owners of addresses may be other ones."""
        for owner in owners:
            way = self._ways_to.pop(owner, None)
            if way is not None:
                way.end()

    def forget_node(self, node: Node) -> None:
        """The node may have other keys, or be at another address or socket."""
        for source in self._sources_of.pop(node, ()):
            del self._senders[source]

    # Outward.

    def outward(self, frame: bytearray) -> bool:
        """Send a frame of our device; False if the pipeline has to see it."""
        way = self._ways.get(self._destination(frame))
        if way is None or len(frame) > way.limit:
            return False
        if self._switching and self._is_news(bytes(frame[6:12])):
            return False
        datagram = way.seal(frame)
        if datagram is None:
            return False
        refusal = way.send(datagram)
        if refusal is not None:
            self._refused(way.node, len(frame), refusal)
        return True

    def _is_news(self, station: bytes) -> bool:
        """Tell whether the author of a frame has to be announced (again)."""
        told = self._stations.get(station)
        return told is None or self._clock() - told > self._flows.station_memory

    def _refused(self, node: Node, length: int, refusal: OSError) -> None:
        if refusal.errno == errno.EMSGSIZE:
            self._pipeline.too_big(node, length)
        else:
            self._sockets.refused(node.name, node.address, refusal.errno or 0)

    def tell_way(self, frame: bytearray) -> None:
        """The pipeline has moved this frame of our device."""
        if not self._flows.outward:
            return
        if self._switching:
            if len(self._stations) >= MAX_FLOWS:
                self._stations.clear()
            self._stations[bytes(frame[6:12])] = self._clock()
        destination = self._destination(frame)
        if destination is not None:
            self._add_way(destination, self._flows.lookup(destination))

    def _add_way(self, destination: bytes, flow: Flow | None) -> None:
        way = None if flow is None else self._way(flow)
        if way is None:
            return
        if len(self._ways) >= MAX_FLOWS:
            self._ways.clear()
        self._ways[destination] = way

    def _way(self, flow: Flow) -> _Way | None:
        way = self._ways_to.get(flow.owner)
        if way is not None:
            return way
        if flow.tunnel.sealer is None or flow.node.address is None:
            return None
        sealer = flow.tunnel.sealer.pure
        send = self._sockets.sender(flow.node.address, flow.tunnel.heard_on)
        if sealer is None or send is None:
            return None
        stops = flow.owner, flow.via, flow.node
        way = _Way(flow.node, stops, flow.limit, sealer.seal, send)
        self._ways_to[flow.owner] = way
        return way

    # Inward.

    def inward(self, index: int, datagram: bytes, source: tuple[Any, ...]) -> Progress:
        """Act on a datagram of a socket; REFUSED if the pipeline has to see it.

        HEEDED if the pipeline has acted on its frame, which may touch anything.
        ``source`` is the sender's address as the socket gives it.
        """
        sender = self._senders.get((index, source))
        if sender is None or len(datagram) > MAX_DATAGRAM:
            return _REFUSED
        frame = sender.open(datagram)
        if frame is None:
            return _REFUSED
        destination = self._destination(frame)
        if destination in self._ours:
            self._write(frame)
            return _QUIET
        way = self._ways.get(destination) if self._relaying else None
        if way is not None and len(frame) <= way.limit and sender.node not in way.stops:
            sealed = way.seal(frame)
            if sealed is not None:
                refusal = way.send(sealed)
                if refusal is not None:
                    self._refused(way.node, len(frame), refusal)
                return _QUIET
        self._opened(sender, frame, destination, index)
        return _HEEDED

    def _opened(
        self, sender: _Sender, frame: bytes, destination: bytes | None, index: int
    ) -> None:
        """Let the pipeline act on a frame, and remember what it will do with others."""
        flows, node = self._flows, sender.node
        self._pipeline.from_tunnel(node, [frame], index, self._clock())
        if destination is None:
            return
        if flows.is_ours(destination):
            if len(self._ours) >= MAX_FLOWS:
                self._ours.clear()
            self._ours.add(destination)
        else:
            self._add_way(destination, flows.relay(destination, node))

    def tell_source(
        self, index: int, source: tuple[Any, ...], address: SocketAddress
    ) -> None:
        """The pipeline has seen a datagram from there; ``address`` is the same."""
        place = index, source
        node = self._mesh.node_by_address(address)
        if node is None or not self._flows.inward or place in self._senders:
            return
        tunnel = self._pipeline.tunnel(node)
        pure = None if tunnel.opener is None else tunnel.opener.pure
        if pure is None or tunnel.heard_on != index:
            return
        if not address.agrees_with(node.address):
            return
        self._senders[place] = _Sender(node, pure.open)
        self._sources_of.setdefault(node, set()).add(place)
