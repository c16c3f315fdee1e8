"""How much has gone through a tunnel, in one direction."""

from __future__ import annotations

from typing import Final

from tincd_compat.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets, and bytes of the frames in them.

    A frame counts with its Ethernet header and as it was before compression; what a
    datagram adds to it (number, padding, MAC, UDP and IP headers) does not count.
    """

    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.packets + other.packets, self.bytes + other.bytes)

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(self.packets - other.packets, self.bytes - other.bytes)

    def __bool__(self) -> bool:
        return self.packets > 0


NOTHING: Final = Traffic()
