"""The state dump: what a new neighbour is told, and that nothing is missing then."""

from __future__ import annotations

from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.world import NORMAL, TUNNEL_SERVER, World, subnet, table_of
from tincd_compat.control.context import Envelope
from tincd_compat.control.effects import Forward
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.seen import SeenRequests
from tincd_compat.mesh.node import Mesh
from tincd_compat.meta import messages


def dumped(world: World, neighbour: str) -> list[str]:
    messages = world.gossip.state_dump(world[neighbour])
    return [message.encode().decode() for message in messages]


def test_state_dump_is_everything_by_node() -> None:
    lines = dumped(World(), "ghost")
    assert lines == [
        "10 100 alpha 10.1.0.0/24#10",
        "12 101 alpha other 10.99.0.3 7002 c 5",
        "12 102 alpha peer 10.99.0.2 7001 c 5",
        "10 103 far 10.4.0.0/24#10",
        "12 104 far peer 10.99.0.2 7001 c 5",
        "10 105 ghost 10.5.0.0/24#10",
        "12 106 other alpha 10.99.0.1 6551 c 5",
        "10 107 peer 10.2.0.0/24#10",
        "12 108 peer alpha 10.99.0.1 6551 c 5",
        "12 109 peer far 10.99.0.4 7003 c 5",
    ]


def test_state_dump_of_a_tunnel_server_is_its_own_subnets() -> None:
    world = World(TUNNEL_SERVER)
    world.mesh.subnets.add(world["alpha"], subnet("fd00:1:0:0:0:0:0:0/64#5"))
    lines = dumped(world, "peer")
    assert lines == [
        "10 100 alpha 10.1.0.0/24#10",
        "10 101 alpha fd00:1:0:0:0:0:0:0/64#5",
    ]


def test_state_dump_leaves_the_new_edge_to_whoever_announces_it() -> None:
    lines = dumped(World(), "peer")
    assert "12 101 alpha other 10.99.0.3 7002 c 5" in lines
    assert not [line for line in lines if " alpha peer " in line]
    assert [line for line in lines if " peer alpha " in line]


def test_state_dump_tells_what_is_true_when_it_is_asked() -> None:
    world = World()
    dump = world.gossip.state_dump(world["ghost"])
    assert next(dump).encode() == b"10 100 alpha 10.1.0.0/24#10"
    world.hear("13 a far peer")
    world.hear("13 b peer far")
    world.hear("12 c other alpha 10.99.0.1 6551 c 77")
    world.hear("11 d far 10.4.0.0/24")
    world.mesh.remove_node(world["far"])
    world.hear("10 e zulu 10.9.0.0/24")
    rest = [" ".join(message.encode().decode().split()[2:]) for message in dump]
    assert rest == [
        "alpha other 10.99.0.3 7002 c 5",
        "alpha peer 10.99.0.2 7001 c 5",
        "ghost 10.5.0.0/24#10",
        "other alpha 10.99.0.1 6551 c 77",
        "peer 10.2.0.0/24#10",
        "peer alpha 10.99.0.1 6551 c 5",
    ]


@pytest.mark.parametrize("lost", ["10.4.0.0/24", "10.4.1.0/24"])
def test_state_dump_bears_changes_of_what_is_being_told(lost: str) -> None:
    world = World()
    for number in range(3):
        world.hear(f"10 a{number} far 10.4.{number}.0/24")
        world.hear(f"12 b{number} far n{number} 10.0.0.1 655 c 1")
    dump = world.gossip.state_dump(world["ghost"])
    told = next(message for message in dump if "far" in message.encode().decode())
    world.hear(f"11 c far {lost}")
    world.hear("13 d far n1")
    told_after = [message.encode().decode().split(maxsplit=2)[2] for message in dump]
    of_far = [text for text in told_after if text.startswith("far")]
    assert told.encode().endswith(b"far 10.4.0.0/24#10")
    assert of_far == [
        *(f"far 10.4.{n}.0/24#10" for n in (1, 2) if f"10.4.{n}.0/24" != lost),
        "far n0 10.0.0.1 655 c 1",
        "far n2 10.0.0.1 655 c 1",
        "far peer 10.99.0.2 7001 c 5",
    ]


def test_state_dump_leaves_out_an_edge_that_goes_while_its_node_is_told_of() -> None:
    world = World()
    for number in range(3):
        world.hear(f"12 b{number} far n{number} 10.0.0.1 655 c 1")
    dump = world.gossip.state_dump(world["ghost"])
    for message in dump:
        if b"far n0" in message.encode():
            break
    world.hear("13 d far n1")
    told_after = [message.encode().decode().split()[2:4] for message in dump]
    assert [ends for ends in told_after if ends[0] == "far"] == [
        ["far", "n2"],
        ["far", "peer"],
    ]


class Newcomer:
    """A neighbour that knows nothing but what alpha tells it."""

    def __init__(self) -> None:
        self.mesh = Mesh("newcomer")
        nonces = count(0x900)
        seen = SeenRequests(60)
        self._gossip = Gossip(self.mesh, NORMAL, seen, lambda: next(nonces))
        self._table = table_of(self._gossip, self.mesh)
        self._alpha = self.mesh.get_or_add("alpha")

    def hear(self, line: bytes) -> None:
        message = messages.parse(line)
        envelope = Envelope(line, self._alpha, self._alpha.label, 0)
        self._table[type(message)].rule(message, envelope)


def tables(mesh: Mesh) -> tuple[set[str], set[str]]:
    edges = {
        f"{edge.source.name} {edge.target.name} {edge.address} {edge.weight}"
        for edge in mesh.edges()
    }
    return edges, {f"{owner.name} {item}" for item, owner in mesh.subnets.all()}


_FORMS = (
    "10 {nonce:x} {source} 10.{number}.0.0/16",
    "11 {nonce:x} {source} 10.{number}.0.0/16",
    "12 {nonce:x} {source} {target} 10.0.0.{number} 655 c {number}",
    "13 {nonce:x} {source} {target}",
)
_change = st.tuples(
    st.sampled_from(_FORMS),
    st.permutations(("far", "ghost", "other", "zulu")),
    st.integers(1, 2),
)


@given(st.lists(st.tuples(_change, st.integers(0, 3)), max_size=30))
def test_a_dump_and_what_follows_it_leave_no_difference(
    changes: list[tuple[tuple[str, list[str], int], int]],
) -> None:
    """However the mesh changes while a new neighbour is told of it."""
    world, newcomer = World(), Newcomer()
    dump = world.gossip.state_dump(world.mesh.get_or_add("newcomer"))
    made, behind = [], []
    for nonce, ((form, names, number), steps) in enumerate(changes, 1):
        made += [message.encode() for message in islice(dump, steps)]
        line = form.format(nonce=nonce, source=names[0], target=names[1], number=number)
        effects = world.hear(line)
        behind += [effect.line for effect in effects if isinstance(effect, Forward)]
    made += [message.encode() for message in dump]
    for each in made + behind:
        newcomer.hear(each)
    assert tables(newcomer.mesh) == tables(world.mesh)
