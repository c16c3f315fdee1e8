"""What a virtual network device offers, and the choice among drivers by DeviceType.

Frames are Ethernet frames without check sequence for every driver; a driver for bare IP
packets adds and removes the 14 bytes.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import field
from typing import Protocol

from tincd_compat.dataclass import dataclass
from tincd_compat.device.multicast import open_multicast
from tincd_compat.device.raw import open_raw
from tincd_compat.device.system import Buffer, System
from tincd_compat.device.tun import TunTap
from tincd_compat.device.uml import open_uml
from tincd_compat.device.virtual import Dummy
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket


class Device(Protocol):
    """A source and sink of frames."""

    #: The device as log lines name it, e.g. ``/dev/net/tun``.
    path: str
    #: The network interface, as scripts get it in ``INTERFACE``.
    interface: str
    #: The kind, e.g. ``Linux tun/tap device (tun mode)``.
    info: str
    #: Bytes of frames read and written so far, Ethernet header included.
    bytes_in: int
    bytes_out: int
    #: Seconds for which the caller lets a failing device rest before it reads again.
    read_pause: float

    @property
    def failure(self) -> str | None:
        """Why the device does not work, in words; None if it does.

        The last read has failed, or the system has refused the last frames.
        """

    def fileno(self) -> int:
        """The descriptor to watch for readability, or -1 if nothing is ever read."""

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        """Return up to ``limit`` frames that are ready; the caller owns them.

        The segments of a super-packet count each, but it comes whole, so there may be a
        few more.  A failing read ends the batch and asks for a pause; DeviceError after
        more than ten failures in a row.
        """

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        """Write frames, which are left unchanged; those the system refuses are lost."""

    def tun_tap(self) -> TunTap | None:
        """Return the device if its packets can be moved one at a time or in its place.

        None for what is no descriptor of /dev/net/tun.
        """

    def offload_names(self) -> Sequence[str]:
        """Return the offloads in use, as log lines name them."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions:
    """What the configuration says about the device (tinc.conf(5)).

    ``router`` is whether Mode is router: it decides between tun and tap, and what a tap
    device does with MAC addresses.  ``uml_socket`` is where a
    UML device listens by default, ``family`` that of AddressFamily.
    """

    device_type: str | None = None
    device: str | None = None
    interface: str | None = None
    netname: str | None = None
    uml_socket: str = "/run/tinc.umlsocket"
    family: int = socket.AF_UNSPEC
    router: bool = True
    offloads: OffloadWishes = field(default_factory=OffloadWishes)


def open_device(options: DeviceOptions, system: System | None = None) -> Device:
    """Open the device that the configuration asks for; DeviceError if that fails."""
    kind = (options.device_type or ("tun" if options.router else "tap")).lower()
    system = system or System()
    device, interface = options.device, options.interface
    match kind:
        case "dummy":
            return Dummy()
        case "raw_socket":
            return open_raw(device, interface, system)
        case "multicast":
            return open_multicast(device, interface, options.family, system)
        case "uml":
            return open_uml(
                device,
                options.uml_socket,
                interface,
                system,
                (os.getpid(), secrets.randbits(32)),
                router=options.router,
            )
        case "tun" | "tap":
            return _open_tun(kind == "tap", options, system)
    raise DeviceError(f"Unknown device type {options.device_type}!")


def _open_tun(tap: bool, options: DeviceOptions, system: System) -> TunTap:
    return TunTap(
        options.device,
        options.interface or options.netname or "",
        tap=tap,
        router=options.router,
        system=system,
        offloads=options.offloads,
    )
