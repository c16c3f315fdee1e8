"""Devices without a network interface behind them."""

from __future__ import annotations

from collections.abc import Sequence

from tincd_compat import logs
from tincd_compat.checksums import Buffer
from tincd_compat.segments.offload import SuperPacket


class Dummy:
    """DeviceType = dummy: nothing is ever read, and what is written is only counted."""

    path = "dummy"
    interface = "dummy"
    info = "dummy device"

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.read_pause = 0.0
        logs.always.info("%s (%s) is a %s", self.path, self.interface, self.info)

    @property
    def failure(self) -> None:
        """None: nothing can go wrong."""

    def fileno(self) -> int:
        return -1

    def read_batch(self, limit: int) -> list[bytearray | SuperPacket]:
        return []

    def write_batch(self, frames: Sequence[Buffer]) -> None:
        self.bytes_out += sum(map(len, frames))

    def tun_tap(self) -> None:
        """Return None: the device is none of /dev/net/tun."""

    def offload_names(self) -> Sequence[str]:
        """Return nothing: the device has no offloads."""
        return ()

    def close(self) -> None:
        """Do nothing: a dummy device has nothing open."""
