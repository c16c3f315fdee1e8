"""ADD_EDGE and DEL_EDGE, row by row of their tables, and what is stored."""

from __future__ import annotations

import logging

import pytest

from tests.control.world import (
    GROWN,
    NORMAL,
    PEER,
    PLACES,
    SHRUNK,
    STRICT,
    TUNNEL_SERVER,
    World,
    passed_on,
)
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.context import MAX_NAME, GossipPolicy, Limits
from tincd_compat.control.effects import (
    CheckReverse,
    Effect,
    GraphChanged,
    Reply,
)
from tincd_compat.errors import PeerError
from tincd_compat.mesh import reach
from tincd_compat.mesh.graph import Change
from tincd_compat.meta.messages import AddEdge, DelEdge

TRUE_EDGE = AddEdge(0x100, "alpha", "peer", "10.99.0.2", "7001", 0xC, 5)

# line, policy, effects (None stands for the forwarded line), log line
ADD_EDGE = {
    "tunnel server: unknown nodes": (
        "12 a carol dave 192.0.2.7 655 c 55",
        TUNNEL_SERVER,
        [],
        ("protocol", "Ignoring indirect ADD_EDGE from {peer}"),
    ),
    "tunnel server: strangers": (
        "12 a other ghost 192.0.2.7 655 c 55",
        TUNNEL_SERVER,
        [],
        ("protocol", "Ignoring indirect ADD_EDGE from {peer}"),
    ),
    "tunnel server: edge of the peer": (
        "12 a peer carol 192.0.2.7 655 c 55",
        TUNNEL_SERVER,
        [GROWN],
        None,
    ),
    "same edge": ("12 a peer alpha 10.99.0.1 6551 c 5", NORMAL, [], None),
    "same edge of ours": ("12 a alpha peer 10.99.0.2 7001 c 5", NORMAL, [], None),
    "ours, other weight": (
        "12 a alpha peer 10.99.0.2 7001 c 999",
        NORMAL,
        [Reply(TRUE_EDGE)],
        (
            "protocol",
            "Got ADD_EDGE from {peer} for ourself which does not match existing entry",
        ),
    ),
    "ours, not numeric": (
        "12 a alpha peer unknown port c 5",
        NORMAL,
        [Reply(TRUE_EDGE)],
        (
            "protocol",
            "Got ADD_EDGE from {peer} for ourself which does not match existing entry",
        ),
    ),
    "ours, tunnel server": (
        "12 a alpha peer 10.99.0.2 7001 c 999",
        TUNNEL_SERVER,
        [Reply(TRUE_EDGE)],
        (
            "protocol",
            "Got ADD_EDGE from {peer} for ourself which does not match existing entry",
        ),
    ),
    "differs in weight": (
        "12 a peer alpha 10.99.0.1 6551 c 56",
        NORMAL,
        [None, GROWN],
        ("protocol", "Got ADD_EDGE from {peer} which does not match existing entry"),
    ),
    "differs in options": (
        "12 a peer alpha 10.99.0.1 6551 d 5",
        STRICT,
        [None, GROWN],
        ("protocol", "Got ADD_EDGE from {peer} which does not match existing entry"),
    ),
    "differs in port": (
        "12 a peer alpha 10.99.0.1 6552 c 5",
        NORMAL,
        [None, GROWN],
        ("protocol", "Got ADD_EDGE from {peer} which does not match existing entry"),
    ),
    "differs, tunnel server": (
        "12 a peer alpha 10.99.0.9 6551 c 5",
        TUNNEL_SERVER,
        [GROWN],
        ("protocol", "Got ADD_EDGE from {peer} which does not match existing entry"),
    ),
    "ours, not there": (
        "12 a alpha zoe 127.0.0.1 7001 c 9",
        NORMAL,
        [Reply(DelEdge(0x100, "alpha", "zoe"))],
        ("protocol", "Got ADD_EDGE from {peer} for ourself which does not exist"),
    ),
    "new": ("12 a far carol 192.0.2.7 655 c 55", NORMAL, [None, GROWN], None),
    "new, more tokens": (
        "12 0xA far carol fd00::7 655 700000d -5 6 7\r",
        NORMAL,
        [None, GROWN],
        None,
    ),
    "new, host name": (
        "12 a far carol example.org 655 c 55",
        NORMAL,
        [],
        (
            "always",
            "Ignoring ADD_EDGE from {peer}: far to carol has no numeric address:"
            " example.org port 655",
        ),
    ),
    "new, service name": (
        "12 a far carol 192.0.2.7 http c 55",
        NORMAL,
        [],
        (
            "always",
            "Ignoring ADD_EDGE from {peer}: far to carol has no numeric address:"
            " 192.0.2.7 port http",
        ),
    ),
}

