"""Which node owns an address: subnets with weights, looked up as tinc does.

The order of the table is tinc's: family, longer prefixes first, address, weight, owner.
A lookup takes the first entry of that order which contains the address and whose owner
is reachable; if none is, the last one that contains it.  So a more specific subnet of a
dead node gives way to a less specific one of a live node.

Instead of walking the table, a lookup asks one dictionary per prefix length in use.
"""

from __future__ import annotations

from bisect import insort
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from tincd_compat.addresses import Subnet

#: Answers remembered until the table or the reachability of a node changes.  Forged
#: destinations can fill the memory, so it is emptied when full.
MAX_CACHED: Final = 4096


class Owner(Protocol):
    """What the table has to know of a node."""

    name: str
    reachable: bool


OwnerT = TypeVar("OwnerT", bound=Owner)
_Entry: TypeAlias = tuple[Subnet, OwnerT]


def _order_in_network(entry: _Entry[Owner]) -> tuple[bytes, int, str]:
    # Addresses differ within one network: bits beyond the prefix may be set.
    subnet, owner = entry
    return (subnet.address, subnet.weight, owner.name)


class _Family(Generic[OwnerT]):
    """The subnets of one address length by prefix length and network number."""

    def __init__(self, length: int) -> None:
        self._bits = length * 8
        self._networks: dict[int, dict[int, list[_Entry[OwnerT]]]] = {}
        self._longest_first: list[int] = []

    def _place(self, subnet: Subnet) -> tuple[int, int]:
        number = int.from_bytes(subnet.address, "big")
        return subnet.prefix, number >> (self._bits - subnet.prefix)

    def insert(self, subnet: Subnet, owner: OwnerT) -> None:
        prefix, number = self._place(subnet)
        networks = self._networks.get(prefix)
        if networks is None:
            networks = self._networks[prefix] = {}
            self._longest_first = sorted(self._networks, reverse=True)
        insort(networks.setdefault(number, []), (subnet, owner), key=_order_in_network)

    def discard(self, subnet: Subnet, owner: OwnerT) -> None:
        prefix, number = self._place(subnet)
        networks = self._networks[prefix]
        networks[number].remove((subnet, owner))
        if not networks[number]:
            del networks[number]
        if not networks:
            del self._networks[prefix]
            self._longest_first.remove(prefix)

    def lookup(self, address: bytes) -> _Entry[OwnerT] | None:
        wanted = int.from_bytes(address, "big")
        last = None
        for prefix in self._longest_first:
            entries = self._networks[prefix].get(wanted >> (self._bits - prefix))
            if entries is None:
                continue
            for entry in entries:
                if entry[1].reachable:
                    return entry
            last = entries[-1]
        return last


class SubnetTable(Generic[OwnerT]):
    """The subnets of all nodes.  One owner has a subnet of one weight at most once."""

    def __init__(self) -> None:
        self._owned: dict[OwnerT, set[Subnet]] = {}
        self._families: dict[int, _Family[OwnerT]] = {
            length: _Family(length) for length in (4, 6, 16)
        }
        self._cache: dict[bytes, _Entry[OwnerT] | None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Store a subnet; False if the owner already has it."""
        owned = self._owned.setdefault(owner, set())
        if subnet in owned:
            return False
        owned.add(subnet)
        self._families[len(subnet.address)].insert(subnet, owner)
        self._count += 1
        self.invalidate()
        return True

    def remove(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Forget a subnet; False if the owner does not have it."""
        owned = self._owned.get(owner)
        if owned is None or subnet not in owned:
            return False
        owned.remove(subnet)
        if not owned:
            del self._owned[owner]
        self._families[len(subnet.address)].discard(subnet, owner)
        self._count -= 1
        self.invalidate()
        return True

    def has(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Tell whether the owner has exactly this subnet, weight included."""
        return subnet in self._owned.get(owner, ())

    def of(self, owner: OwnerT) -> list[Subnet]:
        """The subnets of one node in tinc's order."""
        return sorted(self._owned.get(owner, ()), key=lambda subnet: subnet.sort_key)

    def all(self) -> list[tuple[Subnet, OwnerT]]:
        """Every subnet with its owner in tinc's order."""
        entries = [
            (subnet, owner) for owner, owned in self._owned.items() for subnet in owned
        ]
        entries.sort(key=lambda entry: (entry[0].sort_key, entry[1].name))
        return entries

    def lookup(self, address: bytes) -> tuple[Subnet, OwnerT] | None:
        """Return the subnet and owner for a packed address of 4, 6 or 16 bytes."""
        try:
            return self._cache[address]
        except KeyError:
            pass
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        entry = self._cache[address] = self._families[len(address)].lookup(address)
        return entry

    def invalidate(self) -> None:
        """Forget remembered answers: a node became reachable or unreachable."""
        self._cache.clear()
