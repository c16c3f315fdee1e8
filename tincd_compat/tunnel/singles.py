"""The single-packet path at work: what becomes of the packets that it leaves."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.ports import PumpSockets
from tincd_compat.tunnel.singlepath import SinglePath
from tincd_compat.tunnel.tables import Place, PumpTables, Service
from tincd_compat.tunnel.tunnel import Tunnel


class Singles(PumpTables):
    """The single-packet path of the daemon: :attr:`outward` and :attr:`inward` run it.

    ``write`` writes a frame to our device; ``clock`` returns seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        mesh: Mesh,
        sockets: PumpSockets,
        write: Callable[[bytes], None],
        clock: Callable[[], float],
    ) -> None:
        flows = pipeline.flows
        self._pipeline = pipeline
        self._flows = flows
        self._sockets = sockets
        self._clock = clock
        self._path: Final = SinglePath(
            flows.destination,
            write,
            self._opened,
            self._refused,
            switching=flows.switching,
            relays=flows.relays,
        )
        super().__init__(self._path, pipeline.tunnel, mesh, flows.station_memory)
        self.inward = self._path.inward
        self.outward = self._switched if flows.switching else self._path.outward
        flows.attach(self)

    def _switched(self, frame: bytearray) -> bool:
        self.expire_stations(self._clock())
        return self._path.outward(frame)

    # What comes back.

    def sent(self, frame: bytearray) -> None:
        """Let the path know the way of a frame of our device that the pipeline took."""
        if self._flows.outward:
            self._flows.add_outward(self, (frame,))

    def received(
        self, index: int, source: tuple[Any, ...], address: SocketAddress
    ) -> None:
        """Let the path know the sender of a datagram that the pipeline took.

        ``source`` is the address as the socket gives it.
        """
        if self._flows.inward:
            self.add_source((index, source), address)

    def _opened(self, node: Node, frame: bytes, index: int) -> None:
        self._pipeline.from_tunnel(node, [frame], index, self._clock())
        self._flows.add_inward(self, node, (frame,))

    def _refused(self, node: Node, length: int, refusal: OSError) -> None:
        if refusal.errno == errno.EMSGSIZE:
            self._pipeline.too_big(node, length)
        else:
            self._sockets.refused(node.name, node.address, refusal.errno or 0)

    # What is special about this pump.

    def _set_peer(self, number: int, node: Node) -> bool:
        tunnel = self._pipeline.tunnel(node)
        sealer = None if tunnel.sealer is None else tunnel.sealer.pure
        if sealer is None or node.address is None:
            return False
        send = self._sockets.sender(node.address, tunnel.heard_on)
        if send is None:
            return False
        self._path.set_peer(number, node, sealer.seal, send)
        return True

    def _set_source(
        self, place: Place, node: Node, number: int, tunnel: Tunnel, service: Service
    ) -> bool:
        opener = None if tunnel.opener is None else tunnel.opener.pure
        if opener is None or service is not Service.MOVE:
            return True
        index, address = place
        return self._path.add_source(index, address, node, number, opener.open)
