"""Which lines between nodes go to sessions, to keys, onward, or nowhere."""

from __future__ import annotations

import logging

import pytest

from tests.control.parties import KEYS
from tests.control.world import OPTIONS, PEER, PLACES, World, passed_on
from tests.crypto.sptps.ends import ENDS
from tests.crypto.sptps.vectors import offers
from tincd_compat.control.context import Envelope
from tincd_compat.control.effects import (
    Announce,
    Effect,
    KeyReceived,
    KeyRequested,
    KeyVoid,
    Relay,
    SendKey,
    SendTowards,
)
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.sessions import NodeSessions, SessionPolicy
from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.mesh import graph, reach
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta import messages
from tincd_compat.meta.messages import AnsKey, KeyChanged, KeyForm, ReqKey
from tincd_compat.options import with_minor

OURS = 7


def announced(*names: str, ours: int = OURS, minor: int = 7) -> Mesh:
    """Return the small mesh before its graph has run; the nodes named speak 17.7."""
    mesh = Mesh("alpha")
    mesh.myself.options = with_minor(OPTIONS, ours)
    for pair in (("alpha", "peer"), ("alpha", "other"), ("peer", "far")):
        for ends in (pair, pair[::-1]):
            options = with_minor(OPTIONS, minor if ends[1] in names else 0)
            nodes = mesh.get_or_add(ends[0]), mesh.get_or_add(ends[1])
            mesh.add_edge(*nodes, PLACES[ends[1]], options, 5)
    return mesh


class Desk:
    """A key exchange in the small mesh; the nodes named have announced 17.7."""

    def __init__(self, *names: str, ours: int = OURS) -> None:
        self.mesh = announced(*names, ours=ours)
        graph.run(self.mesh)
        make = offers(b"ours")
        policy = SessionPolicy(
            own=KEYS["alpha"],
            keys=lambda _node: KEYS["bravo"].public,
            make=lambda terms: DatagramSession(terms, make, ENDS),
            lifetime=lambda: 3600.0,
        )
        self.exchange = KeyExchange(
            self.mesh,
            tunnel_server=False,
            udp_confirmed=lambda _node: False,
            nonce=lambda: 0x77,
            key_expire=3600,
            now=0,
            sessions=NodeSessions(self.mesh.myself, policy) if ours >= 2 else None,
        )

    def __getitem__(self, name: str) -> Node:
        return self.mesh.nodes[name]

    def hear(self, line: str) -> list[Effect]:
        raw = line.encode()
        message = messages.parse(raw)
        envelope = Envelope(raw, self["peer"], PEER, 0)
        if isinstance(message, AnsKey):
            return self.exchange.answer(message, envelope)
        assert isinstance(message, ReqKey)
        return self.exchange.request(message, envelope)


# Who has sessions.


def having(mesh: Mesh) -> set[str]:
    return {name for name, node in mesh.nodes.items() if node.has_sessions}


