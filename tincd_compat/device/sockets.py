"""Devices whose frames are the datagrams of one socket.

The socket never waits.  What a frame needs on its way in or out differs; how many may
be taken at once, what is counted and logged, and what an error means is the same.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from tincd_compat import logs
from tincd_compat.checksums import Buffer
from tincd_compat.device.failures import ReadFailures, WriteFailures
from tincd_compat.segments.offload import SuperPacket

#: The largest IP packet, an Ethernet header and a VLAN tag.
MAX_FRAME = 65535 + 18


class SocketDevice:
    """The common part of socket devices; see :class:`Device`.

    A subclass may change ``_receive`` and ``_send``.
    """

    def __init__(self, sock: socket.socket, path: str, interface: str, info: str):
        self.path = path
        self.interface = interface
        self.info = info
        self.bytes_in = 0
        self.bytes_out = 0
        self.read_pause = 0.0
        self._sock = sock
        self._refusals = WriteFailures(info, path)
        self._failures = ReadFailures(info, path)
        logs.always.info("%s is a %s", path, info)

    @property
    def failure(self) -> str | None:
        """Why the device does not work, in words; None if it does."""
        return self._failures.words or self._refusals.words(self.bytes_out)

    def fileno(self) -> int:
        return self._sock.fileno()

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        """Return the frames that are ready, at most ``limit``; see :class:`Device`."""
        frames: list[bytearray | SuperPacket] = []
        failure: OSError | None = None
        try:
            while limit > 0:
                frame = self._receive()
                limit -= frame.segments if isinstance(frame, SuperPacket) else 1
                if frame:
                    frames.append(frame)
        except BlockingIOError:
            pass
        except OSError as error:
            failure = error
        if frames:
            self._failures.succeeded()
            self._count(frames)
        self.read_pause = self._failures.failed(failure) if failure else 0.0
        return frames

    def _receive(self) -> bytearray | SuperPacket:
        """Return the next frame, empty for one to be ignored; OSError."""
        return bytearray(self._sock.recv(MAX_FRAME))

    def _count(self, frames: Sequence[bytearray | SuperPacket]) -> None:
        for frame in frames:
            size = frame.total_size if isinstance(frame, SuperPacket) else len(frame)
            self.bytes_in += size
            logs.traffic.debug("Read packet of %d bytes from %s", size, self.info)

    def tun_tap(self) -> None:
        """Return None: the device is none of /dev/net/tun."""

    def offload_names(self) -> Sequence[str]:
        """Return nothing: the device has no offloads."""
        return ()

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        """Write frames; those that the system refuses are lost."""
        log = logs.traffic.isEnabledFor(logging.DEBUG)
        failed: set[int | None] = set()
        for frame in frames:
            if log:
                text = "Writing packet of %d bytes to %s"
                logs.traffic.debug(text, len(frame), self.info)
            try:
                self._send(frame)
            except OSError as error:
                told = error.errno in failed
                self._refusals.failed(error, self.bytes_out, told=told)
                failed.add(error.errno)
            else:
                self.bytes_out += len(frame)

    def _send(self, frame: Buffer) -> None:
        self._sock.send(frame)

    def close(self) -> None:
        self._sock.close()
