"""Owners of addresses, remembered until a subnet that covers an address comes or goes.

Packets ask for the same few addresses again and again.  The addresses are also kept in
order: a subnet covers one range of them, so an event forgets the answers in that range
only, and costs as much as it forgets.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final, Generic

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.subnets import OwnerT, SubnetTable

#: Lengths of MAC, IPv4 and IPv6 addresses.
_LENGTHS: Final = (4, 6, 16)


class Destinations(Generic[OwnerT]):
    """The remembered answers of a table of subnets.

    ``owners`` holds owners by packed address, None for an address without owner.  The
    caller that finds an address missing there calls :meth:`find`.
    """

    def __init__(self, table: SubnetTable[OwnerT]) -> None:
        self.owners: dict[bytes, OwnerT | None] = {}
        self._table = table
        self._in_order: dict[int, list[bytes]] = {length: [] for length in _LENGTHS}

    def __len__(self) -> int:
        return len(self.owners)

    def find(self, address: bytes) -> OwnerT | None:
        """Look an address up in the table, and remember the answer."""
        if address in self.owners:
            return self.owners[address]
        found = self._table.lookup(address)
        owner = self.owners[address] = None if found is None else found[1]
        insort(self._in_order[len(address)], address)
        return owner

    def forget(self, subnet: Subnet) -> list[bytes]:
        """Forget and return the addresses in a subnet that has come or gone."""
        known = self._in_order[len(subnet.address)]
        if not known:
            # While a node learns a mesh, subnets come by thousands and packets do not.
            return []
        first, last = _ends(subnet)
        start, stop = bisect_left(known, first), bisect_right(known, last)
        void = known[start:stop]
        del known[start:stop]
        for address in void:
            del self.owners[address]
        return void

    def clear(self) -> None:
        """Forget all: the reachability of nodes has changed, or the memory is full."""
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
