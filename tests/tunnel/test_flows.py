"""Which packets are plain, and the snapshots that tell where they go."""

from __future__ import annotations

import ipaddress
from functools import partial

import pytest

from tests.tunnel.scenes import (
    MSS,
    STATIONS,
    TIMESTAMPS,
    Scene,
    ipv6,
    switched,
    tcp,
)
from tests.tunnel.world import DEFAULT, ELSEWHERE, ipv4, neighbours, sized
from tincd_compat.mesh import reach
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import INDIRECT, TCPONLY
from tincd_compat.tunnel.flows import Flow
from tincd_compat.tunnel.plain import MAX_DESTINATIONS, plain_destination, plain_station
from tincd_compat.tunnel.pmtu import Phase


@pytest.mark.parametrize(
    "frame",
    [
        ipv4("10.0.1.1", "10.0.2.1"),
        ipv4("10.0.1.1", "10.0.2.1", b""),
        ipv4("10.0.1.1", "10.0.2.1", tcp(), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp(TIMESTAMPS), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp(b"\x01\x01\x05\x0a" + bytes(8)), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp(b"\x03\x03\x07\x01"), protocol=6),
    ],
    ids=["udp", "empty", "tcp", "timestamps", "sack", "scale"],
)
def test_plain(frame: bytearray) -> None:
    assert plain_destination(frame) == bytes([10, 0, 2, 1])


def test_plain_ipv6() -> None:
    target = ipaddress.IPv6Address("fd00:2::1").packed
    assert plain_destination(ipv6("fd00:2::1")) == target
    assert plain_destination(ipv6("fd00:2::1", tcp(TIMESTAMPS), 6)) == target


@pytest.mark.parametrize(
    "frame",
    [
        bytearray(),
        bytearray(33),
        ipv4("10.0.1.1", "10.0.2.1", b"")[:33],
        ipv4("10.0.1.1", "224.0.0.1"),
        ipv4("10.0.1.1", "255.255.255.255"),
        ipv4("10.0.1.1", "10.0.2.1", tcp(MSS), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp(b"\x01\x01\x01\x01" + MSS), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp()[:19], protocol=6),
        ipv6("fd00:2::1")[:53],
        ipv6("ff02::1"),
        ipv6("fd00:2::1", tcp(MSS), 6),
        ipv6("fd00:2::1", bytes(24), 58),
        bytearray(bytes(12) + b"\x08\x06" + bytes(40)),
        bytearray(bytes(12) + b"\x81\0\0\0\x08\0" + ipv4("10.0.1.1", "10.0.2.1")[14:]),
    ],
)
def test_not_plain(frame: bytearray) -> None:
    assert plain_destination(frame) is None


@pytest.mark.parametrize("tag", [False, True])
@pytest.mark.parametrize(
    "frame",
    [
        ipv4("10.0.1.1", "10.0.2.1"),
        ipv4("10.0.1.1", "10.0.2.1", tcp(TIMESTAMPS), protocol=6),
        # What is an answer or a broadcast in router mode is not in switch mode.
        ipv4("10.0.1.1", "224.0.0.1"),
        ipv6("ff02::1"),
        ipv6("fd00:2::1", bytes(24), 58),
        bytearray(bytes(12) + b"\x08\x06" + bytes(40)),
        bytearray(bytes(12) + b"\x88\xb5"),
    ],
)
def test_plain_in_switch_mode(frame: bytearray, tag: bool) -> None:
    for station in STATIONS:
        whole = switched(frame, station, STATIONS[0], tag)
        assert plain_station(bytearray(whole)) == station


