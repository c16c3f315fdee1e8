"""Finding senders by their MAC, and what strangers can make that cost."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.lookup import (
    MAX_LINES,
    MAX_NEARBY_TESTS,
    MAX_TESTS,
    MAX_VAIN,
    TURNS,
    LogLimit,
    SenderLookup,
)

STRANGER = SocketAddress("203.0.113.9", 1)


class Searched:
    """A star of nodes around a; node x is at the address that ``hosts`` says.

    A datagram "matches" the node it names.
    """

    def __init__(self, hosts: dict[str, str]) -> None:
        self.mesh = Mesh("a")
        self.tests: list[str] = []
        self.keyless: set[str] = set()
        for name, host in hosts.items():
            self.add(name, host)
        self.lookup = SenderLookup(self.mesh, self.matches)

    def add(self, name: str, host: str) -> None:
        mesh = self.mesh
        node = mesh.get_or_add(name)
        mesh.add_edge(mesh.myself, node, SocketAddress(host, 655), 0, 1)
        mesh.add_edge(node, mesh.myself, SocketAddress("192.0.2.1", 655), 0, 1)
        graph.run(mesh)

    def matches(self, node: Node, datagram: bytes) -> bool | None:
        if node.name in self.keyless:
            return None
        self.tests.append(node.name)
        return datagram == node.name.encode()

    def find(
        self,
        name: str,
        source: SocketAddress,
        now: float = 0,
        except_: Node | None = None,
    ) -> str | None:
        """Return who is found, after noting afresh who was asked."""
        self.tests.clear()
        node = self.lookup.find(name.encode(), source, now, except_)
        return None if node is None else node.name


def three() -> Searched:
    return Searched({"b": "192.0.2.2", "c": "192.0.2.3", "d": "192.0.2.3"})


def test_nodes_at_the_source_are_asked_first() -> None:
    world = three()
    assert world.find("d", SocketAddress("192.0.2.3", 4242)) == "d"
    assert world.tests == ["c", "d"]


def test_then_all_others() -> None:
    world = three()
    assert world.find("d", SocketAddress("192.0.2.2", 4242)) == "d"
    assert world.tests == ["b", "b", "c", "d"]


def test_a_node_is_near_where_it_was_last_heard() -> None:
    world = three()
    world.mesh.set_address(world.mesh.nodes["b"], STRANGER)
    assert world.find("b", STRANGER.with_port(2)) == "b"
    assert world.tests == ["b"]


def test_one_vain_search_a_second_for_each_host() -> None:
    world = three()
    other = SocketAddress("203.0.113.10", 1)
    assert world.find("d", STRANGER, 5.0) == "d"
    assert world.find("x", STRANGER, 5.0) is None
    assert world.tests == ["b", "c", "d"]
    assert world.find("b", STRANGER.with_port(9), 5.9) is None
    assert world.tests == []
    assert world.find("b", other, 5.9) == "b"
    assert world.find("b", STRANGER, 6.0) == "b"


def test_nodes_at_the_source_are_asked_every_time() -> None:
    world = three()
    source = SocketAddress("192.0.2.3", 4242)
    assert world.find("x", source) is None
    for _ in range(3):
        assert world.find("d", source) == "d"


def test_who_was_tried_is_not_asked_again() -> None:
    world = three()
    source = SocketAddress("192.0.2.3", 655)
    assert world.find("d", source, except_=world.mesh.nodes["c"]) == "d"
    assert world.tests == ["d"]


def test_who_cannot_be_meant_is_not_asked() -> None:
    world = three()
    world.keyless.add("b")
    world.mesh.get_or_add("e")
    assert world.find("x", STRANGER) is None
    assert world.tests == ["c", "d"]
    assert world.find("a", SocketAddress("192.0.2.1", 1)) is None
    assert world.tests == ["c", "d"]


def test_strangers_cannot_buy_more_than_the_budget() -> None:
    world = Searched({f"n{i}": f"192.0.2.{i}" for i in range(20)})
    spent = 0
    for i in range(500):
        world.find("x", SocketAddress(f"203.0.{i // 250}.{i % 250}", 1), 7.5)
        spent += len(world.tests)
    assert MAX_TESTS - 200 <= spent <= MAX_TESTS + 20
    assert world.find("n3", SocketAddress("192.0.2.3", 9), 7.6) == "n3"
    assert world.find("n3", STRANGER, 7.6) is None
    assert world.find("n3", STRANGER, 8.0) == "n3"


def test_the_set_of_hosts_is_bounded_without_any_node() -> None:
    world = Searched({})
    for i in range(MAX_TESTS + 100):
        world.find("x", SocketAddress(f"10.{i // 250}.0.{i % 250}", 1))
    assert len(world.lookup._searched) <= MAX_TESTS


def test_a_crowd_behind_one_address_is_bounded_too() -> None:
    world = Searched({f"n{i}": "192.0.2.2" for i in range(20)})
    spent = 0
    for _ in range(400):
        world.find("x", SocketAddress("192.0.2.2", 1))
        spent += len(world.tests)
    assert spent <= MAX_NEARBY_TESTS + 20 + 20


def test_a_newcomer_is_near_at_the_latest_in_the_next_second() -> None:
    world = three()
    source = SocketAddress("192.0.2.9", 1)
    world.find("x", source, 1.0)
    world.add("e", "192.0.2.9")
    world.lookup.invalidate()
    assert world.find("e", source, 1.5) is None
    assert world.find("e", source, 2.0) == "e"
    assert world.tests == ["e"]


# Whose datagrams are not worth a look


def vain(world: Searched, host: str, now: float = 5.0, name: str = "") -> bool:
    """Tell what is said, which must not cost a test of a datagram."""
    world.tests.clear()
    in_vain = world.lookup.in_vain(host, now, world.mesh.nodes.get(name))
    assert len(world.tests) <= 1
    return in_vain


def test_a_look_is_in_vain_after_a_vain_search() -> None:
    world = three()
    assert not vain(world, STRANGER.host)
    world.find("x", STRANGER, 5.0)
    assert vain(world, STRANGER.host)
    assert not vain(world, "203.0.113.10")
    assert vain(world, STRANGER.host, 5.9)
    assert not vain(world, STRANGER.host, 6.0)


def test_a_look_is_not_in_vain_where_a_node_is() -> None:
    world = three()
    for host in ("192.0.2.2", "192.0.2.3"):
        world.find("x", SocketAddress(host, 1), 5.0)
        assert not vain(world, host)
    # Its own node was tried, and there is another or not.
    assert vain(world, "192.0.2.2", 5.0, "b")
    assert not vain(world, "192.0.2.3", 5.0, "c")
    world.keyless |= {"c", "d"}
    assert vain(world, "192.0.2.3")


def test_a_look_is_in_vain_when_the_budget_is_spent() -> None:
    world = Searched({f"n{i}": "192.0.2.2" for i in range(20)})
    source = SocketAddress("192.0.2.2", 1)
    for _ in range(-(-MAX_NEARBY_TESTS // 20)):
        world.find("x", source, 5.0)
    assert vain(world, "192.0.2.2", 5.1)
    assert not vain(world, "192.0.2.2", 5.0 + 1 / TURNS)


def test_a_look_that_was_in_vain_no_longer_is_when_there_is_a_key_or_a_node() -> None:
    """In the same turn: what a node says first may be behind what brought its key."""
    world = three()
    world.keyless |= {"b"}
    world.find("x", SocketAddress("192.0.2.2", 1), 5.0)
    assert vain(world, "192.0.2.2")
    world.keyless.clear()
    world.lookup.keys_changed()
    assert not vain(world, "192.0.2.2")
    world.mesh.nodes["b"].reachable = False
    assert vain(world, "192.0.2.2")
    world.mesh.nodes["b"].reachable = True
    world.lookup.invalidate()
    assert not vain(world, "192.0.2.2")


def test_what_is_in_vain_does_not_fill_the_memory() -> None:
    world = three()
    assert not vain(world, STRANGER.host)
    world.lookup._tests = MAX_TESTS
    for number in range(2 * MAX_VAIN + 5):
        assert vain(world, f"203.0.{number >> 8}.{number & 0xFF}")
    assert 0 < len(world.lookup._vain) <= MAX_VAIN


@given(
    st.lists(st.sampled_from(("192.0.2.2", "192.0.2.3", "203.0.113.9")), max_size=6),
    st.sampled_from(("b", "c", "d", "x")),
    st.sampled_from((None, "b", "c")),
)
def test_what_is_in_vain_is_not_found(
    hosts: list[str], name: str, tried: str | None
) -> None:
    world = three()
    for host in hosts:
        world.find("x", SocketAddress(host, 1), 5.0)
    for host in {*hosts, "192.0.2.2"}:
        except_ = None if tried is None else world.mesh.nodes[tried]
        if world.lookup.in_vain(host, 5.0, except_):
            assert world.find(name, SocketAddress(host, 1), 5.0, except_) is None


def test_hosts_that_are_wanted() -> None:
    world = Searched({f"n{i}": f"192.0.2.{i}" for i in range(2, 22)})
    assert world.lookup.wanted_hosts(7.0) is None
    for i in range(MAX_TESTS // 20):
        world.find("x", SocketAddress(f"203.0.113.{i}", 1), 7.0)
    wanted = world.lookup.wanted_hosts(7.1)
    assert wanted is not None
    # Those of the edges, and of nodes themselves; an edge leads to us too.
    assert set(wanted) == {f"192.0.2.{i}" for i in range(1, 22)}
    for _ in range(MAX_NEARBY_TESTS):
        world.find("x", SocketAddress("192.0.2.2", 1), 7.1)
    assert world.lookup.wanted_hosts(7.1) == []
    assert world.lookup.wanted_hosts(8.0) is None


# Log lines


def test_lines_about_strangers_are_few(caplog: pytest.LogCaptureFixture) -> None:
    world = three()
    for i in range(10):
        world.lookup.report(STRANGER, 3 + i / 100)
    line = "Received UDP packet from unknown source 203.0.113.9 port 1"
    assert caplog.messages == [line] * MAX_LINES
    world.lookup.report(STRANGER, 4)
    assert caplog.messages == [line] * MAX_LINES + ["... 7 more suppressed", line]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert {record.name for record in caplog.records} == {"tincd.protocol"}


def test_lines_for_many_at_once(caplog: pytest.LogCaptureFixture) -> None:
    world = three()
    world.lookup.report(STRANGER, 3, 2)
    world.lookup.report(STRANGER, 3, 10)
    world.lookup.ignored(100)
    assert len(caplog.messages) == MAX_LINES
    world.lookup.report(STRANGER, 4)
    assert caplog.messages[MAX_LINES] == "... 109 more suppressed"


def test_nothing_suppressed_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    limit = LogLimit(logging.getLogger("tincd"), logging.WARNING, 2)
    for now in (0.0, 0.1, 1.0, 2.0):
        limit.log(now, "%s", now)
    assert caplog.messages == ["0.0", "0.1", "1.0", "2.0"]
