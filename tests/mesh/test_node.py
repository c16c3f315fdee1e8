"""The tables of nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.mesh.heard import Heard
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import MAX_MTU, Mesh

PLACE = SocketAddress("10.0.0.1", 655)
ELSEWHERE = SocketAddress("10.0.0.2", 655)


def test_own_node_is_reachable_and_its_own_hop() -> None:
    myself = Mesh("alpha").myself
    assert myself.reachable
    assert myself.nexthop is myself
    assert myself.via is myself


def test_new_node_is_unreachable() -> None:
    mesh = Mesh("alpha")
    node = mesh.get_or_add("beta")
    assert mesh.get_or_add("beta") is node
    assert (node.reachable, node.address, node.mtu) == (False, None, MAX_MTU)
    assert repr(node) == "Node('beta')"


def test_order_of_edges_follows_every_change() -> None:
    mesh = Mesh("m")
    b, a = mesh.get_or_add("b"), mesh.get_or_add("a")
    first = mesh.add_edge(mesh.myself, b, PLACE, 0, 1)
    assert mesh.myself.sorted_edges() == [first]
    second = mesh.add_edge(mesh.myself, a, PLACE, 0, 1)
    assert mesh.myself.sorted_edges() == [second, first]
    newer = mesh.add_edge(mesh.myself, b, ELSEWHERE, 0, 1)
    assert mesh.myself.sorted_edges() == [second, newer]
    mesh.remove_edge(second)
    assert mesh.myself.sorted_edges() == [newer]


def test_node_is_needed_for_its_edges_in_both_directions_and_its_subnets() -> None:
    mesh = Mesh("m")
    node, other = mesh.get_or_add("a"), mesh.get_or_add("b")
    assert not mesh.needed(node)
    mesh.add_edge(node, other, PLACE, 0, 1)
    again = mesh.add_edge(node, other, ELSEWHERE, 0, 1)
    assert mesh.needed(node)
    assert mesh.needed(other)
    mesh.remove_edge(again)
    assert not mesh.needed(node)
    assert not mesh.needed(other)
    subnet = Subnet.parse("10.0.0.0/8")
    assert subnet is not None
    mesh.subnets.add(node, subnet)
    assert mesh.needed(node)


def test_nodes_and_edges_come_in_name_order() -> None:
    mesh = Mesh("m")
    for name in ("z", "B", "a"):
        mesh.add_edge(mesh.get_or_add(name), mesh.myself, PLACE, 0, 1)
        mesh.add_edge(mesh.myself, mesh.get_or_add(name), PLACE, 0, 1)
    assert [node.name for node in mesh.sorted_nodes()] == ["B", "a", "m", "z"]
    ends = [(edge.source.name, edge.target.name) for edge in mesh.edges()]
    assert ends == [
        ("B", "m"),
        ("a", "m"),
        ("m", "B"),
        ("m", "a"),
        ("m", "z"),
        ("z", "m"),
    ]


def test_reverse_edge() -> None:
    mesh = Mesh("a")
    other = mesh.get_or_add("b")
    edge = mesh.add_edge(mesh.myself, other, PLACE, 0, 1)
    assert edge.reverse is None
    back = mesh.add_edge(other, mesh.myself, PLACE, 0, 2)
    assert edge.reverse is back
    assert back.reverse is edge
    assert edge.sort_key < back.sort_key
    mesh.remove_edge(back)
    assert edge.reverse is None


def test_first_owner_of_an_address_keeps_it() -> None:
    mesh = Mesh("a")
    first, second = mesh.get_or_add("b"), mesh.get_or_add("c")
    mesh.set_address(first, PLACE)
    mesh.set_address(second, PLACE)
    assert mesh.node_by_address(PLACE) is first
    mesh.set_address(second, ELSEWHERE)
    assert mesh.node_by_address(PLACE) is first
    assert mesh.node_by_address(ELSEWHERE) is second
    mesh.remove_node(first)
    assert mesh.node_by_address(PLACE) is None
    assert "b" not in mesh.nodes


def test_what_changes_is_told() -> None:
    mesh = Mesh("m")
    heard = Heard(mesh)
    node, subnet = mesh.get_or_add("a"), Subnet.parse("10.0.0.0/8")
    assert subnet is not None
    mesh.subnets.add(node, subnet)
    assert heard.take() == ["subnet 10.0.0.0/8#10"]
    assert not mesh.subnets.add(node, subnet)
    assert heard.take() == []
    assert mesh.subnets.remove(node, subnet)
    assert heard.take() == ["subnet 10.0.0.0/8#10"]
    assert not mesh.subnets.remove(node, subnet)
    assert heard.take() == []
    mesh.add_edge(mesh.myself, node, PLACE, 0, 1)
    mesh.add_edge(node, mesh.myself, PLACE, 0, 1)
    # Edges count with the next search.
    assert heard.take() == []
    graph.run(mesh)
    # Addresses that a search has found are a part of that.
    assert heard.take() == ["graph"]
    assert node.address == PLACE
    mesh.set_address(node, PLACE)
    assert heard.take() == []
    mesh.set_address(node, ELSEWHERE)
    assert heard.take() == [f"address of a: {ELSEWHERE}"]
    mesh.remove_edge(mesh.myself.edges["a"])
    graph.run(mesh)
    graph.settle_down(mesh, [node])
    assert heard.take() == ["graph", "address of a: None"]


def test_an_address_that_another_has_left_is_taken_over() -> None:
    mesh = Mesh("m")
    a, b = mesh.get_or_add("a"), mesh.get_or_add("b")
    for node in (a, b):
        mesh.set_address(node, PLACE)
    assert mesh.node_by_address(PLACE) is a
    mesh.set_address(a, ELSEWHERE)
    mesh.set_address(b, PLACE)
    assert mesh.node_by_address(PLACE) is b


def literal_owners(story: Sequence[tuple[str, int | None]]) -> dict[int, str]:
    """Who is at which address, if what is left is forgotten at once."""
    places: dict[str, int] = {}
    owners: dict[int, str] = {}
    for name, place in story:
        before = places.pop(name, None)
        if before is not None and owners.get(before) == name:
            del owners[before]
        if place is not None:
            places[name] = place
            owners.setdefault(place, name)
    return owners


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | st.integers(1, 3)), max_size=40
    ),
    st.booleans(),
)
def test_an_address_is_of_the_first_who_is_there(
    story: list[tuple[str, int | None]], again: bool
) -> None:
    mesh = Mesh("m")
    # Who comes back does with the same object or with one that is only equal.
    kept = {number: SocketAddress(f"10.0.0.{number}", 655) for number in (1, 2, 3)}
    for name, number in story:
        place = None if number is None else kept[number]
        if again and number is not None:
            place = SocketAddress(f"10.0.0.{number}", 655)
        mesh.put_at(mesh.get_or_add(name), place)
    owners = literal_owners(story)
    for number, place in kept.items():
        found = mesh.node_by_address(place)
        assert (found and found.name) == owners.get(number)
    for name in "abc":
        mesh.remove_node(mesh.get_or_add(name))
    assert not mesh._by_address


def test_who_comes_back_is_where_it_was() -> None:
    """Ten thousand may, and none of them is looked up."""
    mesh = Mesh("m")
    node = mesh.get_or_add("a")
    mesh.put_at(node, PLACE)
    mesh.put_at(node, None)
    assert mesh.node_by_address(PLACE) is None
    with mock.patch.object(SocketAddress, "__hash__", side_effect=AssertionError):
        mesh.put_at(node, PLACE)
    assert mesh.node_by_address(PLACE) is node


def test_a_node_that_is_forgotten_has_no_address_and_holds_nothing() -> None:
    mesh = Mesh("m")
    node = mesh.get_or_add("a")
    for ends in ((mesh.myself, node), (node, mesh.myself)):
        mesh.add_edge(*ends, PLACE, 0, 1)
    graph.run(mesh)
    for edge in (*mesh.myself.edges.values(), *node.edges.values()):
        mesh.remove_edge(edge)
    graph.run(mesh)
    heard = Heard(mesh)
    mesh.remove_node(node)
    assert heard.take() == ["address of a: None"]
    assert mesh.node_by_address(PLACE) is None
    assert (node.nexthop, node.via, node.prevedge, node.lifeline) == (None,) * 4


def test_a_word_of_an_address_does_not_take_its_path_away() -> None:
    mesh = Mesh("m")
    node = mesh.get_or_add("a")
    known = SocketAddress("fe80::2", 655, 3)
    mesh.set_address(node, known)
    heard = Heard(mesh)
    mesh.set_address(node, SocketAddress("fe80::2", 655))
    assert node.address is known
    assert heard.take() == []