@pytest.mark.parametrize("tag", [False, True])
@pytest.mark.parametrize(
    "frame",
    [
        ipv4("10.0.1.1", "10.0.2.1", tcp(MSS), protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", tcp()[:19], protocol=6),
        ipv4("10.0.1.1", "10.0.2.1", b"")[:33],
        bytearray(bytes(12) + b"\x08\0\x46" + bytes(40)),
        ipv6("fd00:2::1", tcp(MSS), 6),
        ipv6("fd00:2::1")[:53],
    ],
)
def test_not_plain_in_switch_mode(frame: bytearray, tag: bool) -> None:
    whole = switched(frame, STATIONS[1], STATIONS[0], tag)
    assert plain_station(bytearray(whole)) is None


@pytest.mark.parametrize("size", [0, 6, 13, 14, 64])
def test_neither_scraps_nor_probes_are_plain(size: int) -> None:
    assert plain_station(bytearray(size)) is None


def test_a_flow_leads_to_the_next_stop() -> None:
    world = neighbours("b")
    flow = world.pipeline.flows.lookup(bytes([10, 0, 2, 1]))
    assert flow is not None
    assert (flow.node, flow.limit) == (world.node("b"), 1451)
    assert world.pipeline.flows.lookup(bytes([10, 9, 9, 9])) is None
    assert world.pipeline.flows.lookup(bytes([10, 0, 1, 1])) is None


def test_what_is_ours() -> None:
    flows = neighbours("b").pipeline.flows
    assert flows.is_ours(bytes([10, 0, 1, 9]))
    assert not flows.is_ours(bytes([10, 0, 2, 9]))
    assert not flows.is_ours(bytes([10, 9, 9, 9]))


def test_a_snapshot_lasts_until_it_is_invalidated() -> None:
    world = neighbours("b")
    flows = world.pipeline.flows
    before = flows.lookup(bytes([10, 0, 2, 1]))
    assert flows.lookup(bytes([10, 0, 2, 1])) is before
    world.proved("b", 900)
    after = flows.lookup(bytes([10, 0, 2, 1]))
    assert after is not None
    assert after.limit == 900


def test_what_does_not_depend_on_a_change_is_kept() -> None:
    world = Scene(proved=(1451, 1300, 0), fixed=False).build()
    addresses = [bytes([10, 0, net, 1]) for net in (2, 3, 4)]

    def flows() -> list[Flow | None]:
        return list(map(world.pipeline.flows.lookup, addresses))

    def kept(before: list[Flow | None]) -> list[bool]:
        return [old is new for old, new in zip(before, flows(), strict=True)]

    before = flows()
    assert None not in before
    world.take_key("b")
    assert kept(before) == [False, True, True]
    before = flows()
    # What is for d leaves for c, and depends on both.
    world.tunnel(world.node("d")).pmtu.mtu = 1000
    assert kept(before) == [True, True, False]
    before = flows()
    world.proved("c", 900)
    assert kept(before) == [True, False, False]
    before = flows()
    world.subnet("c", "10.0.2.128/25")
    assert kept(before) == [True, True, True]


def test_a_way_does_not_depend_on_whose_address_it_is_for() -> None:
    """Only on the stops: c seals nothing for d, nor does the key of d matter to us."""
    world = neighbours("b", "c")
    world.link("c", "d", DEFAULT | INDIRECT)
    world.subnet("d", "10.0.4.0/24")
    world.ready("b", "c", "d")
    address, flows = bytes([10, 0, 4, 1]), world.pipeline.flows
    flow = flows.lookup(address)
    assert flow is not None
    assert (flow.owner, flow.via) == (world.node("d"), world.node("c"))
    for change in (partial(world.take_key, "d"), partial(world.proved, "d", 900)):
        change()
        assert flows.lookup(address) is flow
    world.mesh.set_address(world.node("d"), ELSEWHERE)
    assert flows.lookup(address) is flow
    world.take_key("c")
    assert flows.lookup(address) is not flow
    # Whether the owner can be reached still counts at once.
    edge = world.node("c").edges["d"]
    world.mesh.remove_edge(edge)
    changes = reach.lose(world.mesh, edge)
    assert changes is not None
    world.flip(changes)
    assert flows.lookup(address) is None


def test_a_narrower_subnet_counts_at_once() -> None:
    world = neighbours("b", "c")
    flows = world.pipeline.flows
    near, far = bytes([10, 0, 2, 1]), bytes([10, 0, 2, 129])
    for address in (near, far):
        flow = flows.lookup(address)
        assert flow is not None
        assert flow.owner is world.node("b")
    world.subnet("c", "10.0.2.128/25")
    world.subnet("a", "10.0.2.1/32")
    flow = flows.lookup(far)
    assert flow is not None
    assert flow.owner is world.node("c")
    assert flows.lookup(near) is None
    assert flows.is_ours(near)
    assert not flows.is_ours(far)
    world.unsubnet("c", "10.0.2.128/25")
    flow = flows.lookup(far)
    assert flow is not None
    assert flow.owner is world.node("b")


@pytest.mark.parametrize("change", ["reply", "refusal", "liveness", "limit"])
def test_what_the_pipeline_changes_itself_it_invalidates(change: str) -> None:
    world = neighbours("b")
    node, flows = world.node("b"), world.pipeline.flows
    pmtu = world.tunnel(node).pmtu
    assert flows.lookup(bytes([10, 0, 2, 1])) is not None
    if change == "reply":
        pmtu.minmtu = 0
        pmtu._sent.add(64)
        world.from_peer("b", b"\1" + bytes(63))
    elif change == "refusal":
        world.ports.largest = 1000
        world.from_device(sized(1100))
    elif change == "liveness":
        pmtu.phase, pmtu.rounds = Phase.CHECK, 60
        world.pipeline.probe_step(node, world.now)
    else:
        world.tunnel(node).pmtu.limit(1300)
    flow = flows.lookup(bytes([10, 0, 2, 1]))
    assert flow is not None
    assert flow.limit == min(node.mtu, pmtu.minmtu)


def test_forged_destinations_do_not_fill_the_memory() -> None:
    flows = neighbours("b").pipeline.flows
    for number in range(MAX_DESTINATIONS + 10):
        flows.lookup(number.to_bytes(4))
        flows.is_ours(number.to_bytes(4))
        assert len(flows._owners) <= MAX_DESTINATIONS


# From node to node.


def test_without_udp_to_the_next_stop_the_neighbour_in_between_is_it() -> None:
    world = Scene(proved=(1451, 1300, 0), fixed=False).build()
    b, c, d = map(world.node, "bcd")
    flow = world.pipeline.flows.lookup(bytes([10, 0, 4, 1]))
    assert flow is not None
    assert (flow.owner, flow.via, flow.node, flow.limit) == (d, d, c, 1300)
    assert not any(map(flow.leads_on_from, (c, d)))
    assert flow.leads_on_from(b)
    world.proved("d", 900)
    flow = world.pipeline.flows.lookup(bytes([10, 0, 4, 1]))
    assert flow is not None
    assert (flow.node, flow.limit) == (d, 900)


@pytest.mark.parametrize(
    ("scene", "relayed"),
    [
        (Scene(), True),
        (Scene(mode=Mode.SWITCH), True),
        (Scene(forwarding=Forwarding.OFF), False),
        (Scene(forwarding=Forwarding.KERNEL), False),
        (Scene(decrement_ttl=True), False),
        (Scene(priority=True), False),
        (Scene(own=TCPONLY), False),
    ],
)
def test_what_is_relayed_without_routing(scene: Scene, relayed: bool) -> None:
    world = scene.build()
    flows = world.pipeline.flows
    address = bytes([10, 0, 3, 1]) if scene.mode is Mode.ROUTER else STATIONS[2]
    flow = flows.relay(address, world.node("b"))
    assert (flow is not None) == relayed
    # Not back to where it came from.
    assert flows.relay(address, world.node("c")) is None
