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
_NONCE_BITS: Final = 31
_HEAVIEST: Final = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How many nodes, directed edges and subnets a peer announces."""

    nodes: int
    edges: int
    subnets: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``NODES/EDGES/SUBNETS``; ValueError if there is no such mesh."""
        nodes, edges, subnets = (int(part) for part in text.split("/"))
        links, most = edges // 2, nodes * (nodes - 1) // 2
        if edges % 2 or not (2 <= nodes <= 1 << 16 and nodes - 1 <= links <= most):
            raise ValueError(f"not a connected mesh: {text}")
        if not 0 <= subnets <= 1 << 17:
            raise ValueError(f"too many subnets: {text}")
        return cls(nodes, edges, subnets)

    @property
    def lines(self) -> int:
        return self.edges + self.subnets

    def __str__(self) -> str:
        return f"{self.nodes}/{self.edges}/{self.subnets}"


def edge_line(nonce: int, source: str, target: str, number: int, weight: int) -> bytes:
    """Return an ADD_EDGE; ``number`` below 65536 gives the address of ``target``."""
    address = f"10.200.{number >> 8}.{number & 0xFF}"
    return AddEdge(nonce, source, target, address, "655", OPTIONS, weight).encode()


class PaperMesh:
    """A random connected graph with subnets; ``root`` is its first node.

    All but the root have subnets, in turn IPv4 and IPv6.
    """

    def __init__(self, root: str, size: Size, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = [root, *(f"n{number:05d}" for number in range(1, size.nodes))]
        self._links = self._make_links(size.edges // 2)
        self._subnets = size.subnets

    def lines(self) -> Iterator[bytes]:
        """Yield ADD_SUBNET and ADD_EDGE by owner, as a tincd dumps them."""
        owned: dict[str, list[bytes]] = {name: [] for name in self._names}
        for number in range(self._subnets):
            owner = self._names[1 + number % (len(self._names) - 1)]
            line = AddSubnet(self._nonce(), owner, _subnet(number)).encode()
            owned[owner].append(line)
        for first, second in self._links:
            weight = self._random.randint(1, _HEAVIEST)
            for source, target in ((first, second), (second, first)):
                names = self._names[source], self._names[target]
                line = edge_line(self._nonce(), *names, target, weight)
                owned[names[0]].append(line)
        for name in sorted(owned):
            yield from owned[name]

    def _nonce(self) -> int:
        return self._random.getrandbits(_NONCE_BITS)

    def _make_links(self, count: int) -> list[tuple[int, int]]:
        """Link every node to an earlier one, then any that are not linked yet."""
        total = len(self._names)
        pairs = {(self._random.randrange(node), node) for node in range(1, total)}
        while len(pairs) < count:
            first, second = sorted(self._random.sample(range(total), 2))
            pairs.add((first, second))
        return sorted(pairs)


def _subnet(number: int) -> Subnet:
    text = f"172.{16 + (number >> 16)}.{number >> 8 & 0xFF}.{number & 0xFF}"
    if number % 2:
        text = f"fd30:0:{number >> 16:x}:{number & 0xFFFF:x}:0:0:0:0/64"
    subnet = Subnet.parse(text)
    assert subnet is not None
    return subnet