@pytest.mark.parametrize("ours", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("minor", [0, 1, 2, 4, 7])
def test_nodes_have_sessions_where_both_ends_know_them(ours: int, minor: int) -> None:
    mesh = announced("peer", "far", ours=ours, minor=minor)
    graph.run(mesh)
    both = ours >= 2 and minor >= 2
    assert having(mesh) == ({"peer", "far"} if both else set())


def test_the_verdict_stands_while_a_node_can_be_reached() -> None:
    mesh = announced("far")
    graph.run(mesh)
    edge = mesh.nodes["peer"].edges["far"]
    edge.options = with_minor(edge.options, 0)
    graph.run(mesh)
    assert having(mesh) == {"far"}
    mesh.remove_edge(edge)
    graph.settle_down(mesh, graph.run(mesh).flips.nodes)
    assert having(mesh) == set()
    mesh.add_edge(edge.source, edge.target, edge.address, edge.options, 5)
    graph.run(mesh)
    assert having(mesh) == set()


def test_the_verdict_comes_with_the_edge_that_joins_a_node() -> None:
    mesh = announced("far", "peer")
    edge = mesh.nodes["peer"].edges["far"]
    mesh.remove_edge(edge)
    graph.run(mesh)
    assert having(mesh) == {"peer"}
    joined = mesh.add_edge(edge.source, edge.target, edge.address, edge.options, 5)
    reach.join(mesh, joined)
    assert having(mesh) == {"peer", "far"}
    mesh.remove_edge(joined)
    reach.lose(mesh, joined)
    assert having(mesh) == {"peer"}


# Lines for us.


def test_a_session_is_answered_in_lines() -> None:
    desk = Desk("far")
    kex = digits.encode(bytes(4) + b"\x80\0" + bytes(32) + b"\x09" + bytes(31))
    found = desk.hear(f"15 far alpha 15 {kex}")
    assert [type(effect) for effect in found] == [SendTowards]
    assert isinstance(found[0], SendTowards)
    assert found[0].node is desk["far"]
    assert isinstance(found[0].message, AnsKey)


def test_a_request_without_a_form_from_a_node_with_sessions_gets_no_key() -> None:
    desk = Desk("far")
    assert desk.hear("15 far alpha") == []
    assert desk.hear("15 far alpha compress:zstd") == []
    assert not desk.exchange.gives_key(desk["far"])
    assert desk.exchange.gives_key(desk["peer"])


def test_keys_of_nodes_without_sessions_are_as_ever() -> None:
    desk = Desk("far")
    assert desk.hear("15 peer alpha") == [
        KeyRequested(desk["peer"], ReqKey("peer", "alpha"))
    ]
    line = "16 peer alpha ABAB 427 672 4 0"
    answer = AnsKey.parse(line.encode())
    assert desk.hear(line) == [KeyReceived(desk["peer"], answer)]


def test_a_node_without_sessions_begins_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert Desk("far").hear("15 peer alpha 15 AAAA") == []
    assert "with which we have no sessions" in caplog.text


def test_a_daemon_without_a_key_answers_what_it_always_has() -> None:
    desk = Desk("far", ours=0)
    line = "15 far alpha 15 AAAA"
    request = ReqKey("far", "alpha", (), KeyForm.SESSION, "AAAA")
    assert desk.hear(line) == [KeyRequested(desk["far"], request)]
    line = "16 far alpha AAAA -1 -1 -1 0"
    assert desk.hear(line) == [KeyReceived(desk["far"], AnsKey.parse(line.encode()))]


def test_an_answer_of_a_node_with_sessions_is_a_record() -> None:
    desk = Desk("far")
    found = desk.hear("16 far alpha ABAB 427 672 4 0")
    # No session knows it, so another one is begun.
    (effect,) = found
    assert isinstance(effect, SendTowards)
    assert isinstance(effect.message, ReqKey)
    assert effect.message.form == KeyForm.SESSION


# Lines for others.


@pytest.mark.parametrize(
    "line",
    [
        "15 peer other 15 AAAA",
        "15 peer other 19",
        "15 peer other 20 AAAA",
        "15 peer other 21 AAAA",
        "15 peer other 99 AAAA",
        "16 peer other AAAA -1 -1 -1 0",
    ],
)
def test_lines_of_sessions_are_passed_on_unchanged(line: str) -> None:
    for desk in (Desk("peer", "other"), Desk("peer"), Desk(), Desk(ours=0)):
        assert desk.hear(line) == [Relay(desk["other"], line.encode())]


@pytest.mark.parametrize(
    ("names", "ours", "passed"),
    [
        (("peer", "other"), 7, False),
        (("peer",), 7, True),
        (("other",), 7, True),
        ((), 7, True),
        (("peer", "other"), 0, True),
    ],
)
def test_what_makes_a_tinc_1_1_abort_is_not_passed_on(
    names: tuple[str, ...], ours: int, passed: bool
) -> None:
    desk = Desk(*names, ours=ours)
    line = "15 peer other compress:zstd"
    expected: list[Effect] = [Relay(desk["other"], line.encode())]
    assert desk.hear(line) == (expected if passed else [])


# Keys that expire.


def test_only_nodes_without_sessions_get_a_new_key() -> None:
    desk = Desk("peer")
    assert desk.exchange.renew(10) == [
        Announce(KeyChanged(0x77, "alpha")),
        SendKey(desk["other"]),
    ]


def test_a_session_outlives_a_key_that_has_changed() -> None:
    world = World()
    line = b"14 a far"
    assert world.hear("14 a far") == [KeyVoid(world["far"]), passed_on(line)]
    world["far"].has_sessions = True
    assert world.hear("14 b far") == [passed_on(b"14 b far")]
