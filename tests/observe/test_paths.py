"""Paths: what they are, and the event with its reason when they change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.observe.made import KEY, NO_ANSWER, NOW, PMTU, UDP, World
from tincd_compat import options
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Node
from tincd_compat.observe.paths import FULL_LOOK_RATE, PathsWatch, way
from tincd_compat.observe.records import TrafficRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.words import EventKind, PathKind, Unreachable


def path(world: World, name: str) -> tuple[PathKind | None, str | None]:
    views = world.views()
    found = way(world.mesh, world.node(name), views.tunnel, world.own.options)
    return found.kind, None if found.hop is None else found.hop.name


def told(world: World, node: str) -> list[tuple[str, str | None, str]]:
    return [(e.kind.value, e.reason, e.text) for e in world.events.since(node=node)]


def test_no_packet_has_gone_to_an_idle_node() -> None:
    world = World("alpha-bravo", "bravo-charlie")
    assert path(world, "charlie") == (None, "charlie")
    world.tunnels["charlie"] = TunnelView(valid_key=False)
    assert path(world, "charlie") == (None, "charlie")


@pytest.mark.parametrize(
    ("view", "direct", "behind"),
    [
        (UDP, PathKind.UDP, PathKind.UDP),
        (NO_ANSWER, PathKind.TCP, PathKind.RELAY_UDP),
        (
            TunnelView(valid_key=False, requested=NOW),
            PathKind.TCP,
            PathKind.RELAY_TCP,
        ),
        (
            TunnelView(valid_key=False, key=KEY, unusable="no MAC"),
            PathKind.TCP,
            PathKind.RELAY_TCP,
        ),
    ],
)
def test_path_of_a_neighbour_and_of_a_node_behind_one(
    view: TunnelView, direct: PathKind, behind: PathKind
) -> None:
    world = World("alpha-bravo", "bravo-charlie", "alpha-delta")
    world.tunnels |= {"bravo": UDP, "charlie": view, "delta": view}
    assert path(world, "delta") == (direct, "delta")
    assert path(world, "charlie")[0] == behind


def test_a_node_whose_relay_has_no_udp_is_reached_by_its_tcp() -> None:
    world = World("alpha-bravo", "bravo-charlie")
    world.tunnels |= {"bravo": NO_ANSWER, "charlie": NO_ANSWER}
    assert path(world, "charlie") == (PathKind.RELAY_TCP, "bravo")


def test_an_indirect_node_is_reached_through_its_relay() -> None:
    world = World("alpha-bravo")
    world.join("bravo", "charlie", bits=PMTU | options.INDIRECT)
    world.search()
    world.tunnels |= {"bravo": UDP, "charlie": UDP}
    assert path(world, "charlie") == (PathKind.RELAY_UDP, "bravo")


def with_sessions(world: World, *names: str, minor: int = 4) -> None:
    for name in names:
        node = world.node(name)
        node.options = options.with_minor(node.options, minor)
        node.has_sessions = True


@pytest.mark.parametrize(
    ("speak", "relay", "own", "found"),
    [
        # Straight to the node, whoever is on the way.
        (("charlie",), UDP, UDP, (PathKind.UDP, "charlie")),
        # By a relay that takes IDs, if it is known to carry them.
        (("bravo", "charlie"), UDP, NO_ANSWER, (PathKind.RELAY_UDP, "bravo")),
        (("bravo", "charlie"), NO_ANSWER, NO_ANSWER, (PathKind.RELAY_TCP, "bravo")),
        # In lines through a tinc 1.0, which would take no IDs.
        (("charlie",), UDP, NO_ANSWER, (PathKind.RELAY_TCP, "bravo")),
        # Without a session nothing has gone there, or a session is on its way.
        (("charlie",), UDP, TunnelView(valid_key=False), (None, "charlie")),
        (
            ("charlie",),
            UDP,
            TunnelView(valid_key=False, requested=NOW),
            (PathKind.RELAY_TCP, "bravo"),
        ),
    ],
)
def test_a_node_with_sessions_is_sealed_for_from_end_to_end(
    speak: tuple[str, ...],
    relay: TunnelView,
    own: TunnelView,
    found: tuple[PathKind | None, str],
) -> None:
    world = World("alpha-bravo", "bravo-charlie")
    with_sessions(world, *speak)
    world.tunnels |= {"bravo": relay, "charlie": own}
    assert path(world, "charlie") == found


def test_a_neighbour_with_sessions() -> None:
    world = World("alpha-bravo")
    with_sessions(world, "bravo")
    world.tunnels["bravo"] = NO_ANSWER
    assert path(world, "bravo") == (PathKind.TCP, "bravo")
    world.tunnels["bravo"] = UDP
    assert path(world, "bravo") == (PathKind.UDP, "bravo")
    with_sessions(world, "bravo", minor=3)
    assert path(world, "bravo") == (PathKind.TCP, "bravo")
    world.node("bravo").options |= options.TCPONLY
    assert path(world, "bravo") == (PathKind.TCP, "bravo")


def test_tcponly_on_either_side() -> None:
    world = World()
    world.join("alpha", "bravo", bits=PMTU | options.TCPONLY)
    world.join("alpha", "delta")
    world.search()
    world.all_by_udp()
    assert path(world, "bravo") == (PathKind.TCP, "bravo")
    assert path(world, "delta") == (PathKind.UDP, "delta")
    world.own = replace(world.own, options=PMTU | options.TCPONLY)
    assert path(world, "delta") == (PathKind.TCP, "delta")


def test_without_discovery_a_key_is_enough() -> None:
    world = World()
    world.join("alpha", "bravo", bits=0)
    world.search()
    world.tunnels["bravo"] = NO_ANSWER
    assert path(world, "bravo") == (PathKind.UDP, "bravo")


def test_the_others() -> None:
    world = World("alpha-bravo", "charlie-delta")
    assert path(world, "alpha") == (PathKind.SELF, "alpha")
    assert path(world, "delta") == (PathKind.NONE, None)


def test_a_path_has_a_story() -> None:
    world = World("alpha-bravo")
    world.want("bravo")
    world.tunnels["bravo"] = NO_ANSWER
    world.look()
    world.tunnels["bravo"] = UDP
    world.look(1)
    since = world.paths.history(world.node("bravo")).since
    assert since == Time(NOW + 1)
    world.tunnels["bravo"] = replace(UDP, valid_key=False, key=None, requested=None)
    world.look(3600)
    assert world.paths.history(world.node("bravo")).since == since, "it was idle"
    world.tunnels["bravo"] = NO_ANSWER
    world.look(5)
    assert [event for event in told(world, "bravo") if event[0] == "path"] == [
        ("path", "reachable", "bravo: tcp (it became reachable)"),
        ("path", "probes-answered", "bravo: tcp → udp (UDP probes are answered)"),
        ("path", "no-answer", "bravo: udp → tcp (no answer to UDP probes)"),
    ]


def test_reasons_are_the_graph_a_key_and_an_option() -> None:
    world = World("alpha-bravo", "bravo-charlie", "alpha-delta", "delta-charlie")
    world.all_by_udp()
    world.tunnels["charlie"] = NO_ANSWER
    world.look()
    world.part("bravo", "charlie")
    world.search()
    world.look(1)
    world.tunnels["delta"] = replace(UDP, valid_key=False, requested=world.now)
    world.look(1)
    world.own = replace(world.own, options=PMTU | options.TCPONLY)
    world.look(1)
    through = "through delta"
    charlie = [event[1:] for event in told(world, "charlie") if event[0] == "path"]
    assert charlie == [
        ("reachable", "charlie: relay_udp through bravo (it became reachable)"),
        (
            "graph",
            "charlie: relay_udp through delta (the way in the graph changed)",
        ),
        ("no-key", f"charlie: relay_udp → relay_tcp {through} (we have no key of it)"),
        ("options", "charlie: relay_tcp (TCPOnly changed)"),
    ]


def test_nodes_that_are_lost_say_why() -> None:
    world = World("alpha-bravo", "bravo-charlie", "bravo-delta")
    world.part("alpha", "bravo")
    changes = graph.run(world.mesh)
    world.paths.flipped(world.now, changes.flips, Unreachable.LINK_DOWN, "bravo")
    assert told(world, "bravo")[-1] == (
        "unreachable",
        "link-down",
        "bravo became unreachable: our link with it ended",
    )
    assert told(world, "delta")[-1] == (
        "unreachable",
        "cut-off",
        "delta became unreachable: a node on the way is gone (bravo)",
    )
    assert world.paths.history(world.node("delta")).changes == 2


def test_changes_are_counted_within_ten_minutes() -> None:
    world = World("alpha-bravo")
    for seconds in (1, 1, 1, 700, 1):
        world.now = Time(world.now + seconds)
        (world.part if "bravo" in world.links else world.join)("alpha", "bravo")
        world.search()
    history = world.paths.history(world.node("bravo"))
    assert (history.changes, history.lately) == (6, 2)


def test_keys_addresses_and_the_mtu_are_told_of() -> None:
    world = World("alpha-bravo")
    world.tunnels["bravo"] = UDP
    world.look()
    world.tunnels["bravo"] = replace(
        UDP, min_mtu=1419, key=replace(KEY, since=Time(NOW + 60))
    )
    bravo = world.node("bravo")
    assert bravo.address is not None
    world.mesh.set_address(bravo, bravo.address.with_port(4242))
    world.look(60)
    assert [text for _, _, text in told(world, "bravo")][3:] == [
        "bravo: MTU 1451",
        "bravo is at 198.51.100.38 port 4242, was at 198.51.100.38 port 655",
        "bravo has given us a key: aes-256-cbc sha256",
        "bravo: MTU 1419, was 1451",
    ]
    assert world.paths.history(bravo).best_mtu == 1451
    world.look(60)
    assert len(told(world, "bravo")) == 7, "nothing has happened"


def test_packets_without_an_answer_are_counted() -> None:
    world = World("alpha-bravo")
    bravo = world.node("bravo")
    world.tunnels["bravo"] = UDP
    world.look()
    world.tunnels["bravo"] = replace(UDP, sent=TrafficRecord(packets=130, bytes=1))
    world.look(10)
    history = world.paths.history(bravo)
    assert (history.unanswered, history.unanswered_since) == (30, NOW + 10)
    probes = replace(UDP, sent=TrafficRecord(packets=150, bytes=1), probes_sent=50)
    world.tunnels["bravo"] = probes
    world.look(10)
    assert world.paths.history(bravo).unanswered == 30, "probes are no data"
    world.tunnels["bravo"] = replace(
        probes, received=TrafficRecord(packets=91, bytes=1)
    )
    world.look(10)
    history = world.paths.history(bravo)
    assert (history.unanswered, history.unanswered_since) == (0, None)


def test_only_what_was_marked_is_looked_at() -> None:
    world = World("alpha-bravo", "alpha-charlie")
    world.look()
    assert not world.paths.waiting
    world.paths.mark([world.node("bravo")])
    assert world.paths.waiting
    assert len([*world.paths.work(world.views())]) == 1
    assert not world.paths.waiting


def test_nodes_that_are_gone_are_forgotten() -> None:
    world = World("alpha-bravo", "bravo-charlie")
    charlie = world.node("charlie")
    world.part("bravo", "charlie")
    world.search()
    world.mesh.remove_node(charlie)
    world.paths.mark([charlie])
    world.paths.forget(charlie)
    assert not world.paths._marked.keys() & {charlie}
    world.look()
    assert world.paths.history(charlie).changes == 0
    assert [e.kind for e in world.events.of("charlie", 1)] == [EventKind.UNREACHABLE]


# What members can make of it.


def large_world(monkeypatch: pytest.MonkeyPatch) -> tuple[World, list[str]]:
    """Return a mesh larger than a round of a second, and the names looked at."""
    names = [f"n{number}" for number in range(3 * FULL_LOOK_RATE - 2)]
    world, looked = World(*(f"alpha-{name}" for name in names)), list[str]()
    while world.paths.waiting:
        world.second()
    look = PathsWatch._look

    def note(paths: PathsWatch, views: Views, node: Node) -> None:
        looked.append(node.name)
        look(paths, views, node)

    monkeypatch.setattr(PathsWatch, "_look", note)
    return world, looked


def test_a_graph_searched_each_second_has_so_many_nodes_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, looked = large_world(monkeypatch)
    for _ in range(9):
        world.paths.mark_all()
        before = len(looked)
        world.second()
        assert len(looked) - before <= FULL_LOOK_RATE
    # No node is left out because others are marked again before its turn.
    assert set(looked) == set(world.mesh.nodes)
    assert max(Counter(looked).values()) == 3


def test_what_has_changed_itself_does_not_wait_for_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, looked = large_world(monkeypatch)
    world.paths.mark_all()
    world.second()
    last = [*world.mesh.nodes.values()][-1]
    world.paths.mark([last])
    world.second()
    assert looked[FULL_LOOK_RATE] == last.name


def test_nodes_that_change_by_the_thousand_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, looked = large_world(monkeypatch)
    world.paths.mark(world.mesh.nodes.values())
    world.paths.mark_round([*world.mesh.nodes.values()])
    seconds = 0
    while world.paths.waiting:
        world.second()
        seconds += 1
        assert len(looked) <= 2 * FULL_LOOK_RATE * seconds
    assert seconds == 3
    assert Counter(Counter(looked).values()) == {2: len(world.mesh.nodes)}
