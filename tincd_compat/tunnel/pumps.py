"""The compiled pumps at work: what becomes of the packets that they hand back.

They move packets between device and UDP as long as their tables say where to
(:mod:`.tables`).  Numbers of packets, replay windows and ciphers are in the compiled
sealers and openers that the Python way works with too: the two can take turns with
every packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat._fast import SWITCHED_OFF, core
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.routing.headers import Buffer
from tincd_compat.segments.superpacket import SuperPacket
from tincd_compat.tunnel.codec import DROPS
from tincd_compat.tunnel.compression import Decompressor
from tincd_compat.tunnel.drops import Loss
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.ports import Progress, PumpDevice, PumpSockets
from tincd_compat.tunnel.strangers import Strangers
from tincd_compat.tunnel.tables import Place, PumpTables, Service
from tincd_compat.tunnel.tunnel import Tunnel

if TYPE_CHECKING:
    from tincd_compat._fast._core import Outcome

#: Packets from the device in one call: two trains, as much as a C peer can take.
PUMP_BURST: Final = 128
#: Reads of a socket in one call, each of up to eight coalesced messages.
BATCHES: Final = 2
#: Why datagrams were dropped, as the pump numbers it.
_REASONS: Final = (
    *DROPS,
    *(Loss.UNKNOWN_SOURCE, Loss.TOO_LONG, Loss.INVALID_SIZE),
)
_STRANGER: Final = len(DROPS)


__all__ = ["SWITCHED_OFF", "Pumps", "Sender", "built", "handler", "start"]


class Sender(NamedTuple):
    """Whose frames come out of a pump, and what unpacks them, if they are packed."""

    node: Node
    unpack: Decompressor | None


class _Report(IntEnum):
    TOO_BIG = 0
    SEND_ERROR = 1
    TRAIN_REFUSED = 2
    NOT_SEALED = 3
    FULL = 4


def start(
    device: PumpDevice | None, pipeline: Pipeline, mesh: Mesh, sockets: PumpSockets
) -> Pumps | None:
    """Return pumps for a device, or None if it has to be the Python way."""
    if core is None or device is None or not pipeline.flows.inward:
        return None
    return Pumps(device, pipeline, mesh, sockets)


def built() -> bool:
    """Return whether there is a compiled half, used or not."""
    return core is not None


def handler(pumps: Pumps | None) -> str:
    """Return who moves ordinary packets, in words for the log."""
    if pumps is not None:
        both = "compiled code"
        return both if pumps.outward else f"{both} inward, Python code outward"
    return "Python code" if core is None else "Python code with compiled steps"


class Pumps(PumpTables):
    """Both pumps of the daemon; :meth:`from_device` and :meth:`from_udp` run them."""

    def __init__(
        self, device: PumpDevice, pipeline: Pipeline, mesh: Mesh, sockets: PumpSockets
    ) -> None:
        flows = pipeline.flows
        self._switching = flows.switching
        self._pump = core.Pump(
            device.fileno(),
            device.tap,
            device.vnet,
            self._switching,
            device.coalescing,
            device.coalescing_udp,
            flows.relays,
        )
        super().__init__(self._pump, pipeline.tunnel, mesh, flows.station_memory)
        self._pipeline = pipeline
        self._flows = flows
        self._device = device
        self._sockets = sockets
        self._strangers = Strangers(self._pump, mesh, pipeline.receiver.lookup)
        self._counted = 0, 0
        self._dropped = self._pump.drops
        self._descriptors = sockets.descriptors()
        for index, fd in enumerate(self._descriptors):
            self._pump.watch(fd, index)
        if self.outward:
            self._pump.watch(device.fileno(), None)
        flows.attach(self)

    @property
    def outward(self) -> bool:
        """Whether frames from the device are moved too."""
        return self._flows.outward

    def close(self) -> None:
        """Let go of everything; the pumps must not run again."""
        self._flows.detach(self)

    # What is special about this pump.

    def _set_peer(self, number: int, node: Node) -> bool:
        tunnel, address = self._pipeline.tunnel(node), node.address
        session, ids = tunnel.session_sealer, b""
        outgoing = tunnel.sealer if session is None else session.bare
        sealer = None if outgoing is None else outgoing.compiled
        if session is not None:
            ids = session.straight
        if sealer is None or address is None:
            return False
        endpoint = self._sockets.endpoint(address, tunnel.heard_on)
        if endpoint is None:
            return False
        fd, segmentation, local = endpoint
        place = address.host, address.port, address.scope
        self._pump.set_peer(number, node, sealer, fd, *place, segmentation, local, ids)
        return True

    def _set_source(
        self, place: Place, node: Node, number: int, tunnel: Tunnel, service: Service
    ) -> bool:
        if tunnel.session_opener is not None:
            opened = tunnel.session_opener.compiled
            *where, local = place
            sender = Sender(node, None)
            return self._pump.add_source(
                *(sender, number, opened, *where, None, service, local)
            )
        opener, other = tunnel.opener, tunnel.openers.other
        assert opener is not None
        compiled = opener.compiled
        # What is only tested needs a MAC, and both keys somebody who tests them.
        if service is Service.TEST and not opener.authenticates:
            compiled = None
        if other is not None and other.compiled is None:
            compiled = None
        socket, host, port, scope, local = place
        return self._pump.add_source(
            Sender(node, opener.unpack),
            number,
            compiled,
            *(socket, host, port, scope),
            None if other is None else other.compiled,
            service,
            local,
        )

    def forget(self) -> None:
        super().forget()
        self._strangers.heed()

    def forget_node(self, node: Node) -> None:
        super().forget_node(node)
        self._strangers.heed()

    # Both.

    def serve(self, epoll: int, seconds: float, clock: Callable[[], float]) -> Progress:
        """Wait for packets on an epoll instance and move them; negative is for ever.

        Whole milliseconds are waited.  QUIET if the time is over, REFUSED if there is
        something to look at.
        """
        if self._pipeline.begin():
            return Progress.REFUSED
        if self._switching:
            self.expire_stations(clock())
            if not 0 <= seconds < self._station_memory:
                seconds = self._station_memory
        served = self._pump.serve(epoll, round(seconds * 1000), PUMP_BURST, BATCHES)
        self._count()
        if isinstance(served, bool):
            return Progress.QUIET if served else Progress.REFUSED
        index, outcome = served
        if index is None:
            return self._from_device(outcome, clock())
        return self._from_udp(index, outcome, clock())

    # Outward.

    def from_device(self, now: float) -> Progress:
        """Move frames from the device."""
        if not self.outward or self._pipeline.begin():
            return Progress.REFUSED
        if self._switching:
            self.expire_stations(now)
        outcome = self._pump.out(PUMP_BURST)
        self._count()
        return Progress.QUIET if outcome is None else self._from_device(outcome, now)

    def _from_device(self, outcome: Outcome, now: float) -> Progress:
        back, _, _, reports, read_error, _, _ = outcome
        self._heed(reports)
        if back:
            frames = [
                SuperPacket(*item) if isinstance(item, tuple) else item for item in back
            ]
            # The pump has counted only what it sent.
            self._device.moved(sum(map(_size, frames)), 0)
            self._pipeline.from_device(frames, now)
            self._flows.add_outward(self, [_frame(item) for item in frames])
        # Failures to read are counted and told where Python reads.
        return Progress.REFUSED if read_error else Progress.HEEDED

    def _heed(self, reports: Iterable[tuple[int, Node, int]]) -> None:
        """Act on what happened to trains."""
        for kind, node, value in reports:
            match kind:
                case _Report.TOO_BIG:
                    self._pipeline.too_big(node, value)
                case _Report.SEND_ERROR:
                    self._sockets.refused(node.name, node.address, value)
                case _Report.TRAIN_REFUSED:
                    index = self._pipeline.tunnel(node).heard_on
                    self._sockets.train_refused(node.address, index, value)
                case _Report.FULL:
                    self._full(node, value)
                case _:
                    self._pipeline.not_sealed(node, value)

    def _full(self, node: Node, lost: int) -> None:
        """Datagrams for a node have found the buffer of a socket full."""
        address, heard_on = node.address, self._pipeline.tunnel(node).heard_on
        index = None if address is None else self._sockets.choose(address, heard_on)
        if index is not None:
            limit = self._sockets.full(index, lost, self._pump.sent(index))
            self._pump.limit_runs(index, *limit)

    # Inward.

    def from_udp(self, index: int, now: float) -> Progress:
        """Move datagrams of a socket."""
        if self._pipeline.begin():
            return Progress.REFUSED
        milliseconds = int(now * 1000)
        outcome = self._pump.receive(
            self._descriptors[index], index, BATCHES, milliseconds
        )
        self._count()
        if outcome is None:
            return Progress.QUIET
        return self._from_udp(index, outcome, now)

    def _from_udp(self, index: int, outcome: Outcome, now: float) -> Progress:
        _, datagrams, opened, reports, read_error, write_error, refused = outcome
        self._heed(reports)
        if refused:
            self._device.pieces_refused(write_error)
        elif write_error:
            self._device.write_failed(write_error)
        if opened:
            self._take(opened, index, now)
        if datagrams:
            self._receive(datagrams, index, now)
        # Failures to read are counted and told where Python reads.
        return Progress.REFUSED if read_error else Progress.HEEDED

    def _take(self, opened: list[tuple[Sender, bytes]], index: int, now: float) -> None:
        """Act on frames that came through a tunnel and are not only to be written."""
        for (node, unpack), items in groupby(opened, itemgetter(0)):
            frames = [frame for _, frame in items]
            self._pipeline.from_tunnel(node, frames, index, now, unpack)
            if unpack is None:
                self._flows.add_inward(self, node, frames)

    def _receive(
        self, datagrams: list[tuple[bytes, str, int, int, str]], index: int, now: float
    ) -> None:
        """Find out who sent these datagrams, and let the pump know."""
        addresses = {
            (index, *place): self._sockets.source(index, *place)
            for place in {item[1:] for item in datagrams}
        }
        received = [(item[0], addresses[index, *item[1:]], index) for item in datagrams]
        self._pipeline.from_udp(received, now)
        for place, address in addresses.items():
            self.add_source(place, address)
            known = place in self._sources
            self._strangers.ignore(place, address, now, known=known)

    def _count(self) -> None:
        counted = self._pump.bytes_in, self._pump.bytes_out
        if counted != self._counted:
            before_in, before_out = self._counted
            self._device.moved(counted[0] - before_in, counted[1] - before_out)
            self._counted = counted
        dropped = self._pump.drops
        if dropped != self._dropped:
            self._count_drops(dropped)

    def _count_drops(self, dropped: tuple[int, ...]) -> None:
        counts = zip(_REASONS, dropped, self._dropped, strict=True)
        for reason, after, before in counts:
            if reason is not None and after != before:
                self._pipeline.lose(reason, after - before)
        strangers = dropped[_STRANGER] - self._dropped[_STRANGER]
        self._pipeline.receiver.lookup.ignored(strangers)
        self._dropped = dropped


def _frame(item: bytearray | SuperPacket) -> Buffer:
    return item.frame if isinstance(item, SuperPacket) else item


def _size(item: bytearray | SuperPacket) -> int:
    return item.total_size if isinstance(item, SuperPacket) else len(item)
