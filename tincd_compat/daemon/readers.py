"""The readers of the device and of the UDP sockets, and how much they read at a time.

The compiled pumps read first, if they can be had; what they leave is read in Python, in
bursts, or by a :class:`SingleReader` while packets come alone.  What a burst has left
at the end of its turn holds up the reading of where it came from (:mod:`.leftovers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.leftovers import Leftovers
from tincd_compat.daemon.offloads import report
from tincd_compat.daemon.singlereader import SingleReader
from tincd_compat.errors import DeviceError
from tincd_compat.mesh.node import Mesh
from tincd_compat.observe.words import PythonReason
from tincd_compat.segments.superpacket import SuperPacket
from tincd_compat.transport.buffers import ReceiveBuffer
from tincd_compat.transport.loop import (
    add_packet_reader,
    remove_packet_reader,
    set_packet_server,
)
from tincd_compat.transport.udp import Datagram, UdpSockets
from tincd_compat.tunnel import codec, pumps
from tincd_compat.tunnel.pipeline import Origin, Pipeline
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.pumps import Pumps

if TYPE_CHECKING:
    from tincd_compat.device.base import Device

#: Frames or datagrams taken from one source before others get their turn.  A C peer's
#: receive buffer and replay window bear two such bursts.
READ_BURST: Final = 64
#: Bytes of a datagram as streams have them.
LONG: Final = 512


class Readers:
    """The readers of device and sockets; ``suite`` is for the log alone.

    :param elastic: receive buffers are as large as is good, not as somebody wants
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        leftovers: Leftovers,
        pipeline: Pipeline,
        mesh: Mesh,
        suite: Suite,
        *,
        elastic: bool = True,
    ) -> None:
        self._elastic = elastic
        self._loop = loop
        self._leftovers = leftovers
        self._pipeline = pipeline
        self._mesh = mesh
        self._suite = suite
        self._device: Device | None = None
        self._device_failed: Callable[[DeviceError], None]
        #: The device has failed, and is given some time.
        self._resting = False
        self._sockets = UdpSockets([])
        self._buffers: list[ReceiveBuffer] = []
        self._pumps: Pumps | None = None
        self._singles: SingleReader | None = None
        leftovers.attach(self._hold, self._release)

    @property
    def compiled(self) -> bool:
        """Whether the compiled pumps move ordinary packets."""
        return self._pumps is not None

    @property
    def python_why(self) -> PythonReason | None:
        """Why Python moves packets; None if it does not, or nothing is read yet."""
        device = self._device
        if self._pumps is not None or device is None or not self._sockets.sockets:
            return None
        if not pumps.built():
            off = pumps.SWITCHED_OFF
            return PythonReason.SWITCHED_OFF if off else PythonReason.NOT_BUILT
        tun_tap = device.tun_tap()
        if tun_tap is None or tun_tap.direct() is None:
            return PythonReason.DEVICE
        return PythonReason.MODE

    def attach_device(
        self, device: Device, failed: Callable[[DeviceError], None]
    ) -> None:
        """Read frames from the device; ``failed`` hears when that is over for good."""
        self._device = device
        self._device_failed = failed
        self._start_pumps()
        self._watch_device()

    def attach_sockets(self, sockets: UdpSockets) -> None:
        """Receive datagrams on these sockets."""
        self._sockets = sockets
        self._buffers = [
            ReceiveBuffer(udp.sock, elastic=self._elastic) for udp in sockets.sockets
        ]
        self._start_pumps()
        self._watch_sockets()

    def _start_pumps(self) -> None:
        """Move packets the compiled way, once there is something to move them."""
        if self._device is None or not self._sockets.sockets or self._pumps is not None:
            return
        tun_tap = self._device.tun_tap()
        direct = None if tun_tap is None else tun_tap.direct()
        self._pumps = pumps.start(direct, self._pipeline, self._mesh, self._sockets)
        if self._pumps is not None:
            set_packet_server(self._loop, partial(self._serve, self._pumps))
        elif tun_tap is not None:
            self._singles = SingleReader(
                tun_tap,
                self._sockets,
                self._pipeline,
                self._mesh,
                self._loop.time,
                self._read_in_python,
                self._receive_in_python,
            )
            # Whichever of the two came first is being read already.
            self._watch_device()
            self._watch_sockets()
        report(
            self._device,
            self._sockets.sockets,
            pumps.handler(self._pumps),
            codec.cryptography(self._suite),
        )

    def close(self) -> None:
        """Read no more; device and sockets stay open."""
        if self._pumps is not None:
            set_packet_server(self._loop, None)
            self._pumps.close()
            self._pumps = None
        self._singles = None
        self._leftovers.close()
        for udp in self._sockets.sockets:
            remove_packet_reader(self._loop, udp.sock.fileno())
        self._sockets = UdpSockets([])
        if self._device is not None and self._device.fileno() >= 0:
            remove_packet_reader(self._loop, self._device.fileno())
        self._device = None

    # Watched descriptors.

    def _watch_device(self) -> None:
        if self._device is None or self._device.fileno() < 0:
            return
        if self._resting or self._leftovers.holds(None):
            return
        read = self._read_device if self._singles is None else self._singles.from_device
        add_packet_reader(self._loop, self._device.fileno(), read)

    def _watch_sockets(self) -> None:
        for index in range(len(self._sockets.sockets)):
            if not self._leftovers.holds(index):
                self._watch_socket(index)

    def _watch_socket(self, index: int) -> None:
        receive = self._receive if self._singles is None else self._singles.from_udp
        udp = self._sockets.sockets[index]
        add_packet_reader(self._loop, udp.sock.fileno(), partial(receive, index))

    def _hold(self, origin: Origin) -> None:
        """Leave the next packets of an origin to the kernel's queue."""
        if origin is not None:
            udp = self._sockets.sockets[origin]
            remove_packet_reader(self._loop, udp.sock.fileno())
        elif self._device is not None:
            remove_packet_reader(self._loop, self._device.fileno())

    def _release(self, origin: Origin) -> None:
        if origin is None:
            self._watch_device()
        else:
            self._watch_socket(origin)

    def _serve(self, serving: Pumps, epoll: int, seconds: float) -> bool:
        """Wait and move packets; False if descriptors are to be looked at."""
        progress = serving.serve(epoll, seconds, self._loop.time)
        return progress is not Progress.REFUSED

    # Bursts.

    def _read_device(self) -> bool:
        """Move frames out of the device; True if nothing else was touched."""
        if self._pumps is not None:
            progress = self._pumps.from_device(self._loop.time())
            if progress is not Progress.REFUSED:
                return progress is Progress.QUIET
        if not self._leftovers.holds(None):
            self._read_in_python([])
        return False

    def _read_in_python(
        self, first: list[bytearray | SuperPacket]
    ) -> list[bytearray | SuperPacket]:
        """Move a burst of the device, which may have begun, and return it."""
        device = self._device
        if device is None:
            return []
        try:
            frames = first + device.read_batch(READ_BURST - _count(first))
        except DeviceError as error:
            remove_packet_reader(self._loop, device.fileno())
            self._device_failed(error)
            return []
        if device.read_pause:
            self._resting = True
            remove_packet_reader(self._loop, device.fileno())
            self._loop.call_later(device.read_pause, self._rested)
        if frames:
            self._pipeline.from_device(frames, self._loop.time())
        return frames

    def _rested(self) -> None:
        self._resting = False
        self._watch_device()

    def _receive(self, index: int) -> bool:
        """Move datagrams of a socket; True if nothing else was touched."""
        if self._pumps is not None:
            progress = self._pumps.from_udp(index, self._loop.time())
            if progress is not Progress.REFUSED:
                return progress is Progress.QUIET
        if not self._leftovers.holds(index):
            self._receive_in_python(index, [])
        return False

    def _receive_in_python(self, index: int, first: list[Datagram]) -> list[Datagram]:
        """Move a burst of a socket, which may have begun, and return it."""
        datagrams = first + self._sockets.recv_batch(index, READ_BURST - len(first))
        before, now = self._pipeline.receiver.junk, self._loop.time()
        self._pipeline.from_udp(datagrams, now)
        if _is_flood(datagrams, self._pipeline.receiver.junk - before):
            self._buffers[index].flooded(now)
        else:
            self._buffers[index].calm(now)
        return datagrams


def _is_flood(datagrams: Sequence[Datagram], junk: int) -> bool:
    """Tell whether a burst is full, but not for the most part a stream's."""
    if len(datagrams) < READ_BURST:
        return False
    of_streams = sum(len(data) >= LONG for data, _, _ in datagrams) - junk
    return 2 * of_streams < len(datagrams)


def _count(frames: Iterable[bytearray | SuperPacket]) -> int:
    """Return how many frames there are when super-packets are cut."""
    return sum(
        frame.segments if isinstance(frame, SuperPacket) else 1 for frame in frames
    )
