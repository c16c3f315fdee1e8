"""A mesh that exists on paper only, as the lines in which a peer would announce it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tincd_compat.addresses import Subnet
from tincd_compat.meta.messages import AddEdge, AddSubnet

#: PMTU discovery and MSS clamping, as every edge has by default.
OPTIONS: Final = 0xC
_PORT: Final = "655"
_NONCE_BITS: Final = 31


@dataclass(frozen=True, slots=True)
class Size:
    """How many nodes, directed edges and subnets a peer announces."""

    nodes: int
    edges: int
    subnets: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``NODES/EDGES/SUBNETS``; ValueError if no such mesh is connected."""
        nodes, edges, subnets = (int(part) for part in text.split("/"))
        links = edges // 2
        if not (2 <= nodes <= links + 1 <= nodes * (nodes - 1) // 2 + 1):
            raise ValueError(f"no connected mesh: {text}")
        if edges % 2 or not 0 <= subnets <= 1 << 16:
            raise ValueError(f"edges come in pairs, subnets up to 65536: {text}")
        return cls(nodes, edges, subnets)

    @property
    def lines(self) -> int:
        return self.edges + self.subnets

    def __str__(self) -> str:
        return f"{self.nodes}/{self.edges}/{self.subnets}"


class PaperMesh:
    """A random connected graph of ``size`` with subnets; ``root`` is its first node."""

    def __init__(self, root: str, size: Size, seed: int) -> None:
        self._random = random.Random(seed)
        names = [f"n{number:05d}" for number in range(1, size.nodes)]
        self.names = [root, *names]
        self.links = self._make_links(size.edges // 2)
        self.subnets = [
            (names[number % len(names)], _subnet(number))
            for number in range(size.subnets)
        ]

    def lines(self) -> Iterator[bytes]:
        """Yield ADD_SUBNET and ADD_EDGE by owner, in the order of a tincd's dump."""
        owned: dict[str, list[bytes]] = {name: [] for name in self.names}
        for owner, subnet in self.subnets:
            owned[owner].append(AddSubnet(self._nonce(), owner, subnet).encode())
        for first, second, weight in self.links:
            for ends in ((first, second), (second, first)):
                owned[ends[0]].append(self._edge(*ends, weight))
        for name in sorted(owned):
            yield from owned[name]

    def _edge(self, source: str, target: str, weight: int) -> bytes:
        number = self.names.index(target) if target == self.names[0] else int(target[1:])
        address = f"10.{200 + (number >> 16)}.{number >> 8 & 0xFF}.{number & 0xFF}"
        nonce = self._nonce()
        return AddEdge(nonce, source, target, address, _PORT, OPTIONS, weight).encode()

    def _nonce(self) -> int:
        return self._random.getrandbits(_NONCE_BITS)

    def _make_links(self, count: int) -> list[tuple[str, str, int]]:
        """Every node to an earlier one, then any that are not linked yet."""
        pairs = {
            (self._random.randrange(number), number)
            for number in range(1, len(self.names))
        }
        while len(pairs) < count:
            first, second = sorted(self._random.sample(range(len(self.names)), 2))
            pairs.add((first, second))
        return [
            (self.names[first], self.names[second], self._random.randint(1, 500))
            for first, second in sorted(pairs)
        ]


def _subnet(number: int) -> Subnet:
    """Return an IPv4 network for even numbers and an IPv6 one for odd numbers."""
    high, low = number >> 8 & 0xFF, number & 0xFF
    text = f"172.{16 + (high >> 4)}.{high & 0xF}.{low}/32"
    if number % 2:
        text = f"fd30:0:{number:x}:0:0:0:0:0/64"
    subnet = Subnet.parse(text)
    if subnet is None:
        raise ValueError(text)
    return subnet
