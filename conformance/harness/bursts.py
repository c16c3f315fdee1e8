"""Bursts of each message of the protocol, from a member of a mesh with many nodes.

They are well-formed, and when all of them have been said the tables are as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from conformance.harness.filled import (
    edge,
    key,
    key_changed,
    network,
    no_edge,
    no_subnet,
    node,
    request,
    station,
    subnet,
    weight,
)

COUNT: Final = 200
#: As many false words about its own edges do not make a daemon pause.
_FALSE: Final = 50
#: More than any number in a mesh, so that nothing is in the tables.
_BEYOND: Final = 1 << 20
#: A broadcast of some EtherType that says nothing.
_FRAME: Final = b"\xff" * 6 + bytes.fromhex("060000000001 88b5") + bytes(50)

Burst: TypeAlias = tuple[str, bytes]


def bursts(daemon: str, member: str, size: int) -> Iterator[Burst]:
    """Yield what each burst is, and its bytes; ``size`` nodes are known."""
    names = [node(number) for number in range(size - COUNT, size)]
    ends = [(name, node(number)) for number, name in enumerate(names)]
    yield from _edges(ends)
    yield from _losses(member, names)
    yield from _false_edges(daemon, names[:_FALSE], member)
    numbers = range(_BEYOND, _BEYOND + COUNT)
    yield from _subnets("subnet", member, [network(23, each) for each in numbers])
    yield from _subnets("weight", member, [weight(each) for each in numbers])
    yield from _subnets("station", member, [station(2, each) for each in numbers])
    yield "false ADD_SUBNET", _lines(subnet(daemon, network(24, n)) for n in numbers)
    yield "false DEL_SUBNET", _lines(no_subnet(member, weight(-n)) for n in numbers)
    yield from _keys(daemon, names)
    yield "PACKET", (b"17 %d\n" % len(_FRAME) + _FRAME) * COUNT
    yield "PING", b"8\n" * COUNT
    yield "PONG", b"9\n" * COUNT


def _edges(ends: Sequence[tuple[str, str]]) -> Iterator[Burst]:
    both = [*ends, *((target, source) for source, target in ends)]
    new = _lines(edge(*pair, 1) for pair in both)
    yield "ADD_EDGE", new
    yield "repeated ADD_EDGE", new
    yield "ADD_EDGE, other weight", _lines(edge(*pair, 1, 20) for pair in both)
    yield "known ADD_EDGE", _lines(edge(*pair, 1, 20) for pair in both)
    old = _lines(no_edge(*pair) for pair in both)
    yield "DEL_EDGE", old
    yield "repeated DEL_EDGE", old
    yield "false DEL_EDGE", _lines(no_edge(*pair) for pair in both)


def _losses(member: str, names: Sequence[str]) -> Iterator[Burst]:
    yield "DEL_EDGE, lost", _lines(no_edge(member, name) for name in names)
    yield "ADD_EDGE, back", _lines(edge(member, name, 1) for name in names)
    pairs = ((no_edge(member, name), edge(member, name, 1)) for name in names)
    yield "DEL_EDGE, ADD_EDGE in turn", _lines(line for pair in pairs for line in pair)


def _false_edges(daemon: str, names: Sequence[str], member: str) -> Iterator[Burst]:
    yield "ADD_EDGE, its own", _lines(edge(daemon, name, 1) for name in names)
    yield "DEL_EDGE, its own", _lines(no_edge(daemon, member) for _ in names)


def _subnets(what: str, owner: str, texts: Sequence[str]) -> Iterator[Burst]:
    new = _lines(subnet(owner, text) for text in texts)
    yield f"ADD_SUBNET, {what}", new
    yield f"repeated ADD_SUBNET, {what}", new
    old = _lines(no_subnet(owner, text) for text in reversed(texts))
    yield f"DEL_SUBNET, {what}", old
    yield f"repeated DEL_SUBNET, {what}", old


def _keys(daemon: str, names: Sequence[str]) -> Iterator[Burst]:
    yield "KEY_CHANGED", _lines(key_changed(name) for name in names)
    yield "REQ_KEY", _lines(request(name, daemon) for name in names)
    yield "REQ_KEY, passed on", _lines(request(name, node(1)) for name in names)
    yield "ANS_KEY", _lines(key(name, daemon) for name in names)
    yield "ANS_KEY, passed on", _lines(key(name, node(1)) for name in names)


def _lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