DEL_EDGE = {
    "tunnel server: strangers": (
        "13 a other ghost",
        TUNNEL_SERVER,
        [],
        ("protocol", "Ignoring indirect DEL_EDGE from {peer}"),
    ),
    "unknown source": (
        "13 a nobody peer",
        NORMAL,
        [],
        ("protocol", "Got DEL_EDGE from {peer} which does not appear in the edge tree"),
    ),
    "unknown target": (
        "13 a peer nobody",
        NORMAL,
        [],
        ("protocol", "Got DEL_EDGE from {peer} which does not appear in the edge tree"),
    ),
    "unknown edge": (
        "13 a peer ghost",
        NORMAL,
        [],
        ("protocol", "Got DEL_EDGE from {peer} which does not appear in the edge tree"),
    ),
    "unknown edge of ours": (
        "13 a alpha ghost",
        NORMAL,
        [],
        ("protocol", "Got DEL_EDGE from {peer} which does not appear in the edge tree"),
    ),
    "ours": (
        "13 a alpha peer",
        NORMAL,
        [Reply(TRUE_EDGE)],
        ("protocol", "Got DEL_EDGE from {peer} for ourself"),
    ),
    "known": ("13 a peer far", NORMAL, [None, SHRUNK], None),
    "known, tunnel server": ("13 a peer far", TUNNEL_SERVER, [SHRUNK], None),
}

Row = tuple[str, GossipPolicy, list[Effect | None], tuple[str, str] | None]


def check(row: Row, caplog: pytest.LogCaptureFixture) -> World:
    line, policy, expected, log = row
    caplog.set_level(logging.WARNING)
    world = World(policy)
    effects = world.hear(line)
    forwarded = passed_on(line.encode())
    assert effects == [forwarded if item is None else item for item in expected]
    logged = [(record.name, record.getMessage()) for record in caplog.records]
    if log is None:
        assert logged == []
    else:
        logger = getattr(logs, log[0]).name
        assert logged == [(logger, log[1].replace("{peer}", PEER))]
    # A second envelope of the same bytes is swallowed whatever the first one did.
    assert world.hear(line, "other") == []
    return world


