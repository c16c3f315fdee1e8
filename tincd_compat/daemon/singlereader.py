"""Reading of device and sockets in Python while packets come one at a time.

Only a further read tells whether a packet came alone.  A read that finds nothing costs
as much as moving the packet, and would delay its answer.  The burst before is a good
guess instead: after a burst of one packet, each packet takes the single-packet path
(:class:`Singles`) and the loop waits again, until one packet follows another so closely
that more may be there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from tincd_compat import logs
from tincd_compat.device.tun import TunTap
from tincd_compat.mesh.node import Mesh
from tincd_compat.segments.superpacket import SuperPacket
from tincd_compat.transport.udp import Datagram, UdpSockets
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.singles import Singles

Frames: TypeAlias = list[bytearray | SuperPacket]

#: Seconds between packets that come alone; moving one takes some 10 microseconds.
LEAST_PAUSE: Final = 50e-6

_DEBUG: Final = logging.DEBUG
# Members are looked up slowly.
_QUIET: Final = Progress.QUIET
_REFUSED: Final = Progress.REFUSED


class SingleReader:
    """Readers of a device and of sockets: True if nothing but packets was touched.

    A burst is read by ``read_burst``, which gets the frames that it begins with, or by
    ``receive_burst``, which gets the index of the socket before.  They return the
    whole burst.
    """

    def __init__(
        self,
        device: TunTap,
        sockets: UdpSockets,
        pipeline: Pipeline,
        mesh: Mesh,
        clock: Callable[[], float],
        read_burst: Callable[[Frames], Sequence[bytearray | SuperPacket]],
        receive_burst: Callable[[int, list[Datagram]], Sequence[Datagram]],
    ) -> None:
        self._device = device
        self._sockets = sockets
        self._pipeline = pipeline
        self._read_burst = read_burst
        self._receive_burst = receive_burst
        self._singles = Singles(pipeline, mesh, sockets, device.write_one, clock)
        self._clock = clock
        self._device_is_calm = False
        self._calm_sockets: set[int] = set()
        #: When packets were moved last: outward, and inward.
        self._moved_out = self._moved_in = 0.0

    # A function call on the single-packet path is felt: hence these long functions.

    def from_device(self) -> bool:
        """Move the packets that are in the device."""
        last, self._moved_out = self._moved_out, self._clock()
        # The level and not what the logger makes of it: see above.
        if (
            not self._device_is_calm
            or self._moved_out - last < LEAST_PAUSE
            or logs.traffic.level <= _DEBUG
        ):
            return self._burst_of_device([])
        try:
            frame = self._device.read_one()
        except OSError:
            # Bursts count failures, and what succeeds after them.
            return self._burst_of_device([])
        if frame is None:
            return True
        if isinstance(frame, SuperPacket) or not self._singles.outward(frame):
            return self._burst_of_device([frame])
        return True

    def _burst_of_device(self, first: Frames) -> bool:
        frames = self._read_burst(first)
        # Bursts count failures: what comes next ends them, or is one more.
        self._device_is_calm = len(frames) == 1 and not self._device.read_pause
        if self._device_is_calm and not isinstance(frames[0], SuperPacket):
            self._singles.sent(frames[0])
        return False

    def from_udp(self, index: int) -> bool:
        """Move the datagrams that are in a socket."""
        last, self._moved_in = self._moved_in, self._clock()
        if (
            index not in self._calm_sockets
            or self._moved_in - last < LEAST_PAUSE
            or logs.traffic.level <= _DEBUG
        ):
            return self._burst_of_socket(index, [])
        try:
            message = self._sockets.sockets[index].read()
        except OSError as error:
            self._sockets.read_failed(error)
            return True
        if message is None:
            return True
        data, size, source = message
        if size >= len(data):
            progress = self._singles.inward(index, data, source, self._moved_in)
            if progress is not _REFUSED:
                return progress is _QUIET
        first = self._sockets.cut(index, message)
        return self._burst_of_socket(index, first, source)

    def _burst_of_socket(
        self,
        index: int,
        first: list[Datagram],
        unknown: tuple[Any, ...] | None = None,
    ) -> bool:
        before = self._pipeline.receiver.junk
        datagrams = self._receive_burst(index, first)
        junk = self._pipeline.receiver.junk - before
        if len(datagrams) != 1 or junk:
            # Whoever is forged would have his MAC tested twice each time.
            self._calm_sockets.discard(index)
            return junk == len(datagrams)
        self._calm_sockets.add(index)
        if unknown is not None:
            self._singles.received(index, unknown, datagrams[0][1])
        return False
