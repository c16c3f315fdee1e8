"""Who owns an address, remembered until a subnet that covers it comes or goes.

Packets ask for the same few addresses again and again.  Beside the answers the
addresses are kept in their order: what a subnet covers is one stretch of it, so an
answer is forgotten for what touches it alone, and an event costs what it voids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final, Generic

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.subnets import OwnerT, SubnetTable

#: Lengths of MAC, IPv4 and IPv6 addresses.
_LENGTHS: Final = (4, 6, 16)


class Destinations(Generic[OwnerT]):
    """Answers of a table of subnets.

    ``owners`` holds them by packed address, None for what is nobody's.  Whoever finds
    an address missing there asks :meth:`find`.
    """

    def __init__(self, table: SubnetTable[OwnerT]) -> None:
        self.owners: dict[bytes, OwnerT | None] = {}
        self._table = table
        self._in_order: dict[int, list[bytes]] = {length: [] for length in _LENGTHS}

    def __len__(self) -> int:
        return len(self.owners)

    def find(self, address: bytes) -> OwnerT | None:
        """Ask the table, and remember its answer."""
        if address in self.owners:
            return self.owners[address]
        found = self._table.lookup(address)
        owner = self.owners[address] = None if found is None else found[1]
        insort(self._in_order[len(address)], address)
        return owner

    def forget(self, subnet: Subnet) -> list[bytes]:
        """Forget and return the addresses in a subnet, which has come or gone."""
        known = self._in_order[len(subnet.address)]
        first, last = _ends(subnet)
        start, stop = bisect_left(known, first), bisect_right(known, last)
        void = known[start:stop]
        del known[start:stop]
        for address in void:
            del self.owners[address]
        return void

    def clear(self) -> None:
        """Forget everything: a node became reachable or unreachable, or it is full."""
        self.owners.clear()
        for known in self._in_order.values():
            known.clear()


def _ends(subnet: Subnet) -> tuple[bytes, bytes]:
    """Return the first and the last address of a subnet."""
    size = len(subnet.address)
    others = (1 << (size * 8 - subnet.prefix)) - 1
    number = int.from_bytes(subnet.address, "big")
    first, last = number & ~others, number | others
    return first.to_bytes(size, "big"), last.to_bytes(size, "big")