@pytest.mark.parametrize("row", ADD_EDGE.values(), ids=ADD_EDGE)
def test_add_edge(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    check(row, caplog)


@pytest.mark.parametrize("row", DEL_EDGE.values(), ids=DEL_EDGE)
def test_del_edge(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    check(row, caplog)


@pytest.mark.parametrize(
    "line",
    [
        "12 a peer peer 10.0.0.1 655 c 1",
        "12 a pe-er alpha 10.0.0.1 655 c 1",
        "12 a peer alpha 10.0.0.1 655 c",
        "12 xyz peer alpha 10.0.0.1 655 c 1",
        "13 a peer peer",
        "13 a peer",
    ],
)
def test_malformed_lines_end_the_connection(line: str) -> None:
    with pytest.raises(PeerError):
        World().hear(line)


def test_del_edge_severity_of_unknown_nodes(caplog: pytest.LogCaptureFixture) -> None:
    World().hear("13 a nobody peer")
    World().hear("13 a peer ghost")
    assert [record.levelno for record in caplog.records] == [
        logging.ERROR,
        logging.WARNING,
    ]


def test_new_edge_is_stored_with_what_it_said() -> None:
    world = World()
    world.hear("12 a far carol fd00::7 655 700000d -5")
    edge = world["far"].edges["carol"]
    assert edge.address == SocketAddress("fd00::7", 655)
    assert (edge.options, edge.weight) == (0x700000D, -5)
    assert edge.reverse is None


def test_changed_edge_keeps_its_identity_and_the_udp_address() -> None:
    world = World()
    edge = world["peer"].edges["far"]
    world.settle(world.hear("12 a peer far 192.0.2.1 99 d 7"))
    assert world["peer"].edges["far"] is edge
    assert edge.address == SocketAddress("192.0.2.1", 99)
    assert (edge.options, edge.weight) == (0xD, 7)
    assert world["far"].address == PLACES["far"]
    assert world["far"].indirect


def test_nodes_of_a_refused_edge() -> None:
    world = World()
    world.hear("12 a alpha zoe 127.0.0.1 7001 c 9")
    world.hear("12 b carol dave example.org 7001 c 9")
    assert "zoe" in world.mesh.nodes
    assert not {"carol", "dave"} & set(world.mesh.nodes)


def test_known_edge_survives_a_host_name() -> None:
    world = World()
    assert world.hear("12 a peer far example.org 99 c 7") == []
    assert world["peer"].edges["far"].address == PLACES["far"]


def test_host_names_are_logged_once_per_edge_and_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    for nonce in range(3):
        world.hear(f"12 {nonce} far carol example.org 655 c 55")
    assert len(caplog.records) == 1
    list(world.gossip.tick(5))
    world.hear("12 9 far carol example.org 655 c 55")
    assert len(caplog.records) == 2


def test_indirect_means_neither_end_is_us_or_the_sender() -> None:
    world = World(TUNNEL_SERVER)
    assert world.hear("12 a far peer 10.99.0.2 7001 c 6") == [GROWN]
    assert world.hear("12 b far peer 10.99.0.2 7001 c 7", "other") == []
    assert world.hear("13 c far peer", "other") == []
    assert world.hear("13 d far peer") == [SHRUNK, CheckReverse(world["peer"])]


def test_limit_on_nodes(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=Limits(nodes=6))
    assert world.hear("12 a far carol 10.0.0.1 1 c 1") != []
    for number in range(3):
        assert world.hear(f"12 {number} far dave{number} 10.0.0.1 1 c 1") == []
    assert len(world.mesh.nodes) == 6
    # Who is known already goes on being heard of.
    assert world.hear("12 a far other 10.0.0.1 1 c 1") != []
    assert caplog.messages == [f"Ignoring new nodes from {PEER}, already knowing 6"]


def test_names_that_no_file_can_have(caplog: pytest.LogCaptureFixture) -> None:
    world, longest = World(), "n" * MAX_NAME
    assert world.hear(f"12 1 far {longest} 10.0.0.1 1 c 1") != []
    assert world.hear(f"12 2 far {longest}n 10.0.0.1 1 c 1") == []
    assert world.hear(f"12 3 {longest}n far 10.0.0.1 1 c 1") == []
    assert world.hear(f"10 4 {longest}n 10.0.0.0/8") == []
    assert longest in world.mesh.nodes
    assert f"{longest}n" not in world.mesh.nodes
    assert caplog.messages == [
        f"Ignoring a node from {PEER} whose name has 256 letters"
    ]


def test_no_node_fills_the_table_of_edges_alone() -> None:
    world = World(limits=Limits(of_one=2))
    for number in range(3):
        world.hear(f"12 {number} far leaf{number} 10.0.0.1 1 c 1")
    assert len(world["far"].edges) == 2
    assert world.hear("12 a other far 10.0.0.1 1 c 1") != []


def test_a_neighbour_has_edges_whatever_others_have_filled() -> None:
    world = World(limits=Limits(edges=6, own=2))
    assert len(world.edges()) == 6
    assert world.hear("12 a far other 10.0.0.1 1 c 1", "other") == []
    assert world.hear("12 b other far 10.0.0.1 1 c 1", "other") != []


def test_limit_on_edges(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=Limits(edges=7))
    assert world.hear("12 a far other 10.0.0.1 1 c 1") != []
    assert world.hear("12 b other far 10.0.0.1 1 c 1") == []
    assert caplog.messages == [f"Ignoring new edges from {PEER}, already knowing 7"]
    assert world.hear("12 c far other 10.0.0.1 1 c 2") != []
    assert world.hear("13 d far other") != []
    assert world.hear("12 e other far 10.0.0.1 1 c 1") != []
    assert world.hear("12 aa far other 10.0.0.1 1 c 1") == []
    world.gossip.connection_down(world["other"], report=True)
    assert world.hear("12 f far other 10.0.0.1 1 c 1") != []


def test_what_is_counted_is_what_there_is() -> None:
    world = World()
    context = world.gossip._context
    world.hear("12 a far carol 10.0.0.1 655 c 1")
    world.hear("12 b far carol 10.0.0.1 655 c 2")
    world.hear("13 c peer far")
    # An edge of ours takes the place of the one that was there.
    world.gossip.connection_up(world["peer"], PLACES["peer"], "7001", 9, 0xC, 0)
    world.gossip.connection_down(world["other"], report=True)
    ends = world.edges()
    assert context._edges == len(ends) == 5
    assert context._letters_of_edges == sum(len(each) - 1 for each in ends)


def lost(world: World, line: str) -> tuple[bool, bool, list[Change] | None]:
    """Return what a DEL_EDGE says of the graph: whether it is a loss or a detour."""
    [changed] = [each for each in world.hear(line) if isinstance(each, GraphChanged)]
    flips = None if changed.flips is None else list(changed.flips)
    return changed.loss, changed.detour, flips


def test_whom_an_edge_joins_to_us_is_told_with_it() -> None:
    world = World()
    world.hear("12 a far ghost 10.99.0.5 655 c 5")
    *_, changed = world.hear("12 b ghost far 10.99.0.4 7003 c 5")
    assert isinstance(changed, GraphChanged)
    place = SocketAddress("10.99.0.5", 655)
    assert list(changed.flips or ()) == [Change(world["ghost"], True, place)]


def test_whom_a_loss_cuts_off_is_told_with_it() -> None:
    world = World()
    change = Change(world["far"], False, PLACES["far"])
    assert lost(world, "13 a peer far") == (True, False, [change])
    assert not world["far"].reachable


def test_a_loss_that_cuts_nobody_off_may_be_a_detour() -> None:
    world = World()
    for ends in ("12 a other far 10.99.0.4 7003", "12 b far other 10.99.0.3 7002"):
        world.hear(f"{ends} c 5")
    # The path of the last run led over peer, and none leads over other.
    assert lost(world, "13 c other far") == (False, False, [])
    world.hear("12 d other far 10.99.0.4 7003 c 5")
    assert lost(world, "13 e peer far") == (False, True, [])


def test_a_loss_that_takes_long_to_judge_is_left_to_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "MAX_STEPS", 0)
    world = World()
    assert lost(world, "13 a peer far") == (True, False, None)
    assert world["far"].reachable
