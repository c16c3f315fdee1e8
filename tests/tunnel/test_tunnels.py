"""Tunnels of nodes that come and go: nobody can tell that they are reset later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.stories import NAMES, Event, Story, events
from tests.tunnel.world import PARAMETERS, World, make_tunnel, neighbours
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.tunnel import Tunnel
from tincd_compat.tunnel.tunnels import NodeLabel, Tunnels


class Desk:
    """Tunnels of nodes with a key, and the work that waits for its time."""

    def __init__(self, *names: str) -> None:
        self.ended: list[str] = []
        self.changed: list[str] = []
        self.work: Iterator[object] = iter(())
        self.tunnels = Tunnels(PARAMETERS, bytes)
        self.tunnels.attach(
            lambda node: self.changed.append(node.name),
            lambda node: self.ended.append(node.name),
        )
        self.nodes = {name: Node(name) for name in names}
        for name in names:
            self.take_key(name)

    def of(self, name: str) -> Tunnel:
        return self.tunnels.of(self.nodes[name])

    def take_key(self, name: str) -> None:
        key = make_tunnel("us").new_own_key(bytes)
        fields = (key.cipher, key.digest, key.maclength, key.compression)
        assert self.of(name).install_peer_key(key.key, *fields)

    def flip(self, *names: str) -> None:
        self.tunnels.nodes_changed([self.nodes[name] for name in names])
        self.work = self.tunnels.reset_outdated()


def test_who_is_lost_has_no_key() -> None:
    desk = Desk("a", "b")
    before = desk.of("a")
    desk.flip("a")
    assert not desk.of("a").valid_key
    assert desk.of("a") is before
    assert desk.of("b").valid_key
    assert desk.ended == ["a"]


def test_nothing_is_reset_at_once() -> None:
    desk = Desk("a", "b")
    tunnels = [desk.of(name) for name in "ab"]
    desk.flip("a", "b")
    assert all(tunnel.valid_key for tunnel in tunnels)
    for left in (1, 0):
        next(desk.work)
        assert sum(tunnel.valid_key for tunnel in tunnels) == left
    assert next(desk.work, None) is None
    assert desk.ended == ["a", "b"]


def test_how_log_lines_name_a_node() -> None:
    assert str(NodeLabel(Node("peer"))) == "peer ((null))"
    place = SocketAddress("10.0.0.2", 655)
    assert str(NodeLabel(Node("peer", place))) == "peer (10.0.0.2 port 655)"


def test_who_was_lost_and_is_back_begins_anew() -> None:
    desk = Desk("a")
    desk.flip("a")
    desk.flip("a")
    assert not desk.of("a").valid_key
    desk.take_key("a")
    # Nothing is left to be done that could take this key away.
    assert next(desk.work, None) is None
    assert desk.of("a").valid_key
    assert desk.ended == ["a"]


def test_a_key_of_who_is_back_ends_with_the_next_loss() -> None:
    desk = Desk("a", "b")
    for _ in range(2):
        desk.flip("a", "b")
        desk.take_key("a")
    desk.flip("a")
    assert not desk.of("a").valid_key


def test_what_is_told_of_a_reset_finds_it_done() -> None:
    desk = Desk()
    node, found = Node("a"), list[bool]()
    tunnels = desk.tunnels
    tunnels.attach(lambda node: found.append(tunnels.of(node).valid_key))
    desk.nodes = {"a": node}
    desk.take_key("a")
    desk.flip("a")
    tunnels.of(node)
    assert found == [True, False]


def test_a_forgotten_node() -> None:
    desk = Desk("a", "b")
    desk.flip("a")
    desk.tunnels.forget(desk.nodes["a"])
    desk.tunnels.forget(Node("stranger"))
    assert desk.ended == ["a"]
    assert list(desk.work) == []
    assert len([*desk.tunnels.look_after_keys(0.0)]) == 1


def test_without_a_tunnel_there_is_nothing_to_do() -> None:
    desk = Desk("a")
    stranger = Node("stranger")
    desk.tunnels.nodes_changed([stranger])
    assert desk.tunnels.known(stranger) is None
    assert list(desk.work) == []
    desk.flip("a")
    known = desk.tunnels.known(desk.nodes["a"])
    assert known is not None
    assert not known.valid_key


@pytest.mark.parametrize("names", ["b", "bcd"])
def test_no_frame_is_sealed_for_who_has_lost_its_key(names: str) -> None:
    world = neighbours("b", "c", "d")
    world.ready("b", "c", "d")
    flow = world.pipeline.flows.lookup(bytes([10, 0, 2, 1]))
    assert flow is not None
    for name in names:
        world.unlink("a", name)
    for name in names:
        world.link("a", name)
    assert world.pipeline.flows.lookup(bytes([10, 0, 2, 1])) is None
    # That there is no way depends on the tunnel which was only reset to find that out.
    world.ready(*names)
    assert world.pipeline.flows.lookup(bytes([10, 0, 2, 1])) == flow


# Any story.


class Patient(Story):
    """A story in which nothing is done in slices before somebody asks."""


class Eager(Story):
    """A story in which everything is done at once."""

    def happen(self, kind: str, name: str, number: int) -> None:
        super().happen(kind, name, number)
        for _ in self.world.work:
            pass


def _state(world: World, name: str) -> object:
    node = world.node(name)
    tunnel = world.tunnel(node)
    return (
        (node.reachable, node.mtu, node.address, tunnel.dump(), tunnel.valid_key),
        (tunnel.opener is None, tunnel.openers.other is None, tunnel.methods),
        (tunnel.introduced, tunnel.pmtu.phase, tunnel.pmtu.rounds),
    )


@given(st.lists(events, max_size=60))
def test_patience_shows_nowhere(told: list[Event]) -> None:
    patient, eager = Patient(), Eager()
    for event in told:
        if event[0] != "slice":
            patient.happen(*event)
            eager.happen(*event)
    assert patient.world.ports.trains == eager.world.ports.trains
    for name in NAMES:
        assert _state(patient.world, name) == _state(eager.world, name)
