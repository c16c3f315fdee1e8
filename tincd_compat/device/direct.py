"""Reading and writing a device's packets in its place, for the compiled pumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Owner(Protocol):
    """The device, which keeps the accounts and the log."""

    def moved(self, bytes_in: int, bytes_out: int) -> None:
        """Count bytes of frames that were read and written."""

    def write_failed(self, error: int) -> None:
        """Log that the system has refused frames; ``error`` is an errno."""

    def pieces_refused(self, error: int) -> None:
        """Write no more super-packets: the system has refused one."""


@dataclass(frozen=True, slots=True)
class Direct:
    """The descriptor of a device, the form of its packets, and who counts them.

    ``vnet`` says whether the kernel's header is in front of each; ``coalescing`` and
    ``coalescing_udp`` whether the kernel takes super-packets.
    """

    owner: Owner
    fd: int
    tap: bool
    vnet: bool
    coalescing: bool
    coalescing_udp: bool
