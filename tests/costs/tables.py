"""The tables of a daemon that others can fill, and how each is filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, cycle, islice
from typing import Final

from tests.costs.crowded import Crowded

#: Nodes that share the edges or subnets where their own number is not the point.
_FEW: Final = 40


def _mac(number: int, first: int) -> str:
    return f"{first:x}:0:0:0:{number >> 8:x}:{number & 0xFF:x}"


def _hear_links(crowded: Crowded, links: Iterable[tuple[str, str]]) -> None:
    crowded.hear(*(line for ends in links for line in crowded.both(*ends)))


def _nodes(crowded: Crowded, size: int) -> None:
    names = ["peer", *(f"n{number}" for number in range(1, size))]
    _hear_links(crowded, ((names[n // 2], names[n]) for n in range(1, size)))


def _edges_of_one(crowded: Crowded, size: int) -> None:
    _hear_links(crowded, (("peer", f"n{number}") for number in range(size)))


def _edges(crowded: Crowded, size: int) -> None:
    names = ["peer", *(f"n{number}" for number in range(_FEW - 1))]
    _hear_links(crowded, islice(combinations(names, 2), size // 2 + _FEW))


def _subnets_of_one(crowded: Crowded, size: int) -> None:
    crowded.hear(*(crowded.subnet("peer", text) for text in _networks(size)))


def _subnets(crowded: Crowded, size: int) -> None:
    _edges_of_one(crowded, _FEW)
    owners = cycle(f"n{number}" for number in range(_FEW))
    crowded.hear(*map(crowded.subnet, owners, _networks(size)))


def _networks(size: int) -> Iterator[str]:
    return (f"10.64.{number >> 8}.{number & 0xFF}" for number in range(size))


def _weights(crowded: Crowded, size: int) -> None:
    _hear_weights(crowded, "peer", size)


def _weights_of_the_unreachable(crowded: Crowded, size: int) -> None:
    _hear_weights(crowded, "gone", size)


def _hear_weights(crowded: Crowded, owner: str, size: int) -> None:
    weights = (f"10.65.0.0/24#{number}" for number in range(size))
    crowded.hear(*(crowded.subnet(owner, text) for text in weights))


def _own_subnets(crowded: Crowded, size: int) -> None:
    text = "".join(f"Subnet = {each}\n" for each in _networks(size))
    crowded.write(crowded.configuration, host=text)
    crowded.signal("HUP")


def _unreachable(crowded: Crowded, size: int) -> None:
    crowded.hear(*(crowded.edge(f"n{number}", "peer") for number in range(size)))


def _stations(crowded: Crowded, size: int) -> None:
    crowded.from_device(*(crowded.frame(_mac(number, 2)) for number in range(size)))


def _stations_of_one(crowded: Crowded, size: int) -> None:
    crowded.hear(*(crowded.subnet("peer", _mac(n, 6)) for n in range(size)))


def _seen(crowded: Crowded, size: int) -> None:
    crowded.hear(*(crowded.key_changed("peer") for _ in range(size)))


def _keys(crowded: Crowded, size: int) -> None:
    _edges_of_one(crowded, size)
    crowded.calm_down()
    names = [f"n{number}" for number in range(size)]
    crowded.hear(*(f"15 {name} us" for name in names), *map(crowded.key, names))


def _flows(crowded: Crowded, size: int) -> None:
    crowded.hear(crowded.subnet("peer", "10.64.0.0/16"), crowded.key("peer"))
    crowded.from_device(*map(crowded.packet, _networks(size)))


def _links(crowded: Crowded, size: int) -> None:
    for number in range(size // 2):
        crowded.connect(f"n{number}")


def _callers(crowded: Crowded, size: int) -> None:
    for number in range(size):
        crowded.call_in(f"n{number}")


def _deferred(crowded: Crowded, size: int) -> None:
    _edges_of_one(crowded, size)
    crowded.calm_down()
    late = crowded.connect("late", introduce=False)
    lines = (crowded.edge("peer", f"n{number}", 99) for number in range(size))
    crowded.arrive(late.raw(*lines), late)


def _contested(crowded: Crowded, size: int) -> None:
    crowded.hear(*(crowded.edge("us", f"n{number}") for number in range(size)))


def _backlog(crowded: Crowded, size: int) -> None:
    crowded.other.sock.room = 0
    crowded.hear(*(crowded.key_changed("peer") for _ in range(size)))


Fill = Callable[[Crowded, int], None]

TABLES: Final[dict[str, Fill]] = {
    "nodes": _nodes,
    "edges of one node": _edges_of_one,
    "edges": _edges,
    "subnets of one node": _subnets_of_one,
    "subnets": _subnets,
    "weights of one network": _weights,
    "weights of an unreachable node": _weights_of_the_unreachable,
    "own subnets": _own_subnets,
    "unreachable nodes": _unreachable,
    "seen requests": _seen,
    "keys": _keys,
    "flows": _flows,
    "links": _links,
    "callers": _callers,
    "deferred": _deferred,
    "contested": _contested,
    "backlog": _backlog,
}

#: Those that there are in switch mode only.
STATIONS: Final[dict[str, Fill]] = {
    "own stations": _stations,
    "stations of one node": _stations_of_one,
}

#: What is told to all links.
LINKS: Final = frozenset({"links", "callers"})
#: A run of the graph sees every node and edge.
GRAPH: Final = frozenset(
    {"nodes", "edges of one node", "edges", "subnets", "unreachable nodes", "keys"}
    | {"links", "deferred", "contested"}
)
EVERYTHING: Final = frozenset({*TABLES, *STATIONS})
