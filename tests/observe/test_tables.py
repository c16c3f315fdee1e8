"""Lists and status made of a look at a daemon."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.observe.made import NO_ANSWER, UDP, World
from tests.observe.schemas import validator
from tincd_compat.mesh.node import Node
from tincd_compat.observe import tables
from tincd_compat.observe.codec import Record
from tincd_compat.observe.records import NodeRecord
from tincd_compat.observe.summary import StatusRecord
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.words import PathKind, PathOption


@pytest.fixture
def world() -> World:
    world = World("alpha-bravo", "alpha-charlie", "bravo-delta", "delta-echo", "x-y")
    world.all_by_udp()
    world.tunnels["charlie"] = NO_ANSWER
    for name in "echo", "x", "y":
        del world.tunnels[name]
    world.own_subnets("bravo", "10.0.2.0/24", "10.0.3.0/24#5", "fd00::/64")
    world.want("bravo")
    world.look()
    return world


def status(views: Views) -> tuple[int, StatusRecord]:
    work, steps = tables.status(views, {}), 0
    while True:
        try:
            next(work)
        except StopIteration as over:
            found: StatusRecord = over.value
            return steps, found
        steps += 1


def test_each_record_fits_its_schema(world: World) -> None:
    views = world.views()
    records: list[tuple[str, Record]] = [("status", status(views)[1])]
    records += [("node", record) for record in tables.nodes(views)]
    records += [("edge", record) for record in tables.edges(views) if record]
    records += [("subnet", record) for record in tables.subnets(views) if record]
    records += [("link", record) for record in views.links()]
    records += [("event", record) for record in world.events.since()]
    records += [("counters", world.counters)]
    for name, record in records:
        validator(name).validate(json.loads(json.dumps(record.to_json())))


def by_name(world: World) -> dict[str, NodeRecord]:
    return {record.name: record for record in tables.nodes(world.views())}


def test_nodes_are_all_there_with_this_one(world: World) -> None:
    found = by_name(world)
    assert set(found) == {"alpha", "bravo", "charlie", "delta", "echo", "x", "y"}
    assert [name for name, record in found.items() if record.self_] == ["alpha"]
    assert {name: record.path for name, record in found.items()} == {
        "alpha": PathKind.SELF,
        "bravo": PathKind.UDP,
        "charlie": PathKind.TCP,
        "delta": PathKind.UDP,
        "echo": None,
        "x": PathKind.NONE,
        "y": PathKind.NONE,
    }


def test_a_neighbour(world: World) -> None:
    bravo = by_name(world)["bravo"]
    assert (bravo.nexthop, bravo.via, bravo.distance, bravo.weight) == (
        *("bravo", "bravo"),
        *(1, 10),
    )
    assert bravo.address is not None
    assert (bravo.address.port, bravo.address.from_) == (655, "udp")
    assert (bravo.mtu, bravo.rtt_udp, bravo.rtt_link) == (1451, 0.0118, 0.048)
    assert bravo.subnets == (
        *("10.0.2.0/24#10", "10.0.3.0/24#5"),
        "fd00:0:0:0:0:0:0:0/64#10",
    )
    assert (bravo.connect_to, bravo.linked, bravo.subnet_count) == (True, True, 3)
    assert bravo.options == (PathOption.PMTU_DISCOVERY,)


def test_what_is_not_known_is_null(world: World) -> None:
    found = by_name(world)
    for name in ("x", "echo"):
        value = found[name].to_json()
        for key in ("mtu", "rtt_udp", "rtt_link", "last_packet", "sent", "key"):
            assert value[key] is None
    lost = found["x"]
    assert (lost.distance, lost.nexthop, lost.via) == (None, None, None)
    assert (found["echo"].distance, found["echo"].weight) == (3, 30)
    assert (found["alpha"].distance, found["alpha"].weight) == (0, 0)
    assert found["charlie"].mtu is None


def test_a_view_of_a_tunnel_is_made_once_for_a_record(world: World) -> None:
    views, made = world.views(), list[str]()

    def tunnel(node: Node) -> TunnelView | None:
        made.append(node.name)
        return views.tunnel(node)

    [bravo] = tables.nodes(replace(views, tunnel=tunnel), "bravo")
    assert bravo.mtu == 1451
    assert made == ["bravo"]


def test_one_node_can_be_asked_for(world: World) -> None:
    assert [n.name for n in tables.nodes(world.views(), "delta")] == ["delta"]
    assert [*tables.nodes(world.views(), "nobody")] == []


def test_a_node_lists_64_subnets_and_says_how_many_there_are(world: World) -> None:
    world.own_subnets("delta", *(f"10.1.{number}.0/24" for number in range(100)))
    delta = by_name(world)["delta"]
    assert (len(delta.subnets), delta.subnet_count) == (64, 100)
    assert (
        sum(s.owner == "delta" for s in filter(None, tables.subnets(world.views())))
        == 100
    )


def test_edges_say_whether_they_are_a_way(world: World) -> None:
    world.edge("delta", "y")
    found = {(e.from_, e.to): e.both for e in filter(None, tables.edges(world.views()))}
    assert len(found) == 11
    assert [pair for pair, both in found.items() if not both] == [("delta", "y")]


def test_the_status_counts_other_nodes_by_path(world: World) -> None:
    _, found = status(world.views())
    assert found.nodes.to_json() == {
        "known": 6,
        "udp": 2,
        "tcp": 1,
        "relay_udp": 0,
        "relay_tcp": 0,
        "none": 2,
        "idle": 1,
    }
    assert (found.links, found.edges, found.subnets) == (2, 10, 3)
    assert found.connect_to[0].node == "bravo"
    assert found.last_event == world.events.last


def test_the_status_of_a_large_mesh_comes_in_steps() -> None:
    world = World(*(f"alpha-n{number}" for number in range(200)))
    steps, found = status(world.views())
    assert steps >= 12
    assert found.nodes.known == 200


def test_a_list_goes_on_while_nodes_come_and_go(world: World) -> None:
    drawn = tables.nodes(world.views())
    next(drawn)
    world.part("x", "y")
    world.mesh.remove_node(world.node("x"))
    world.node("z")
    names = {record.name for record in drawn}
    assert names == {"bravo", "charlie", "delta", "echo", "y"}


def test_a_tunnel_that_was_used_up_shows_no_key(world: World) -> None:
    world.tunnels["bravo"] = replace(UDP, valid_key=False)
    assert by_name(world)["bravo"].key is None
