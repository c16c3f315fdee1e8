"""Search and broadcast tree against the algorithms as every tincd runs them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mesh.trees import broadcast_tree
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh import graph
from tincd_compat.mesh.broadcast import broadcast_neighbours
from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.options import INDIRECT

NAMES = ["m", "a", "b", "Z", "n1", "n10", "n2", "y"]
C = 0xC


def place(name: str) -> SocketAddress:
    """An address by which tests recognise who is described and by whom."""
    return SocketAddress(f"10.0.0.{sum(name.encode()) % 250 + 1}", 655)


def build(
    *edges: tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int],
) -> Mesh:
    """A mesh seen by m from (from, to[, weight[, options]])."""
    mesh = Mesh("m")
    for source, target, *rest in edges:
        weight, options = (*rest, *(1, C)[len(rest) :])
        ends = mesh.get_or_add(source), mesh.get_or_add(target)
        mesh.add_edge(*ends, place(target), options, weight)
    return mesh


def both(first: str, second: str) -> list[tuple[str, str]]:
    return [(first, second), (second, first)]


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    """Random graphs: components, missing reverses, equal and lopsided weights."""
    mesh = Mesh("m")
    names = draw(st.permutations(NAMES))[: draw(st.integers(2, len(NAMES)))]
    pairs = [(a, b) for a in {*names, "m"} for b in {*names, "m"} if a != b]
    one_way = draw(st.lists(st.sampled_from(sorted(pairs)), max_size=30, unique=True))
    kept = draw(st.sets(st.sampled_from(sorted(pairs)), max_size=8))
    for pair in sorted({*one_way, *((b, a) for a, b in one_way)} - kept):
        source, target = (mesh.get_or_add(name) for name in pair)
        options = draw(st.sampled_from([C, C, INDIRECT | C]))
        weight = draw(st.integers(-1, 3))
        mesh.add_edge(source, target, place(pair[1]), options, weight)
    return mesh


@dataclass
class Found:
    indirect: bool = True
    visited: bool = False
    nexthop: str = ""
    via: str = ""
    prevedge: Edge | None = None
    options: int = 0
    address: SocketAddress | None = None


def literal_search(mesh: Mesh) -> dict[str, Found]:
    """Breadth-first search, word by word."""
    found = {name: Found() for name in mesh.nodes}
    found["m"] = Found(False, True, "m", "m")
    queue = [mesh.myself]
    for node in queue:
        n = found[node.name]
        for edge in sorted(node.edges.values(), key=lambda edge: edge.target.name):
            if edge.reverse is None:
                continue
            t = found[edge.target.name]
            indirect = n.indirect or bool(edge.options & INDIRECT)
            if t.visited and (not t.indirect or indirect):
                continue
            if not t.visited:
                t.nexthop = edge.target.name if n.nexthop == "m" else n.nexthop
            t.visited = True
            t.indirect = indirect
            t.prevedge = edge
            t.via = n.via if indirect else edge.target.name
            t.options = edge.options
            if t.address is None:
                t.address = edge.address
            queue.append(edge.target)
    return found


@given(meshes())
def test_search_is_the_literal_one(mesh: Mesh) -> None:
    expected = literal_search(mesh)
    changes = graph.run(mesh)
    for name, node in mesh.nodes.items():
        found = expected[name]
        assert node.reachable is found.visited
        # Ours shows the broadcast tree's walk, which may begin nowhere.
        starts = [n for n in mesh.nodes.values() if n.edges]
        begun = not starts or any(n.reachable for n in starts)
        assert node.visited is (begun if name == "m" else found.visited)
        assert node.indirect is found.indirect
        assert (node.nexthop.name if node.nexthop else "") == found.nexthop
        assert (node.via.name if node.via else "") == found.via
        assert node.prevedge is found.prevedge
        assert node.options == found.options
        assert node.address == found.address
    reached = sorted(n for n, f in expected.items() if f.visited and n != "m")
    assert [node.name for node in changes.up] == reached
    assert [each.node for each in changes.flips] == changes.up
    assert sorted(node.name for node in changes.addressed) == reached


def literal_tree(mesh: Mesh) -> set[Edge]:
    """The growth with restarts that tincd performs, word by word."""
    edges = sorted(mesh.edges(), key=lambda edge: edge.sort_key)
    reached: set[Node] = set()
    for edge in edges:
        if edge.source.reachable:
            reached.add(edge.source)
            break
    tree: set[Edge] = set()
    position, skipped = 0, False
    while position < len(edges):
        edge = edges[position]
        position += 1
        crossing = (edge.source in reached) != (edge.target in reached)
        if edge.reverse is None or not crossing:
            skipped = True
            continue
        reached |= {edge.source, edge.target}
        tree.add(edge)
        if skipped:
            position, skipped = 0, False
    return tree


@given(meshes())
def test_tree_is_the_literal_one(mesh: Mesh) -> None:
    graph.run(mesh)
    tree = broadcast_tree(mesh)
    assert tree == literal_tree(mesh)
    reachable = [node for node in mesh.nodes.values() if node.reachable]
    assert len(tree) == len(reachable) - 1


@given(meshes())
def test_every_member_draws_the_same_tree(mesh: Mesh) -> None:
    graph.run(mesh)
    ours = {edge.sort_key for edge in broadcast_tree(mesh)}
    for member in [node for node in mesh.nodes.values() if node.reachable]:
        theirs = Mesh(member.name)
        for edge in mesh.edges():
            ends = [theirs.get_or_add(n.name) for n in (edge.source, edge.target)]
            theirs.add_edge(ends[0], ends[1], edge.address, edge.options, edge.weight)
        graph.run(theirs)
        assert {edge.sort_key for edge in broadcast_tree(theirs)} == ours


def test_lopsided_weights_take_the_lighter_direction() -> None:
    mesh = build(("m", "a", 9), ("a", "m", 1), ("m", "b", 5), ("b", "m", 5))
    graph.run(mesh)
    tree = {(e.source.name, e.target.name) for e in broadcast_tree(mesh)}
    assert tree == {("a", "m"), ("b", "m")}


def test_broadcast_neighbours_are_ours_in_the_tree() -> None:
    triangle = [*both("m", "a"), *both("a", "b")]
    mesh = build(*triangle, ("m", "b", 7), ("b", "m", 7))
    graph.run(mesh)
    assert {node.name for node in broadcast_neighbours(mesh)} == {"a"}


def test_alone_there_is_no_tree() -> None:
    mesh = build(("m", "a"))
    graph.run(mesh)
    assert broadcast_tree(mesh) == frozenset()
    assert broadcast_neighbours(mesh) == set()


def test_edge_without_reverse_reaches_nobody() -> None:
    mesh = build(("m", "a"))
    assert graph.run(mesh).up == []
    mesh.add_edge(mesh.nodes["a"], mesh.myself, place("m"), C, 1)
    changes = graph.run(mesh)
    assert [node.name for node in changes.up] == ["a"]
    assert [*changes.flips] == [graph.Change(mesh.nodes["a"], True, place("a"))]


@pytest.mark.parametrize(
    ("options", "via"), [(0x700000D, "peer"), (0x700000C, "carol")]
)
def test_indirect_node_is_reached_via_its_neighbour(options: int, via: str) -> None:
    mesh = build(
        *both("m", "peer"),
        ("peer", "carol", 55, options),
        ("carol", "peer", 55, options),
    )
    graph.run(mesh)
    carol = mesh.nodes["carol"]
    assert carol.nexthop is mesh.nodes["peer"]
    assert carol.via is mesh.nodes[via]
    assert carol.options == options


def test_direct_revisit_keeps_the_nexthop() -> None:
    """x is first seen indirectly behind a, then directly behind b."""
    mesh = build(
        *both("m", "a"),
        *both("m", "b"),
        ("a", "x", 1, INDIRECT),
        ("x", "a", 1, INDIRECT),
        *both("b", "x"),
    )
    graph.run(mesh)
    x = mesh.nodes["x"]
    assert (x.indirect, x.nexthop, x.via) == (False, mesh.nodes["a"], x)
    assert x.prevedge is mesh.nodes["b"].edges["x"]


def test_known_udp_address_is_kept() -> None:
    mesh = build(*both("m", "a"))
    learned = SocketAddress("192.0.2.9", 9)
    mesh.set_address(mesh.nodes["a"], learned)
    assert graph.run(mesh).addressed == []
    assert mesh.nodes["a"].address == learned


def test_going_down_keeps_the_address_for_the_scripts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mesh = build(*both("m", "a"), *both("a", "b"))
    graph.run(mesh)
    a, b = mesh.nodes["a"], mesh.nodes["b"]
    caplog.clear()
    mesh.remove_edge(mesh.myself.edges["a"])
    changes = graph.run(mesh)
    assert [*changes.flips] == [
        graph.Change(a, False, place("a")),
        graph.Change(b, False, place("b")),
    ]
    assert changes.up == []
    assert a.address == place("a")
    assert a.options == C
    graph.settle_down(mesh, [a])
    after: list[object] = [a.address, a.options, a.visited, a.indirect]
    assert after == [None, 0, False, True]
    assert mesh.node_by_address(place("a")) is None
    assert a.nexthop is a
    assert caplog.messages == [
        "Node a (10.0.0.98 port 655) became unreachable",
        "Node b (10.0.0.99 port 655) became unreachable",
        "UDP address of a cleared",
    ]


def test_node_that_came_back_is_not_settled() -> None:
    mesh = build(*both("m", "a"))
    graph.run(mesh)
    a = mesh.nodes["a"]
    graph.settle_down(mesh, [a])
    assert (a.address, a.options) == (place("a"), C)


def test_nodes_are_settled_each_for_itself() -> None:
    mesh = build(*both("m", "a"), *both("m", "b"))
    graph.run(mesh)
    a, b = mesh.nodes["a"], mesh.nodes["b"]
    mesh.remove_edge(mesh.myself.edges["b"])
    graph.run(mesh)
    graph.settle_down(mesh, [a, b])
    assert (a.address, b.address) == (place("a"), None)


def test_lines_about_coming_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    graph.run(build(*both("m", "a")))
    assert caplog.record_tuples == [
        (
            "tincd.protocol",
            logging.DEBUG,
            "UDP address of a set to 10.0.0.98 port 655",
        ),
        (
            "tincd.traffic",
            logging.DEBUG,
            "Node a (10.0.0.98 port 655) became reachable",
        ),
    ]


def test_both_directions_of_an_edge_are_relied_on() -> None:
    mesh = build(*both("m", "a"), *both("m", "b"), *both("a", "b"))
    graph.run(mesh)
    ends = {
        (edge.source.name, edge.target.name)
        for edge in mesh.edges()
        if graph.relied_on(edge)
    }
    assert ends == {*both("m", "a"), *both("m", "b")}


def test_run_that_changes_reachability_forgets_cached_lookups() -> None:
    mesh = build(*both("m", "a"))
    address = bytes([10, 9, 9, 9])
    assert mesh.subnets.lookup(address) is None
    mesh.subnets._cache[address] = None
    graph.run(mesh)
    assert not mesh.subnets._cache
    mesh.subnets._cache[address] = None
    graph.run(mesh)
    assert mesh.subnets._cache
