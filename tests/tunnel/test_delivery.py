"""Which way a frame takes, rule by rule, and what happens to refused datagrams."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from tests.tunnel.world import DEFAULT, ELSEWHERE, World, neighbours, sized
from tincd_compat.mesh.broadcast import broadcast_neighbours
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import BroadcastMode
from tincd_compat.options import INDIRECT, PMTU_DISCOVERY, TCPONLY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import delivery
from tincd_compat.tunnel.delivery import MAX_TRAIN, DeliveryPolicy

SMALL = sized(100)
GROUP = sized(100, "224.0.0.1")


@pytest.fixture
def traffic(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "tincd"):
        yield caplog


def names(world: World) -> dict[str, list[str]]:
    """Return who got something, by way."""
    return {
        "udp": [name for name, train in world.ports.trains for _ in train],
        "tcp": [name for name, _ in world.ports.packets],
        "keys": world.ports.key_requests,
    }


def test_udp_when_all_is_well() -> None:
    world = neighbours("b")
    world.from_device(SMALL)
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}
    assert world.received("b") == [SMALL]


def test_an_unreachable_node_gets_nothing() -> None:
    world = neighbours("b")
    world.unlink("a", "b")
    world.from_meta("b", SMALL)
    world.pipeline._delivery.send(world.node("b"), SMALL, world.now, tcp=False)
    assert names(world) == {"udp": [], "tcp": [], "keys": []}
    assert world.pipeline.drops["unreachable"]


@pytest.mark.parametrize("options", [TCPONLY | INDIRECT, TCPONLY])
def test_tcp_if_the_link_says_so(options: int) -> None:
    world = World()
    world.link("a", "b", DEFAULT | options)
    world.subnet("b", "10.0.2.0/24")
    world.ready("b")
    world.from_device(SMALL)
    assert names(world) == {"udp": [], "tcp": ["b"], "keys": []}
    assert world.ports.packets == [("b", bytes(SMALL))]


def test_tcp_if_we_say_so() -> None:
    world = World(DeliveryPolicy(options=DEFAULT | TCPONLY | INDIRECT))
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.ready("b")
    world.from_device(SMALL)
    assert names(world) == {"udp": [], "tcp": ["b"], "keys": []}


def test_without_a_key_tcp_and_one_request_in_ten_seconds() -> None:
    world = World()
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    for seconds in (0, 5, 9.9):
        world.now = 1000 + seconds
        world.from_device(SMALL, SMALL)
    assert names(world) == {"udp": [], "tcp": ["b"] * 6, "keys": ["b"]}
    world.now = 1010
    world.from_device(SMALL)
    assert names(world)["keys"] == ["b", "b"]


def test_without_a_key_for_a_distant_node_tcp_to_the_next_hop() -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c")
    world.subnet("c", "10.0.2.0/24")
    world.ready("b")
    world.from_device(SMALL)
    assert names(world) == {"udp": [], "tcp": ["b"], "keys": ["c"]}


@pytest.mark.parametrize(("length", "way"), [(600, "udp"), (601, "tcp")])
def test_what_the_path_is_not_known_to_carry_takes_tcp(length: int, way: str) -> None:
    world = World()
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.exchange_keys("b")
    world.tunnel(world.node("b")).pmtu.minmtu = 600
    world.from_device(sized(length))
    assert names(world) == {"udp": [], "tcp": [], "keys": []} | {way: ["b"]}


def test_a_fresh_key_is_not_enough() -> None:
    world = World()
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.exchange_keys("b")
    world.from_device(SMALL)
    assert names(world) == {"udp": [], "tcp": ["b"], "keys": []}


def test_without_pmtu_discovery_every_size_takes_udp() -> None:
    world = World()
    world.link("a", "b", DEFAULT & ~PMTU_DISCOVERY)
    world.subnet("b", "10.0.2.0/24")
    world.exchange_keys("b")
    world.from_device(sized(1514))
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}


def test_a_distant_node_is_reached_directly_once_the_path_is_known() -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c")
    world.subnet("c", "10.0.2.0/24")
    world.ready("b")
    world.exchange_keys("c")
    world.from_device(SMALL)
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}
    world.proved("c")
    world.from_device(SMALL)
    assert names(world) == {"udp": ["b", "c"], "tcp": [], "keys": []}


def test_behind_an_indirect_edge_the_node_before_it_gets_the_packet() -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c", DEFAULT | INDIRECT)
    world.subnet("c", "10.0.2.0/24")
    world.ready("b")
    world.from_device(SMALL)
    assert world.node("c").via is world.node("b")
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}


def test_no_udp_on_the_way_at_all_means_the_next_hop() -> None:
    world = World()
    world.link("a", "b", DEFAULT | INDIRECT)
    world.link("b", "c", DEFAULT | INDIRECT)
    world.subnet("c", "10.0.2.0/24")
    world.ready("b")
    assert world.node("c").via is world.mesh.myself
    world.from_device(SMALL)
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}


@pytest.mark.parametrize(
    ("options", "way"), [(DEFAULT, "tcp"), (DEFAULT | TCPONLY, "udp")]
)
def test_a_packet_that_came_over_tcp_stays_there(options: int, way: str) -> None:
    world = neighbours("b", "c")
    world.from_meta("b", sized(100, "10.0.3.1"), options=options)
    assert names(world) == {"udp": [], "tcp": [], "keys": []} | {way: ["c"]}


def test_over_tcp_it_goes_hop_by_hop() -> None:
    world = neighbours("b", "c")
    world.link("c", "d")
    world.subnet("d", "10.0.4.0/24")
    world.ready("d")
    world.from_meta("b", sized(100, "10.0.4.1"))
    assert names(world) == {"udp": [], "tcp": ["c"], "keys": []}


def test_answers_go_back_the_way_the_packet_came() -> None:
    world = neighbours("b")
    world.from_meta("b", sized(100, "10.9.9.9", "10.0.2.1"))
    world.from_peer("b", sized(100, "10.9.9.9", "10.0.2.1"))
    assert names(world) == {"udp": ["b"], "tcp": ["b"], "keys": []}
    assert world.pipeline.drops["unknown destination"] == 2


def test_fragments_travel_by_udp() -> None:
    world = neighbours("b")
    world.from_device(sized(1472))
    assert [len(frame) for frame in world.received("b")] == [1450, 56]


# Trains


def test_a_burst_leaves_as_one_train_for_each_node() -> None:
    world = neighbours("b", "c")
    world.from_device(
        sized(100), sized(101, "10.0.3.1"), sized(102), sized(103, "10.0.3.1")
    )
    assert [(to, len(train)) for to, train in world.ports.trains] == [
        ("b", 2),
        ("c", 2),
    ]
    assert [len(frame) for frame in world.received("b")] == [100, 102]


def test_a_train_is_not_longer_than_a_peer_can_take() -> None:
    world = neighbours("b")
    world.from_device(*(sized(100 + i) for i in range(100)))
    assert [len(train) for _, train in world.ports.trains] == [MAX_TRAIN, 36]
    assert [len(frame) for frame in world.received("b")] == [*range(100, 200)]


def test_inherited_priorities_part_a_train_but_keep_its_order() -> None:
    route = RouteOptions(priority_inheritance=True)
    world = World(DeliveryPolicy(options=DEFAULT, route=route), route)
    world.link("a", "b")
    world.subnet("b", "10.0.2.0/24")
    world.ready("b")
    frames = [sized(100 + i) for i in range(4)]
    frames[1][15] = frames[2][15] = 0xB8
    world.from_device(*frames)
    assert world.ports.tos == [0, 0xB8, 0]
    assert world.received("b") == frames


def test_answers_leave_from_the_socket_the_node_was_heard_on() -> None:
    world = neighbours("b")
    peer = world.peers["b"]
    world.from_device(SMALL)
    world.from_udp(peer.seal(sized(100, "10.0.1.1")), peer.address, 2)
    world.from_device(SMALL)
    assert world.ports.sockets == [0, 2]


def test_a_datagram_the_kernel_refuses_lowers_the_path_mtu() -> None:
    world = neighbours("b")
    world.ports.largest = 1300
    world.from_device(sized(1400), sized(1401), SMALL)
    pmtu = world.tunnel(world.node("b")).pmtu
    assert (pmtu.minmtu, pmtu.maxmtu) == (1399, 1399)
    # Without probes this is all that will ever be known.
    assert (pmtu.mtu, world.node("b").mtu) == (1399, 1399)
    assert world.pipeline.drops["larger than the path MTU"] == 2
    assert [len(frame) for frame in world.received("b")][2] == 100


def test_a_key_lost_within_a_burst_is_no_disaster() -> None:
    world = neighbours("b")
    delivery = world.pipeline._delivery
    delivery.enqueue(world.node("b"), SMALL)
    world.tunnel(world.node("b")).void_peer_key()
    delivery.flush()
    assert world.ports.trains == []
    assert world.pipeline.drops["no valid key"] == 1


# Broadcasts


def test_a_broadcast_follows_the_tree() -> None:
    world = neighbours("b", "c")
    world.link("b", "c", weight=1)
    world.link("b", "d", weight=50)
    world.ready("d")
    world.from_device(GROUP)
    # b and c are joined by the lightest edge, so only one edge leads from us to them.
    assert names(world) == {"udp": ["b"], "tcp": [], "keys": []}
    assert world.ports.delivered == []


def test_a_received_broadcast_is_delivered_and_not_returned() -> None:
    world = neighbours("b", "c")
    world.from_peer("b", GROUP)
    assert world.ports.delivered == [GROUP]
    assert names(world) == {"udp": ["c"], "tcp": [], "keys": []}


def test_a_broadcast_over_tcp_stays_there() -> None:
    world = neighbours("b", "c")
    world.from_meta("b", GROUP)
    assert world.ports.delivered == [GROUP]
    assert names(world) == {"udp": [], "tcp": ["c"], "keys": []}


@pytest.mark.parametrize(
    "policy",
    [
        DeliveryPolicy(options=DEFAULT, broadcast=BroadcastMode.NO),
        DeliveryPolicy(options=DEFAULT, tunnel_server=True),
    ],
)
def test_broadcasts_may_be_off(policy: DeliveryPolicy) -> None:
    world = World(policy)
    for name in ("b", "c"):
        world.link("a", name)
    world.ready("b", "c")
    world.from_device(GROUP)
    world.from_peer("b", GROUP)
    assert names(world) == {"udp": [], "tcp": [], "keys": []}
    assert world.ports.delivered == [GROUP]


def direct() -> World:
    """Return a world of b and c next to us and d behind c, all with keys."""
    world = World(DeliveryPolicy(options=DEFAULT, broadcast=BroadcastMode.DIRECT))
    for name in ("b", "c"):
        world.link("a", name)
    world.link("c", "d")
    world.ready("b", "c", "d")
    return world


def test_direct_broadcasts_go_to_every_node() -> None:
    world = direct()
    world.from_device(GROUP)
    assert names(world) == {"udp": ["b", "c", "d"], "tcp": [], "keys": []}


def test_direct_broadcasts_are_not_forwarded() -> None:
    world = direct()
    world.from_peer("b", GROUP)
    assert world.ports.delivered == [GROUP]
    assert names(world) == {"udp": [], "tcp": [], "keys": []}


def test_a_direct_copy_never_goes_through_others() -> None:
    world = direct()
    world.tunnel(world.node("b")).void_peer_key()
    world.tunnel(world.node("d")).void_peer_key()
    world.from_device(GROUP)
    assert names(world) == {"udp": ["c"], "tcp": ["b"], "keys": ["b", "d"]}
    world = direct()
    world.proved("d", 90)
    world.from_device(GROUP)
    assert names(world) == {"udp": ["b", "c"], "tcp": [], "keys": []}


def test_the_broadcast_tree_is_drawn_once_for_each_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Mesh] = []

    def draw(mesh: Mesh) -> set[Node]:
        drawn.append(mesh)
        return broadcast_neighbours(mesh)

    monkeypatch.setattr(delivery, "broadcast_neighbours", draw)
    world = neighbours("b", "c")
    for happen in (
        partial(world.take_key, "b"),
        partial(world.give_key, "b"),
        partial(world.proved, "b", 900),
        partial(world.subnet, "b", "10.0.9.0/24"),
        partial(world.mesh.set_address, world.node("b"), ELSEWHERE),
        world.settle,
    ):
        happen()
        world.from_device(GROUP)
        world.pipeline.broadcast_neighbours()
    assert len(drawn) == 2


def test_the_broadcast_tree_follows_the_mesh() -> None:
    world = neighbours("b", "c")
    world.from_device(GROUP)
    world.unlink("a", "c")
    world.from_device(GROUP)
    assert names(world)["udp"] == ["b", "c", "b"]


# Log lines


def test_lines_of_the_way(traffic: pytest.LogCaptureFixture) -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c")
    world.subnet("c", "10.0.2.0/24")
    traffic.clear()
    world.from_device(SMALL)
    assert traffic.messages == [
        "Sending packet of 100 bytes to c (192.0.2.3 port 655)",
        "No valid key known yet for c (192.0.2.3 port 655), forwarding via TCP",
    ]
    world.exchange_keys("b", "c")
    traffic.clear()
    world.from_device(SMALL)
    assert traffic.messages == [
        "Sending packet of 100 bytes to c (192.0.2.3 port 655)",
        "Packet for c (192.0.2.3 port 655) larger than minimum MTU, forwarding via b",
        "Sending packet of 100 bytes to b (192.0.2.2 port 655)",
        "Packet for b (192.0.2.2 port 655) larger than minimum MTU, forwarding via TCP",
    ]
    world.unlink("b", "c")
    traffic.clear()
    world.pipeline._delivery.send(world.node("c"), SMALL, world.now, tcp=False)
    assert traffic.messages == [
        "Sending packet of 100 bytes to c ((null))",
        "Node c ((null)) is not reachable",
    ]


def test_lines_of_relays_and_broadcasts(traffic: pytest.LogCaptureFixture) -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c", DEFAULT | INDIRECT)
    world.subnet("c", "10.0.2.0/24")
    world.ready("b")
    traffic.clear()
    world.from_device(SMALL)
    assert traffic.messages == [
        "Sending packet of 100 bytes to c (192.0.2.3 port 655)",
        "Sending packet to c via b (192.0.2.2 port 655)",
    ]
    traffic.clear()
    world.from_device(GROUP)
    assert traffic.messages == [
        "Broadcasting packet of 100 bytes from a (MYSELF)",
        "Sending packet of 100 bytes to b (192.0.2.2 port 655)",
    ]
