"""Who can be reached after edges have come and gone, beside a search from scratch."""

from __future__ import annotations

from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mesh.heard import Heard
from tests.mesh.test_graph import C, both, build, meshes, place
from tincd_compat.mesh import graph, reach
from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.options import INDIRECT


def connected(mesh: Mesh) -> set[str]:
    """Whom edges in both directions join to us."""
    found = {mesh.myself}
    for node in (queue := [mesh.myself]):
        for edge in node.edges.values():
            if edge.target not in found and node.name in edge.target.edges:
                found.add(edge.target)
                queue.append(edge.target)
    return {node.name for node in found}


def reachable(mesh: Mesh) -> set[str]:
    return {name for name, node in mesh.nodes.items() if node.reachable}


def add(mesh: Mesh, source: str, target: str, options: int = C) -> graph.Flips:
    ends = mesh.get_or_add(source), mesh.get_or_add(target)
    return reach.join(mesh, mesh.add_edge(*ends, place(target), options, 1))


def remove(mesh: Mesh, source: str, target: str) -> graph.Flips | None:
    edge = mesh.nodes[source].edges[target]
    mesh.remove_edge(edge)
    return reach.lose(mesh, edge)


def hanging(node: Node) -> set[Edge]:
    """The lifelines from a node up to us; a test ends here if they go round."""
    lines: set[Edge] = set()
    while node.lifeline is not None:
        assert node.lifeline not in lines
        lines.add(node.lifeline)
        node = node.lifeline.source
    return lines


def check(mesh: Mesh) -> None:
    """Lifelines are whole, and lead to whom can be reached and to nobody else."""
    for node in mesh.nodes.values():
        assert (node.lifeline is None) is (node is mesh.myself or not node.reachable)
        for line in hanging(node):
            assert line.source.edges[line.target.name] is line
            assert line.reverse is not None


@given(meshes(), st.data(), st.sampled_from([0, 3, reach.MAX_STEPS]))
def test_it_is_as_if_the_graph_had_run(
    mesh: Mesh, data: st.DataObject, steps: int
) -> None:
    graph.run(mesh)
    names = st.sampled_from(sorted(mesh.nodes))
    for source, target in data.draw(st.lists(st.tuples(names, names), max_size=60)):
        if source == target:
            continue
        before = reachable(mesh)
        with mock.patch.object(reach, "MAX_STEPS", steps):
            known = target in mesh.nodes[source].edges
            changes = (remove if known else add)(mesh, source, target)
        if changes is None:
            graph.run(mesh)
            continue
        assert reachable(mesh) == connected(mesh)
        flipped = [change.node.name for change in changes]
        assert flipped == sorted(before ^ reachable(mesh))
        for change in changes:
            assert change.up is change.node.reachable
            assert not change.up or change.address is not None
            graph.settle_down(mesh, [change.node])
        check(mesh)
        for node in mesh.nodes.values():
            if node.reachable and node is not mesh.myself:
                assert node.nexthop is not None
                assert node.via is not None


@given(meshes(), st.data())
def test_who_is_joined_has_what_a_run_would_give(
    mesh: Mesh, data: st.DataObject
) -> None:
    """If no other way is new: a member that comes back is where it had been."""
    graph.run(mesh)
    edges = [edge for edge in mesh.edges() if edge.reverse is not None]
    if not edges:
        return
    edge = data.draw(st.sampled_from(edges))
    mesh.remove_edge(edge)
    graph.run(mesh)
    graph.settle_down(mesh, mesh.nodes.values())
    edge = mesh.add_edge(
        edge.source, edge.target, edge.address, edge.options & ~INDIRECT, edge.weight
    )
    changes = reach.join(mesh, edge)
    found = {
        change.node: (change.node.nexthop, change.node.address, change.node.indirect)
        for change in changes
    }
    assert not graph.run(mesh).flips
    for node, (nexthop, address, indirect) in found.items():
        assert (node.nexthop, node.address) == (nexthop, address)
        assert node.indirect is indirect


def test_direct_way_is_found_behind_an_indirect_one() -> None:
    mesh = build(*both("m", "a"))
    graph.run(mesh)
    for ends in (("b", "c"), ("c", "b"), ("b", "d"), ("d", "b"), ("d", "c")):
        add(mesh, *ends)
    add(mesh, "c", "d")
    mesh.nodes["b"].edges["c"].options |= INDIRECT
    add(mesh, "b", "a")
    assert [change.node.name for change in add(mesh, "a", "b")] == ["b", "c", "d"]
    assert not mesh.nodes["c"].indirect
    assert mesh.nodes["c"].via is mesh.nodes["c"]


def test_search_for_another_way_has_an_end() -> None:
    """A node with very much behind it is left to a run, though there is a way."""
    names = [f"n{number}" for number in range(reach.MAX_STEPS)]
    tail = [pair for name in names for pair in both("a", name)]
    far = both(names[-1], "z")
    mesh = build(*both("m", "a"), *tail, *both("m", "b"), *far, *both("z", "b"))
    graph.run(mesh)
    assert remove(mesh, "m", "a") is None
    graph.run(mesh)
    assert reachable(mesh) == set(mesh.nodes)


@pytest.mark.parametrize("hub", ["a", "z"])
def test_edges_that_nobody_confirms_count_as_steps(hub: str) -> None:
    mesh = build(*both("m", "a"), *both("a", "z"))
    graph.run(mesh)
    for number in range(reach.MAX_STEPS):
        add(mesh, hub, f"n{number}")
    assert remove(mesh, "m", "a") is None


def test_long_lines_count_as_steps() -> None:
    names = ["m", *(f"n{number}" for number in range(reach.MAX_STEPS + 10))]
    chain = [pair for ends in pairwise(names) for pair in both(*ends)]
    mesh = build(*chain)
    graph.run(mesh)
    for name in ("n0", names[-1]):
        add(mesh, name, "z")
        add(mesh, "z", name)
    assert remove(mesh, "n0", "z") is None


def test_listener_hears_who_alone_has_changed() -> None:
    mesh = build(*both("m", "a"), *both("a", "b"))
    graph.run(mesh)
    heard = Heard(mesh)
    remove(mesh, "m", "a")
    assert heard.take() == ["a down", "b down"]
    add(mesh, "m", "a")
    assert [word for word in heard.take() if "address" not in word] == ["a up", "b up"]
    remove(mesh, "b", "a")
    assert heard.take() == ["b down"]


def test_lookups_hear_of_it_too() -> None:
    mesh = build(*both("m", "a"))
    graph.run(mesh)
    mesh.subnets._cache[bytes(4)] = None
    remove(mesh, "a", "m")
    assert not mesh.subnets._cache


def test_whoever_hung_on_a_lost_node_holds_it_now() -> None:
    mesh = build(*both("m", "a"), *both("a", "b"), *both("b", "c"), *both("m", "c"))
    graph.run(mesh)
    a, b, c = (mesh.nodes[name] for name in "abc")
    assert b.lifeline is a.edges["b"]
    assert list(remove(mesh, "m", "a") or ()) == []
    assert (a.lifeline, b.lifeline) == (b.edges["a"], c.edges["b"])
    check(mesh)


def test_who_is_cut_off_is_as_the_next_search_would_leave_it() -> None:
    mesh = build(*both("m", "a"))
    graph.run(mesh)
    remove(mesh, "m", "a")
    a = mesh.nodes["a"]
    assert (a.visited, a.indirect, a.lifeline) == (False, True, None)
