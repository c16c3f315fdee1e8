"""The compiled pumps: what they are told, and what becomes of what they hand back.

A pump moves packets between device and UDP as long as nothing is special about them.
It knows of the mesh only what it was told here: who owns an address, the way to an
owner, how to send to a node, who is behind a UDP address.  It is told when something
comes back that it could have dealt with, and forgets what the ``FlowTable`` says is
void.  So it never knows more than the tables it is told from, and a miss costs no more
than the Python way.

Numbers of packets, replay windows and ciphers are in the compiled sealers and openers
that the Python way works with too: the two can take turns with every packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, IntEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol

from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.segments.superpacket import SuperPacket
from tincd_compat.tunnel import sources, ways
from tincd_compat.tunnel.codec import DROPS
from tincd_compat.tunnel.flows import NO_SHORT_WAY, Flow
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.sources import Sender, Sources
from tincd_compat.tunnel.ways import Numbers, Ways

if TYPE_CHECKING:
    from tincd_compat._fast._core import Outcome

#: Packets from the device in one call: two trains, as much as a C peer can take.
PUMP_BURST: Final = 128
#: Reads of a socket in one call, each of up to eight coalesced messages.
BATCHES: Final = 2
#: Why datagrams were dropped, as the pump numbers it.
_REASONS: Final = (
    *("" if drop is None else drop.value for drop in DROPS),
    *("unknown source", "too long", "invalid size"),
)
_STRANGER: Final = len(DROPS)


class Owner(Protocol):
    """The part of a device that stays with it."""

    def moved(self, bytes_in: int, bytes_out: int) -> None:
        """Count bytes of frames that were read and written."""

    def write_failed(self, error: int) -> None:
        """The system has refused frames; ``error`` is an errno."""

    def pieces_refused(self, error: int) -> None:
        """The system has refused a super-packet and gets no more."""


class Direct(Protocol):
    """How to read and write the packets of a device in its place."""

    @property
    def owner(self) -> Owner: ...
    @property
    def fd(self) -> int: ...
    @property
    def tap(self) -> bool: ...
    @property
    def vnet(self) -> bool: ...
    @property
    def coalescing(self) -> bool: ...
    @property
    def coalescing_udp(self) -> bool: ...


class Sockets(ways.Sockets, sources.Sockets, Protocol):
    """The UDP sockets, numbered as the listening addresses are."""

    def descriptors(self) -> Sequence[int]: ...

    def train_refused(
        self, address: SocketAddress | None, remembered: int, error: int
    ) -> None:
        """The system has refused a train whose datagrams it takes singly."""

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        """The system has refused datagrams."""

    def choose(self, address: SocketAddress, remembered: int) -> int | None:
        """Return the index of the socket to send from, None if no family fits."""

    def full(self, index: int, lost: int, sent: int) -> tuple[int, int]:
        """So many datagrams have found the buffer of a socket full.

        ``sent`` counts the bytes that the socket has ever taken from the pump.  Returns
        the bytes of a message from now on, and after how many more that is over.
        """


class Progress(Enum):
    """What came of a call of a pump."""

    #: Packets were moved, if there were any, and nothing else was touched.
    QUIET = "quiet"
    #: Something was handed back and dealt with.
    HEEDED = "heeded"
    #: It has to be done in Python.
    REFUSED = "refused"


class _Report(IntEnum):
    TOO_BIG = 0
    SEND_ERROR = 1
    TRAIN_REFUSED = 2
    NOT_SEALED = 3
    FULL = 4


def start(
    device: Direct | None, pipeline: Pipeline, mesh: Mesh, sockets: Sockets
) -> Pumps | None:
    """Return pumps for a device, or None if it has to be the Python way."""
    if core is None or device is None or not pipeline.flows.inward:
        return None
    return Pumps(device, pipeline, mesh, sockets)


def handler(pumps: Pumps | None) -> str:
    """Return who moves ordinary packets, in words for the log."""
    if pumps is not None:
        both = "compiled code"
        return both if pumps.outward else f"{both} inward, Python code outward"
    return "Python code" if core is None else "Python code with compiled steps"


class Pumps:
    """Both pumps of the daemon; :meth:`from_device` and :meth:`from_udp` run them."""

    def __init__(
        self, device: Direct, pipeline: Pipeline, mesh: Mesh, sockets: Sockets
    ) -> None:
        self._switching = pipeline.flows.switching
        self._pump = core.Pump(
            device.fd,
            device.tap,
            device.vnet,
            self._switching,
            device.coalescing,
            device.coalescing_udp,
            pipeline.flows.relays,
        )
        self._pipeline = pipeline
        self._mesh = mesh
        self._device = device.owner
        self._sockets = sockets
        self._station_memory = pipeline.flows.station_memory
        self._forgot_stations = 0.0
        self._numbers = Numbers()
        self._ways = Ways(self._pump, self._numbers, pipeline, sockets)
        self._sources = Sources(self._pump, self._numbers, pipeline, mesh, sockets)
        self._counted = 0, 0
        self._dropped = self._pump.drops
        self._descriptors = sockets.descriptors()
        for index, fd in enumerate(self._descriptors):
            self._pump.watch(fd, index)
        if self.outward:
            self._pump.watch(device.fd, None)
        pipeline.flows.short_way = self

    @property
    def outward(self) -> bool:
        """Whether frames from the device are moved too."""
        return self._pipeline.flows.outward

    def close(self) -> None:
        """Let go of everything; the pumps must not run again."""
        self.forget()
        self._pipeline.flows.short_way = NO_SHORT_WAY

    # What is void.

    def forget(self) -> None:
        """Nothing that was told counts any more."""
        self._pump.clear()
        self._numbers.forget()
        self._ways.forget()
        self._sources.forget()

    def forget_addresses(self, addresses: Sequence[bytes]) -> None:
        """Others may own these, and authors of frames be announced anew."""
        for address in addresses:
            self._pump.forget_address(address)

    def forget_ways(self, owners: Iterable[Node]) -> None:
        """The ways to these owners of addresses may be other ones."""
        self._ways.forget_ways(owners)

    def forget_node(self, node: Node) -> None:
        """The node may have other keys, or be at another address or socket."""
        self._ways.forget_node(node)
        self._sources.forget_node(node)

    # Both.

    def serve(self, epoll: int, seconds: float, clock: Callable[[], float]) -> Progress:
        """Wait for packets on an epoll instance and move them; negative is for ever.

        Whole milliseconds are waited.  QUIET if the time is over, REFUSED if there is
        something to look at.
        """
        if self._pipeline.begin():
            return Progress.REFUSED
        if self._switching:
            self._forget_stations(clock())
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
            self._forget_stations(now)
        outcome = self._pump.out(PUMP_BURST)
        self._count()
        return Progress.QUIET if outcome is None else self._from_device(outcome, now)

    def _forget_stations(self, now: float) -> None:
        if now - self._forgot_stations > self._station_memory:
            self._pump.clear_stations()
            self._forgot_stations = now

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
            self._tell_ways(frames)
        # Failures to read are counted and told where Python reads.
        return Progress.REFUSED if read_error else Progress.HEEDED

    def _tell_ways(self, frames: Iterable[bytearray | SuperPacket]) -> None:
        """Tell the pump what would have brought these frames on their way."""
        flows = self._pipeline.flows
        told: set[bytes] = set()
        for item in frames:
            frame = item.frame if isinstance(item, SuperPacket) else item
            if self._switching:
                self._pump.add_station(bytes(frame[6:12]))
            destination = flows.destination(frame)
            if destination is None or destination in told:
                continue
            told.add(destination)
            self._tell_way(destination, flows.lookup(destination))

    def _tell_way(self, destination: bytes, flow: Flow | None) -> None:
        if flow is not None and not self._ways.tell(destination, flow):
            # Who is in use comes back, and who is not makes room.
            self.forget()
            self._ways.tell(destination, flow)

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
                self._tell_destinations(node, frames)

    def _tell_destinations(self, node: Node, frames: Iterable[bytes]) -> None:
        """Tell the pump what would have brought these frames on their way."""
        flows = self._pipeline.flows
        told: set[bytes] = set()
        for frame in frames:
            destination = flows.destination(frame)
            if destination is None or destination in told:
                continue
            told.add(destination)
            if flows.is_ours(destination):
                self._pump.add_own(destination)
            else:
                self._tell_way(destination, flows.relay(destination, node))

    def _receive(
        self, datagrams: list[tuple[bytes, str, int, int, str]], index: int, now: float
    ) -> None:
        """Find out who sent these datagrams, and let the pump know."""
        received = [
            (data, self._sockets.source(index, host, port, scope, local), index)
            for data, host, port, scope, local in datagrams
        ]
        self._pipeline.from_udp(received, now)
        for place in {(*item[1:], index) for item in datagrams}:
            if not self._sources.tell(place):
                # Numbers of nodes are forgotten too.
                self.forget()
                self._sources.tell(place)
            self._sources.ignore(place, now)

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
            if after != before:
                self._pipeline.drops[reason] += after - before
        strangers = dropped[_STRANGER] - self._dropped[_STRANGER]
        self._pipeline.receiver.lookup.ignored(strangers)
        self._dropped = dropped


def _size(item: bytearray | SuperPacket) -> int:
    return item.total_size if isinstance(item, SuperPacket) else len(item)
