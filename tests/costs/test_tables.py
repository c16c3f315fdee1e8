"""Each table is filled with as many entries as its row says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.costs.cells import SIZE
from tests.costs.crowded import Crowded
from tests.costs.tables import STATIONS, TABLES


def _nodes(crowded: Crowded) -> int:
    return len(crowded.mesh.nodes)


def _unreachable(crowded: Crowded) -> int:
    return sum(not node.reachable for node in crowded.mesh.nodes.values())


def _edges(crowded: Crowded) -> int:
    return sum(1 for _ in crowded.mesh.edges())


def _edges_of_peer(crowded: Crowded) -> int:
    return len(crowded.mesh.nodes["peer"].edges)


def _subnets(crowded: Crowded) -> int:
    return len(crowded.mesh.subnets)


def _subnets_of(name: str) -> Callable[[Crowded], int]:
    return lambda crowded: len(crowded.mesh.subnets.of(crowded.mesh.nodes[name]))


def _keys(crowded: Crowded) -> int:
    tunnels = map(crowded.daemon.parts.tunnels.of, crowded.mesh.nodes.values())
    return sum(each.valid_key and each.opener is not None for each in tunnels)


def _links(crowded: Crowded) -> int:
    return 2 * sum(1 for _ in crowded.daemon.parts.links)


COUNTS: dict[str, Callable[[Crowded], int]] = {
    "nodes": _nodes,
    "edges of one node": _edges_of_peer,
    "edges": _edges,
    "subnets of one node": _subnets_of("peer"),
    "subnets": _subnets,
    "weights of one network": _subnets_of("peer"),
    "weights of an unreachable node": _subnets_of("gone"),
    "own subnets": _subnets_of("us"),
    "unreachable nodes": _unreachable,
    "seen requests": lambda crowded: crowded.daemon.parts.control.gossip.remembered,
    "keys": _keys,
    "flows": lambda crowded: len(
        crowded.daemon.parts.dataplane._pipeline.flows._owners
    ),
    "links": _links,
    "callers": _links,
    "deferred": lambda crowded: len(
        crowded.daemon.parts.control.gossip.edges._deferred
    ),
    "contested": lambda crowded: len(
        crowded.daemon.parts.control.gossip.edges._contested._contested
    ),
    "backlog": lambda crowded: (
        crowded.other.link.backlog.queued // len("14 10000 peer\n")
    ),
    "own stations": _subnets_of("us"),
    "stations of one node": _subnets_of("peer"),
}


@pytest.mark.parametrize("table", [*TABLES, *STATIONS])
def test_filling(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = STATIONS.get(table) or TABLES[table]
    found = []
    for size in (SIZE, 2 * SIZE):
        mode = "switch" if table in STATIONS else "router"
        crowded = Crowded(tmp_path / str(size), monkeypatch, f"Mode = {mode}\n")
        fill(crowded, size)
        found.append(COUNTS[table](crowded))
        crowded.loop.shut()
    few, many = found
    assert few >= SIZE // 2
    assert many - few >= SIZE // 2
