"""A mesh with much of everything, as a member says that it lies behind it.

The nodes are numbered, and so is what belongs to each: a link with the member, keys
and a subnet; and of the member itself a subnet, a weight of a network, and a station.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.announce import edge_line
from tincd_compat.meta.messages import AnsKey, DelEdge, ReqKey

_KEY: Final = "5A" * 48


def mesh(member: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the lines that make these nodes known: edges and subnets."""
    for number in numbers:
        name = node(number)
        yield edge(member, name, number)
        yield edge(name, member, number)
        yield subnet(name, network(20, number))
        yield subnet(member, network(21, number))
        yield subnet(member, weight(number))
        yield subnet(member, station(2, number))


def keys(daemon: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the lines after which the daemon shares keys with these nodes."""
    for number in numbers:
        yield request(node(number), daemon)
        yield key(node(number), daemon)


# Names, by number.


def node(number: int) -> str:
    return f"n{number:05d}"


def network(first: int, number: int) -> str:
    return f"{first}.{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"


def weight(number: int) -> str:
    return f"22.0.0.0/8#{number}"


def station(first: int, number: int) -> str:
    return f"{first:x}:0:0:{number >> 16:x}:{number >> 8 & 0xFF:x}:{number & 0xFF:x}"


# Lines, of which no two are alike.


def edge(source: str, target: str, number: int, heavy: int = 10) -> bytes:
    return edge_line(_nonce(), source, target, number, heavy)


def no_edge(source: str, target: str) -> bytes:
    return DelEdge(_nonce(), source, target).encode()


def subnet(owner: str, text: str) -> bytes:
    return f"10 {_nonce():x} {owner} {text}".encode()


def no_subnet(owner: str, text: str) -> bytes:
    return f"11 {_nonce():x} {owner} {text}".encode()


def key_changed(name: str) -> bytes:
    return f"14 {_nonce():x} {name}".encode()


def request(source: str, target: str) -> bytes:
    return ReqKey(source, target).encode()


def key(source: str, target: str) -> bytes:
    return AnsKey(source, target, _KEY, 427, 672, 4, 0).encode()


def _nonce() -> int:
    return secrets.randbits(31)
