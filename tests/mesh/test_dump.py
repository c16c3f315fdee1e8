"""The dumps, compared with lines that tincd 1.0.36 printed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh import dump, graph
from tincd_compat.mesh.node import Mesh, Node


@dataclass(frozen=True)
class State:
    cipher: int = 0
    digest: int = 0
    maclength: int = 0
    compression: int = 0
    status: int = 0
    mtu: int = 1518
    minmtu: int = 0
    maxmtu: int = 1518


def tunnel(node: Node) -> State:
    if node.name == "b":
        return State(427, 672, 4, 0, 0x02, 1451, 1451, 1451)
    return State()


def sample() -> Mesh:
    mesh = Mesh("a")
    mesh.myself.options = 0xC
    b = mesh.get_or_add("b")
    place = SocketAddress("10.99.0.2", 655)
    mesh.add_edge(mesh.myself, b, place, 0xC, 3)
    mesh.add_edge(b, mesh.myself, SocketAddress("fd00::1", 656), 0x700000C, -3)
    mesh.get_or_add("c")
    for text, owner in [("10.2.0.0/16#7", b), ("192.168.1.0/24", mesh.myself)]:
        subnet = Subnet.parse(text)
        assert subnet is not None
        mesh.subnets.add(owner, subnet)
    graph.run(mesh)
    return mesh


def test_nodes() -> None:
    assert list(dump.nodes(sample(), tunnel)) == [
        "Nodes:",
        " a at MYSELF cipher 0 digest 0 maclength 0 compression 0 options c"
        " status 0018 nexthop a via a pmtu 1518 (min 0 max 1518)",
        " b at 10.99.0.2 port 655 cipher 427 digest 672 maclength 4 compression 0"
        " options c status 001a nexthop b via b pmtu 1451 (min 1451 max 1451)",
        " c at (null) cipher 0 digest 0 maclength 0 compression 0 options 0"
        " status 0020 nexthop - via - pmtu 1518 (min 0 max 1518)",
        "End of nodes.",
    ]


def test_lost_node_shows_that_it_is_indirect() -> None:
    mesh = sample()
    b = mesh.nodes["b"]
    mesh.remove_edge(mesh.myself.edges["b"])
    graph.run(mesh)
    graph.settle_down(mesh, [b])
    assert list(dump.nodes(mesh, lambda node: State()))[2] == (
        " b at (null) cipher 0 digest 0 maclength 0 compression 0 options 0"
        " status 0020 nexthop b via b pmtu 1518 (min 0 max 1518)"
    )


def test_edges() -> None:
    assert list(dump.edges(sample())) == [
        "Edges:",
        " a to b at 10.99.0.2 port 655 options c weight 3",
        " b to a at fd00::1 port 656 options 700000c weight -3",
        "End of edges.",
    ]


def test_subnets() -> None:
    assert list(dump.subnets(sample())) == [
        "Subnet list:",
        " 192.168.1.0/24#10 owner a",
        " 10.2.0.0/16#7 owner b",
        "End of subnet list.",
    ]


def test_graphviz_sorts_edges_by_weight() -> None:
    assert "".join(dump.graphviz(sample())) == (
        "digraph {\n"
        '\t"a" [label = "a"];\n'
        '\t"b" [label = "b"];\n'
        '\t"c" [label = "c"];\n'
        '\t"b" -> "a";\n'
        '\t"a" -> "b";\n'
        "}\n"
    )


def test_graphviz_sorts_many_edges_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dump, "_SORTED_AT_ONCE", 2)
    mesh, place = Mesh("a"), SocketAddress("10.99.0.2", 655)
    for name, weight in ("b", 5), ("c", 1), ("d", 4), ("e", 2), ("f", 3):
        mesh.add_edge(mesh.myself, mesh.get_or_add(name), place, 0xC, weight)
    parts = list(dump.graphviz(mesh))
    assert parts.count("") == 3
    arrows = [part.split('"')[3] for part in parts if "->" in part]
    assert arrows == ["c", "e", "f", "d", "b"]
