"""Linux tun and tap devices.

A tun device gives and takes IP packets behind four bytes of packet information:

    tun   |  flags (2) | ethertype (2) | IP packet
    frame |  destination (6) | source (6) | ethertype (2) | payload

so a frame is ten zero bytes and what was read, with the flags zeroed too.  A tap device
gives and takes frames as they are.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from typing import Final

from tincd_compat import logs
from tincd_compat.device.failures import ReadFailures
from tincd_compat.device.system import (
    SIOCGIFHWADDR,
    TUNSETIFF,
    System,
    interface_name,
    interface_request,
)
from tincd_compat.errors import DeviceError

DEFAULT_PATH: Final = "/dev/net/tun"

_IFF_TUN: Final = 0x0001
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000

_PACKET_INFORMATION: Final = 4
_TUN_OFFSET: Final = 10
# The largest IP packet, an Ethernet header and a VLAN tag.  Interfaces may be given an
# MTU beyond 1500: such packets are read whole, so that routing can name the limit.
_READ_SIZE: Final = 65535 + 18

# What tincd takes for the device's address until it has seen a better one.
_DEFAULT_MAC: Final = bytes.fromhex("fefd00000000")
_SOLICITATION: Final = 135


class TunTap:
    """One interface of /dev/net/tun."""

    def __init__(
        self,
        path: str | None,
        interface: str,
        *,
        tap: bool,
        router: bool,
        system: System,
    ) -> None:
        """Open ``path`` and attach to ``interface``, creating it if need be.

        An empty name leaves the choice to the kernel.  DeviceError says what failed.
        """
        self.path = path or DEFAULT_PATH
        self.info = f"Linux tun/tap device ({'tap' if tap else 'tun'} mode)"
        self.bytes_in = 0
        self.bytes_out = 0
        self.read_pause = 0.0
        self._system = system
        self._failures = ReadFailures(self.info, self.path)
        self._fd = self._open()
        self.interface = self._attach(
            interface, _IFF_TAP | _IFF_NO_PI if tap else _IFF_TUN
        )
        self._offset = 0 if tap else _TUN_OFFSET
        self._buffer = bytearray(_TUN_OFFSET + _PACKET_INFORMATION + _READ_SIZE)
        self._into = [memoryview(self._buffer)[self._offset :]]
        self._rewrites = tap and router
        # A frame is written as this prefix and itself from ``_skip`` on.
        self._prefix, self._skip = (b"", 0) if tap else (b"\0\0", 12)
        if self._rewrites:
            self._prefix, self._skip = self._hardware_address(), 6
        logs.always.info("%s is a %s", self.path, self.info)

    def _open(self) -> int:
        try:
            return self._system.open(self.path)
        except OSError as error:
            raise DeviceError(
                f"Could not open {self.path}: {error.strerror}"
            ) from error

    def _attach(self, interface: str, flags: int) -> str:
        request = interface_request(os.fsencode(interface), flags)
        try:
            answer = self._system.ioctl(self._fd, TUNSETIFF, request)
        except OSError as error:
            self.close()
            name = interface_name(request)
            attempt = f"interface {name}" if name else "an interface"
            raise DeviceError(
                f"Could not set up {attempt} on {self.path}: {error.strerror}"
            ) from error
        # Offloads outlive the descriptor on a persistent interface: another program may
        # have left some on.  A kernel that cannot switch them off has none.
        with contextlib.suppress(OSError):
            self._system.set_offload(self._fd, 0)
        return interface_name(answer)

    def _hardware_address(self) -> bytes:
        request = interface_request(os.fsencode(self.interface))
        try:
            return self._system.ioctl(self._fd, SIOCGIFHWADDR, request)[18:24]
        except OSError:
            return _DEFAULT_MAC

    @property
    def mtu(self) -> int:
        """The MTU of the interface now; DeviceError if the interface is gone."""
        try:
            return self._system.interface_mtu(self.interface)
        except OSError as error:
            raise DeviceError(
                f"Could not read the MTU of {self.interface}: {error.strerror}"
            ) from error

    def fileno(self) -> int:
        return self._fd

    def read_batch(self, limit: int) -> list[bytearray]:
        """Return the frames that are ready, at most ``limit``; see :class:`Device`."""
        frames: list[bytearray] = []
        failure: OSError | None = None
        try:
            for _ in range(limit):
                size = self._system.readv(self._fd, self._into)
                if size == 0:
                    break
                frames.append(self._buffer[: self._offset + size])
        except BlockingIOError:
            pass
        except OSError as error:
            failure = error
        if frames:
            self._failures.succeeded()
            self._accept(frames)
        self.read_pause = self._failures.failed(failure) if failure else 0.0
        return frames

    def _accept(self, frames: list[bytearray]) -> None:
        log = logs.traffic.isEnabledFor(logging.DEBUG)
        for frame in frames:
            if self._offset:
                frame[10] = frame[11] = 0
            elif self._rewrites and _asks_for_neighbour(frame):
                self._prefix = bytes(frame[6:12])
            if log:
                text = "Read packet of %d bytes from %s"
                logs.traffic.debug(text, len(frame), self.info)
        self.bytes_in += sum(map(len, frames))

    def write_batch(self, frames: Iterable[bytearray]) -> None:
        """Write frames to the interface; see :class:`Device`."""
        log = logs.traffic.isEnabledFor(logging.DEBUG)
        failed: set[int | None] = set()
        for frame in frames:
            if log:
                text = "Writing packet of %d bytes to %s"
                logs.traffic.debug(text, len(frame), self.info)
            parts = (self._prefix, memoryview(frame)[self._skip :])
            try:
                self._system.writev(self._fd, parts)
            except OSError as error:
                # An interface that is down refuses every frame: once is enough to say.
                if error.errno not in failed:
                    self._log_write_error(error)
                failed.add(error.errno)
            else:
                self.bytes_out += len(frame)

    def _log_write_error(self, error: OSError) -> None:
        text = "Can't write to %s %s: %s"
        logs.always.error(text, self.info, self.path, error.strerror)

    def close(self) -> None:
        """Give the interface back; it disappears unless it is persistent."""
        if self._fd >= 0:
            self._system.close(self._fd)
            self._fd = -1


def _asks_for_neighbour(frame: bytearray) -> bool:
    """Tell whether this is ARP or a neighbour solicitation, written by the kernel.

    Their source is the device's own address; that of other frames may be of a machine
    bridged to it.
    """
    kind = frame[12:14]
    if kind == b"\x08\x06":
        return len(frame) >= 42
    return (
        kind == b"\x86\xdd"
        and len(frame) >= 78
        and frame[20] == 58
        and frame[54] == _SOLICITATION
    )
