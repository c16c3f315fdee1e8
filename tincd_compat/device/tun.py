"""Linux tun and tap devices.

A tun device gives and takes IP packets behind four bytes of packet information:

    tun   |  flags (2) | ethertype (2) | IP packet
    frame |  destination (6) | source (6) | ethertype (2) | payload

so a frame is ten zero bytes and what was read, with the flags zeroed too.  A tap device
gives and takes frames as they are.  With offloads (:mod:`.vnet`) ten bytes stand in
front of what is called packet and payload here.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import interface_fault
from tincd_compat.device.failures import ReadFailures, WriteFailures
from tincd_compat.device.system import (
    SIOCGIFHWADDR,
    TUNSETIFF,
    Buffer,
    System,
    interface_name,
    interface_request,
)
from tincd_compat.device.vnet import HEADER_SIZE, PLAIN, Offloads, OffloadWishes
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket, split

DEFAULT_PATH: Final = "/dev/net/tun"

_IFF_TUN: Final = 0x0001
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000

_PACKET_INFORMATION: Final = 4
_TUN_OFFSET: Final = 10
# The largest IP packet, an Ethernet header and a VLAN tag.  Interfaces may be given an
# MTU beyond 1500: such packets are read whole, so that routing can name the limit.
_FRAME_SIZE: Final = 65535 + 18

_ADVICE: Final = {
    errno.ENOENT: "there is no such file; {default} is the usual device",
    errno.ENODEV: "nothing in the kernel serves it; {default} is the usual device",
    errno.ENXIO: "nothing in the kernel serves it; {default} is the usual device",
    errno.EACCES: "start as root, or let this user open {path}",
    errno.EPERM: "it takes CAP_NET_ADMIN, or an interface made for this user with"
    " `ip tuntap add'",
    errno.EBUSY: "another process has it open",
    errno.EINVAL: "an interface of that name and of another kind exists",
    errno.ENOTTY: "{path} is no tun/tap device",
}
#: What is true of the driver's own device only.
_ADVICE_ON_DEFAULT: Final = {
    errno.ENOENT: "`modprobe tun' makes it; containers need it passed in",
    errno.ENODEV: "the kernel has no tun driver; `modprobe tun' loads it",
    errno.ENXIO: "the kernel has no tun driver; `modprobe tun' loads it",
}

# What tincd takes for the device's address until it has seen a better one.
DEFAULT_MAC: Final = bytes.fromhex("fefd00000000")
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
        offloads: OffloadWishes,
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
        self._refusals = WriteFailures(self.info, self.path)
        self._failures = ReadFailures(self.info, self.path)
        #: The error of a single read that no batch has counted yet.
        self._failure: OSError | None = None
        self._fd = self._open()
        self.tap = tap
        self.vnet = offloads.any
        self.interface = self._attach(interface)
        self.offloads = Offloads(system, self._fd, 0 if tap else 14)
        self._rewrites = tap and router
        self._own_address = self._hardware_address() if tap else bytes(6)
        # Offloads outlive the descriptor on a persistent interface: another program may
        # have left some on.
        self.offloads.reset()
        if self.vnet:
            head = b"" if tap else b"\0\0\x08\0"
            self.offloads.start(offloads, head, self._own_address)
        self._prepare_buffers()
        logs.always.info("%s is a %s", self.path, self.info)

    def _prepare_buffers(self) -> None:
        """Let reads leave frames in one buffer and the kernel's headers in another."""
        self._offset = 0 if self.tap else _TUN_OFFSET
        self._buffer = bytearray(_TUN_OFFSET + _PACKET_INFORMATION + _FRAME_SIZE)
        self._header = bytearray(HEADER_SIZE if self.vnet else 0)
        pi = 0 if self.tap else _PACKET_INFORMATION
        # What a read brings before the first byte of a packet.
        self._overhead = len(self._header) + pi
        whole, header = memoryview(self._buffer), memoryview(self._header)
        if not self.vnet:
            self._into = [whole[self._offset :]]
        elif self.tap:
            self._into = [header, whole]
        else:
            self._into = [whole[10:14], header, whole[14:]]

    def _open(self) -> int:
        try:
            return self._system.open(self.path)
        except OSError as error:
            text = f"Could not open {self.path}: {error.strerror}"
            raise DeviceError(text + _advice(error, self.path)) from error

    def _attach(self, interface: str) -> str:
        """Attach to the interface and return its name."""
        flags = _IFF_TAP | _IFF_NO_PI if self.tap else _IFF_TUN
        name = os.fsencode(interface)
        if self.vnet:
            try:
                return self._request(interface_request(name, flags | _IFF_VNET_HDR))
            except OSError:
                # Whatever it was: either it is gone without, or it is told below.
                self.vnet = False
        request = interface_request(name, flags)
        try:
            return self._request(request)
        except OSError as error:
            self._system.close(self._fd)
            self._fd = -1
            text = f"Error while trying to configure {self.path}: {error.strerror}"
            advice = _advice(error, self.path, interface_name(request))
            raise DeviceError(text + advice) from error

    def _request(self, request: bytes) -> str:
        return interface_name(self._system.ioctl(self._fd, TUNSETIFF, request))

    def _hardware_address(self) -> bytes:
        request = interface_request(os.fsencode(self.interface))
        try:
            return self._system.ioctl(self._fd, SIOCGIFHWADDR, request)[18:24]
        except OSError:
            return DEFAULT_MAC

    def fileno(self) -> int:
        return self._fd

    def tun_tap(self) -> TunTap:
        """Return the device; see :class:`Device`."""
        return self

    def offload_names(self) -> Sequence[str]:
        """Return the offloads in use; see :class:`Device`."""
        return self.offloads.names()

    def direct(self) -> TunTap | None:
        """Return the device if others can move its packets in its place.

        None if they would need to know more.
        """
        return None if self._rewrites else self

    @property
    def coalescing(self) -> bool:
        """Whether the kernel takes super-packets of TCP."""
        return self.offloads.coalescing

    @property
    def coalescing_udp(self) -> bool:
        """Whether the kernel takes super-packets of UDP."""
        return self.offloads.coalescing_udp

    @property
    def failure(self) -> str | None:
        """Why the device does not work, in words; None if it does."""
        return self._failures.words or self._refusals.words(self.bytes_out)

    def moved(self, bytes_in: int, bytes_out: int) -> None:
        """Count bytes of frames that were moved through :meth:`direct`."""
        if bytes_in:
            self._failures.succeeded()
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    def write_failed(self, error: int) -> None:
        refusal = OSError(error, os.strerror(error))
        self._refusals.failed(refusal, self.bytes_out)

    def pieces_refused(self, error: int) -> None:
        self.offloads.refused(OSError(error, os.strerror(error)))

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        """Return the frames that are ready, at most ``limit``; see :class:`Device`."""
        frames: list[bytearray | SuperPacket] = []
        failure, self._failure = self._failure, None
        if failure is not None:
            limit = 0
        readv, offset = self._system.readv, self._offset - len(self._header)
        try:
            while limit > 0:
                size = readv(self._fd, self._into)
                if size <= self._overhead:
                    break
                frame = self._accept(self._buffer[: offset + size])
                limit -= frame.segments if isinstance(frame, SuperPacket) else 1
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

    def read_one(self) -> bytearray | SuperPacket | None:
        """Return one frame, None if there is none; OSError as from the system.

        The error ends the next batch, which counts it, before anything is read.
        """
        try:
            size = self._system.readv(self._fd, self._into)
        except BlockingIOError:
            return None
        except OSError as error:
            self._failure = error
            raise
        if size <= self._overhead:
            return None
        frame = self._buffer[: self._offset - len(self._header) + size]
        if self.tap or (self.vnet and self._header != PLAIN):
            return self._accept_one(frame)
        frame[10] = frame[11] = 0
        self.bytes_in += len(frame)
        return frame

    def _accept_one(self, packet: bytearray) -> bytearray | SuperPacket:
        frame = self._accept(packet)
        if isinstance(frame, SuperPacket):
            self.bytes_in += frame.total_size
        else:
            self.bytes_in += len(frame)
        return frame

    def _accept(self, frame: bytearray) -> bytearray | SuperPacket:
        if not self.tap:
            frame[10] = frame[11] = 0
        elif self._rewrites and asks_for_neighbour(frame):
            self._own_address = bytes(frame[6:12])
        if self.vnet and self._header != PLAIN:
            return self.offloads.accept(self._header, frame)
        return frame

    def _count(self, frames: list[bytearray | SuperPacket]) -> None:
        log = logs.traffic.isEnabledFor(logging.DEBUG)
        for frame in frames:
            size = frame.total_size if isinstance(frame, SuperPacket) else len(frame)
            self.bytes_in += size
            if log:
                text = "Read packet of %d bytes from %s"
                logs.traffic.debug(text, size, self.info)

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        """Write frames to the interface; see :class:`Device`."""
        if logs.traffic.isEnabledFor(logging.DEBUG):
            for frame in frames:
                text = "Writing packet of %d bytes to %s"
                logs.traffic.debug(text, len(frame), self.info)
        failed: set[int | None] = set()
        for item in self.offloads.merge(frames):
            if isinstance(item, SuperPacket):
                self._write_pieces(item, failed)
            else:
                self._write(item, PLAIN, len(item), failed)

    def write_one(self, frame: Buffer) -> None:
        """Write one frame, as a batch of one that nobody logs."""
        if self.tap:
            parts = self._parts(frame, PLAIN)
        else:
            parts = (b"\0\0" + frame[12:14] + bytes(len(self._header)), frame[14:])
        try:
            self._system.writev(self._fd, parts)
        except OSError as error:
            self._refusals.failed(error, self.bytes_out)
        else:
            self.bytes_out += len(frame)

    def _write_pieces(self, packet: SuperPacket, failed: set[int | None]) -> None:
        """Write a super-packet, or its frames if the kernel does not like it."""
        header = self.offloads.header(packet)
        error = self._try(packet.frame, header)
        if error is None:
            self.bytes_out += packet.total_size
        elif self.offloads.refused(error):
            for frame in split(*packet):
                self._write(frame, PLAIN, len(frame), failed)
        else:
            self._failed(error, failed)

    def _write(
        self, frame: Buffer, header: bytes, size: int, failed: set[int | None]
    ) -> None:
        error = self._try(frame, header)
        if error is None:
            self.bytes_out += size
        else:
            self._failed(error, failed)

    def _try(self, frame: Buffer, header: bytes) -> OSError | None:
        """Write one frame behind what the kernel wants in front of it."""
        try:
            self._system.writev(self._fd, self._parts(frame, header))
        except OSError as error:
            return error
        return None

    def _parts(self, frame: Buffer, header: bytes) -> Sequence[Buffer]:
        if not self.vnet:
            header = b""
        view = memoryview(frame)
        if not self.tap:
            return b"\0\0" + frame[12:14] + header, view[14:]
        if self._rewrites:
            return header + self._own_address, view[6:]
        return header, view

    def _failed(self, error: OSError, failed: set[int | None]) -> None:
        # An interface that is down refuses every frame: once is enough to say.
        told = error.errno in failed
        self._refusals.failed(error, self.bytes_out, told=told)
        failed.add(error.errno)

    def close(self) -> None:
        """Give the interface back; it disappears unless it is persistent."""
        if self._fd >= 0:
            self.offloads.reset()
            self._system.close(self._fd)
            self._fd = -1


def _advice(error: OSError, path: str, interface: str | None = None) -> str:
    """Return the meaning of an error and its remedy, in parentheses."""
    code = error.errno or 0
    advice = _ADVICE.get(code, "").format(path=path, default=DEFAULT_PATH)
    if path == DEFAULT_PATH:
        advice = _ADVICE_ON_DEFAULT.get(code, advice)
    what = f"interface {interface}" if interface else ""
    if interface and code == errno.EINVAL:
        advice = interface_fault(interface) or advice
    text = ": ".join(part for part in (what, advice) if part)
    return f" ({text})" if text else ""


def asks_for_neighbour(frame: bytearray) -> bool:
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
