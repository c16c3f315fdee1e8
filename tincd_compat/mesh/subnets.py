"""The table of subnets, which tells the owner of an address as tinc does.

The order of the table is tinc's: family, longer prefixes first, address, weight, owner.
A lookup takes the first entry of that order which contains the address and whose owner
is reachable; if none is, the last one that contains it.  So a more specific subnet of a
dead node gives way to a less specific one of a live node.

Instead of walking the table, a lookup asks one dictionary per prefix length in use.  A
network has one entry mostly, but members can give it any number, with weights or with
owners that are not reachable: then the entries are kept in order, and those of
reachable owners once more by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.ordered import Ordered

#: Answers remembered until the table or the reachability of a node changes.  Forged
#: destinations can fill the memory, so it is emptied when full.
MAX_CACHED: Final = 4096
#: Entries between two breaks of :meth:`SubnetTable.shared`.
_AT_ONCE: Final = 64


class SubnetOwner(Protocol):
    """The part of a node that the table needs."""

    name: str
    reachable: bool


OwnerT = TypeVar("OwnerT", bound=SubnetOwner)
_Entry: TypeAlias = tuple[Subnet, OwnerT]

#: An order of the subnets of one owner; see :meth:`SubnetTable.of`.
_order_of_owner = attrgetter("kind", "prefix", "address", "weight")
_prefix = attrgetter("prefix")
_kind = attrgetter("kind")


def _order_in_network(entry: _Entry[Any]) -> tuple[bytes, int, str]:
    # Addresses differ within one network: bits beyond the prefix may be set.
    subnet, owner = entry
    return (subnet.address, subnet.weight, owner.name)


class _Crowd(Generic[OwnerT]):
    """The entries of a network that has more than one."""

    __slots__ = ("_as_of", "_entries", "_reachable")

    def __init__(self, entry: _Entry[OwnerT]) -> None:
        self._entries = Ordered(_order_in_network, [entry])
        #: The entries whose owner was reachable in that generation.
        self._reachable = Ordered[_Entry[OwnerT]](_order_in_network)
        self._as_of = -1

    def __iter__(self) -> Iterator[_Entry[OwnerT]]:
        return iter(self._entries)

    @property
    def lone(self) -> _Entry[OwnerT] | None:
        """The entry that is left, None if there are more."""
        entry = self._entries.first
        return entry if entry is self._entries.last else None

    def add(self, entry: _Entry[OwnerT]) -> None:
        self._entries.add(entry)
        if entry[1].reachable:
            self._reachable.add(entry)

    def remove(self, entry: _Entry[OwnerT]) -> None:
        self._entries.remove(entry)
        self._reachable.remove(entry)

    def best(self, generation: int) -> _Entry[OwnerT]:
        """Return the first entry with a reachable owner, else the last of all.

        The generation is another one whenever owners became reachable or unreachable.
        """
        if self._as_of != generation:
            self._as_of = generation
            reachable = [entry for entry in self._entries if entry[1].reachable]
            self._reachable = Ordered(_order_in_network, reachable)
        return self._reachable.first if self._reachable else self._entries.last


class _FamilyTable(Generic[OwnerT]):
    """The subnets of one address length by prefix length and network number.

    Tables are large, networks with several entries rare: a lone entry lies in the
    dictionary itself.
    """

    def __init__(self, length: int) -> None:
        self._bits = length * 8
        self._networks: dict[int, dict[int, _Entry[OwnerT] | _Crowd[OwnerT]]] = {}
        self._longest_first: list[int] = []

    def _place(self, subnet: Subnet) -> tuple[int, int]:
        number = int.from_bytes(subnet.address, "big")
        return subnet.prefix, number >> (self._bits - subnet.prefix)

    def __iter__(self) -> Iterator[_Entry[OwnerT]]:
        for prefix in tuple(self._longest_first):
            networks = self._networks.get(prefix, {})
            for number in sorted(networks):
                found = networks.get(number)
                if isinstance(found, tuple):
                    yield found
                elif found is not None:
                    yield from tuple(found)

    def shared(self) -> Iterator[_Entry[OwnerT] | None]:
        """Yield the entries of networks that have several; see :class:`SubnetTable`."""
        for prefix in tuple(self._longest_first):
            networks = tuple(self._networks.get(prefix, {}).values())
            for number, found in enumerate(networks):
                if number % _AT_ONCE == 0:
                    yield None
                if not isinstance(found, tuple):
                    for place, entry in enumerate(tuple(found)):
                        if place % _AT_ONCE == 0:
                            yield None
                        yield entry

    def insert(self, entry: _Entry[OwnerT]) -> None:
        prefix, number = self._place(entry[0])
        networks = self._networks.get(prefix)
        if networks is None:
            networks = self._networks[prefix] = {}
            self._longest_first = sorted(self._networks, reverse=True)
        found = networks.setdefault(number, entry)
        if found is entry:
            return
        if isinstance(found, tuple):
            found = networks[number] = _Crowd(found)
        found.add(entry)

    def discard(self, entry: _Entry[OwnerT]) -> None:
        prefix, number = self._place(entry[0])
        networks = self._networks[prefix]
        found = networks[number]
        if not isinstance(found, tuple):
            found.remove(entry)
            if (lone := found.lone) is not None:
                networks[number] = lone
            return
        del networks[number]
        if not networks:
            del self._networks[prefix]
            self._longest_first.remove(prefix)

    def lookup(self, address: bytes, generation: int) -> _Entry[OwnerT] | None:
        wanted = int.from_bytes(address, "big")
        last = None
        for prefix in self._longest_first:
            found = self._networks[prefix].get(wanted >> (self._bits - prefix))
            if found is None:
                continue
            entry = found if isinstance(found, tuple) else found.best(generation)
            if entry[1].reachable:
                return entry
            last = entry
        return last


class SubnetTable(Generic[OwnerT]):
    """The subnets of all nodes.  One owner has a subnet of one weight at most once.

    No order in which subnets come, go and are looked up makes one of these steps cost
    more than a few comparisons.  Only the first lookup in a network after owners became
    reachable or unreachable looks at all entries of that network.
    """

    def __init__(self) -> None:
        self._owned: dict[OwnerT, Ordered[Subnet]] = {}
        # By length of address, in the order of the families.
        self._families: dict[int, _FamilyTable[OwnerT]] = {
            length: _FamilyTable(length) for length in (6, 4, 16)
        }
        self._cache: dict[bytes, _Entry[OwnerT] | None] = {}
        self._generation = 0
        self._count = 0
        #: Letters of the names of all owners, once for each subnet.
        self.letters = 0
        #: Hears of each subnet that was added or removed.
        self.changed: Callable[[Subnet], None] = lambda subnet: None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Subnet, OwnerT]]:
        """Iterate over the subnets with their owners in tinc's order.

        Subnets that come or go meanwhile are seen or not; all others are seen once.
        """
        for family in self._families.values():
            yield from family

    def shared(self) -> Iterator[tuple[Subnet, OwnerT] | None]:
        """Yield what may be somebody else's, too: those of networks that have several.

        Those of one network come in tinc's order, networks in any.  Between them are
        None after each few steps; what comes or goes meanwhile is seen or not.
        """
        for family in self._families.values():
            yield from family.shared()

    def add(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Store a subnet; False if the owner already has it."""
        owned = self._owned.get(owner)
        if owned is None:
            owned = self._owned[owner] = Ordered(_order_of_owner)
        if not owned.add(subnet):
            return False
        self._families[len(subnet.address)].insert((subnet, owner))
        self._count += 1
        self.letters += len(owner.name)
        self._cache.clear()
        self.changed(subnet)
        return True

    def remove(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Forget a subnet; False if the owner does not have it."""
        owned = self._owned.get(owner)
        if owned is None or not owned.remove(subnet):
            return False
        if not owned:
            del self._owned[owner]
        self._families[len(subnet.address)].discard((subnet, owner))
        self._count -= 1
        self.letters -= len(owner.name)
        self._cache.clear()
        self.changed(subnet)
        return True

    def has(self, owner: OwnerT, subnet: Subnet) -> bool:
        """Tell whether the owner has exactly this subnet, weight included."""
        return subnet in self._owned.get(owner, ())

    def owns(self, owner: OwnerT) -> bool:
        """Tell whether the node has any subnet."""
        return owner in self._owned

    def count(self, owner: OwnerT) -> int:
        """Return how many subnets the node has."""
        return len(self._owned.get(owner, ()))

    def of(self, owner: OwnerT) -> list[Subnet]:
        """The subnets of one node in tinc's order."""
        return self._ordered(self._owned.get(owner, ()))

    def some(self, owner: OwnerT, most: int) -> list[Subnet]:
        """At most so many subnets of one node, in tinc's order.

        If it has more, these are the ones with the shortest prefixes.
        """
        return self._ordered(islice(self._owned.get(owner, ()), most))

    @staticmethod
    def _ordered(subnets: Iterable[Subnet]) -> list[Subnet]:
        found = list(subnets)
        if len(found) > 1:
            # Only prefixes are the wrong way round, and sorting keeps other order.
            found.sort(key=_prefix, reverse=True)
            found.sort(key=_kind)
        return found

    def all(self) -> list[tuple[Subnet, OwnerT]]:
        """Every subnet with its owner in tinc's order."""
        return list(self)

    def lookup(self, address: bytes) -> tuple[Subnet, OwnerT] | None:
        """Return the subnet and owner for a packed address of 4, 6 or 16 bytes."""
        try:
            return self._cache[address]
        except KeyError:
            pass
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        family = self._families[len(address)]
        entry = self._cache[address] = family.lookup(address, self._generation)
        return entry

    def invalidate(self) -> None:
        """Forget remembered answers: a node became reachable or unreachable."""
        self._generation += 1
        self._cache.clear()
