"""Short cuts: which packets are plain, and that they change nothing but the time."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tunnel.world import DEFAULT, World, ipv4, neighbours, sized
from tincd_compat.options import CLAMP_MSS, INDIRECT, PMTU_DISCOVERY, TCPONLY
from tincd_compat.routing.headers import Buffer
from tincd_compat.routing.options import Forwarding, Mode, RouteOptions
from tincd_compat.tunnel.delivery import BroadcastMode, Policy
from tincd_compat.tunnel.flows import MAX_FLOWS, plain_destination, plain_station
from tincd_compat.tunnel.pmtu import Phase

MSS = b"\x02\x04\x05\xb4"
TIMESTAMPS = b"\x01\x01\x08\x0a\x02\x04\x05\xb4\x02\x04\x05\xb4"


def tcp(options: bytes = b"", words: int | None = None) -> bytes:
    offset = 5 + len(options) // 4 if words is None else words
    fixed = struct.pack("!HHIIBBHHH", 80, 81, 1, 2, offset << 4, 0x10, 99, 0, 0)
    return fixed + options + b"data"


def ipv6(target: str, payload: bytes = b"payload", protocol: int = 17) -> bytearray:
    header = b"\x60\0\0\0" + struct.pack("!HBB", len(payload), protocol, 64)
    ends = (ipaddress.IPv6Address(text).packed for text in ("fd00:1::1", target))
    return bytearray(bytes(12) + b"\x86\xdd" + header + b"".join(ends) + payload)


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
    assert flow.tunnel is world.tunnel(world.node("b"))
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
        world.pipeline.limit_mtu(node, 1300)
    flow = flows.lookup(bytes([10, 0, 2, 1]))
    assert flow is not None
    assert flow.limit == min(node.mtu, pmtu.minmtu)


def test_forged_destinations_do_not_fill_the_memory() -> None:
    flows = neighbours("b").pipeline.flows
    for number in range(MAX_FLOWS + 10):
        flows.lookup(number.to_bytes(4))
        flows.is_ours(number.to_bytes(4))
    assert len(flows._flows) <= MAX_FLOWS
    assert len(flows._ours) <= MAX_FLOWS


# The same results with and without.

HOSTS = [
    *("10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.4.1", "10.9.9.9"),
    *("172.16.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
]
HOSTS6 = ["fd00:1::1", "fd00:2::1", "fd00:4::1", "fd00:9::1", "2001:db8::1", "ff02::1"]
SOLICITATION = b"\x87" + bytes(31)

_hosts = st.sampled_from(HOSTS)
_hosts6 = st.sampled_from(HOSTS6)
_options = st.sampled_from([b"", MSS, TIMESTAMPS, b"\x01\x02\x04\x05", b"\0" + MSS[:3]])
_segments = st.builds(tcp, _options, st.none() | st.integers(0, 15))
_payloads = st.binary(max_size=30) | st.integers(0, 1480).map(bytes)
_frames = st.one_of(
    st.builds(ipv4, _hosts, _hosts, _payloads),
    st.builds(ipv4, _hosts, _hosts, _segments, protocol=st.just(6)),
    st.builds(ipv6, _hosts6, _payloads, st.sampled_from([17, 58])),
    st.builds(ipv6, _hosts6, _segments, st.just(6)),
    st.builds(ipv6, _hosts6, st.just(SOLICITATION), st.just(58)),
)


#: One of each kind to every destination; hypothesis varies the scene around them.
BATTERY = [
    *(ipv4("10.0.1.1", host, tos=0xB8) for host in HOSTS),
    *(sized(length, host) for host in HOSTS for length in (34, 600, 601, 1451, 1452)),
    *(ipv4("10.0.1.1", host, tcp(MSS), protocol=6) for host in HOSTS),
    *(ipv6(host) for host in HOSTS6),
    *(ipv6(host, tcp(MSS), 6) for host in HOSTS6),
    *(ipv6(host, SOLICITATION, 58) for host in HOSTS6),
]

#: The stations of a, b, c and d, one behind nobody, one that b and c own, everybody.
STATIONS = [
    bytes.fromhex(f"0200000000{number}")
    for number in ("01", "02", "03", "04", "09", "23")
]
STATIONS.append(b"\xff" * 6)
VLAN = b"\x81\0\0\5"


def switched(frame: Buffer, target: bytes, source: bytes, tag: bool) -> bytes:
    return target + source + (VLAN if tag else b"") + bytes(frame[12:])


#: Every fifth frame of the battery, and others that tun devices do not know.
SWITCH_BATTERY = [
    switched(bytes(frame), target, STATIONS[0], tag)
    for frame in (*BATTERY[::5], bytes(64), bytes(12) + b"\x08\x06" + bytes(28))
    for target in STATIONS
    for tag in (False, True)
]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Return a frame with a few bytes changed, or cut."""
    frame = draw(_frames)
    for _ in range(draw(st.integers(0, 2))):
        frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.none() | st.integers(0, 60))])


@dataclasses.dataclass(frozen=True)
class Scene:
    """A mesh of a next to b and c, and d behind c, in some state."""

    options: tuple[int, int, int] = (DEFAULT, DEFAULT, DEFAULT)
    own: int = DEFAULT
    keys: frozenset[str] = frozenset("bcd")
    proved: tuple[int, int, int] = (1451, 1451, 1451)
    direct_only: bool = False
    priority: bool = False
    broadcast: bool = True
    forwarding: Forwarding = Forwarding.INTERNAL
    gone: bool = False
    fixed: bool = True
    mode: Mode = Mode.ROUTER
    decrement_ttl: bool = False

    def build(self) -> World:
        route = RouteOptions(
            mode=self.mode,
            direct_only=self.direct_only,
            priority_inheritance=self.priority,
            broadcast=self.broadcast,
            forwarding=self.forwarding,
            decrement_ttl=self.decrement_ttl,
        )
        mode = BroadcastMode.MST if self.broadcast else BroadcastMode.NO
        policy = Policy(options=self.own, broadcast=mode, route=route)
        world = World(policy, route)
        world.subnet("a", "fd00:1::/64")
        world.subnet("b", "128.0.0.0/1")
        world.subnet("b", "::/0")
        owners = zip("abcd", STATIONS[:4], strict=True)
        for name, station in (*owners, ("b", STATIONS[5]), ("c", STATIONS[5])):
            world.subnet(name, station.hex(":"))
        ends = (("a", "b"), ("a", "c"), ("c", "d"))
        for number, (place, options) in enumerate(zip(ends, self.options, strict=True)):
            world.link(*place, options)
            world.subnet(place[1], f"10.0.{number + 2}.0/24")
            world.subnet(place[1], f"fd00:{number + 2}::/64")
            world.give_key(place[1])
        for name in sorted(self.keys):
            world.take_key(name)
        for name, length in zip("bcd", self.proved, strict=True):
            world.proved(name, length)
            if not self.fixed:
                world.node(name).mtu = 1518
        if self.gone:
            world.unlink("c", "d")
        return world


_link = st.sampled_from([DEFAULT, PMTU_DISCOVERY, 0, INDIRECT | DEFAULT, 15])
_scenes = st.builds(
    Scene,
    st.tuples(_link, _link, _link),
    st.sampled_from([DEFAULT, DEFAULT, CLAMP_MSS, 0, TCPONLY | INDIRECT]),
    st.frozensets(st.sampled_from("bcd")) | st.just(frozenset("bcd")),
    st.tuples(*[st.sampled_from([0, 64, 600, 1451, 1518])] * 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(Forwarding),
    st.booleans(),
    st.booleans(),
    st.sampled_from([Mode.ROUTER, Mode.SWITCH]),
    st.booleans(),
)
_switched = st.builds(
    switched,
    _damaged(),
    st.sampled_from(STATIONS),
    st.sampled_from(STATIONS),
    st.booleans(),
)


def outcome(scene: Scene, frames: list[bytes], shortcuts: bool) -> dict[str, object]:
    world = scene.build()
    if not shortcuts:
        world.pipeline.flows.inward = world.pipeline.flows.outward = False
    battery = BATTERY if scene.mode is Mode.ROUTER else SWITCH_BATTERY
    # Twice: by snapshot and after what the first time has changed.
    for _ in range(2):
        world.from_device(*map(bytearray, battery), *map(bytearray, frames))
        world.from_peer("b", *battery, *frames)
        for options in (DEFAULT, DEFAULT | TCPONLY):
            world.from_meta("b", *battery, *frames, options=options)
    ports = world.ports
    return {
        "delivered": ports.delivered,
        "trains": ports.trains,
        "tos": ports.tos,
        "packets": ports.packets,
        "keys": ports.key_requests,
        "drops": world.pipeline.drops,
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_scenes, st.lists(_damaged() | _switched, max_size=8))
@example(Scene(), [])
@example(Scene(mode=Mode.SWITCH), [])
@example(Scene(mode=Mode.SWITCH, direct_only=True), [])
@example(Scene(mode=Mode.SWITCH, proved=(600, 600, 600)), [])
@example(Scene(mode=Mode.SWITCH, fixed=False, proved=(600, 600, 600)), [])
@example(Scene(mode=Mode.SWITCH, gone=True), [])
@example(Scene(mode=Mode.SWITCH, options=(15, 15, 15)), [])
@example(Scene(proved=(1451, 1451, 0), fixed=False), [])
@example(Scene(mode=Mode.SWITCH, proved=(1451, 600, 0), fixed=False), [])
@example(Scene(decrement_ttl=True), [])
@example(Scene(forwarding=Forwarding.OFF), [])
@example(Scene(direct_only=True, options=(DEFAULT, DEFAULT, DEFAULT | INDIRECT)), [])
@example(Scene(proved=(600, 600, 600)), [])
@example(Scene(options=(15, 15, 15)), [])
@example(Scene(own=TCPONLY | INDIRECT), [])
@example(Scene(own=TCPONLY | INDIRECT, mode=Mode.SWITCH, priority=True), [])
@example(Scene(options=(15, DEFAULT, 15), direct_only=True), [])
@example(Scene(priority=True), [])
@example(Scene(gone=True, options=(DEFAULT, DEFAULT, DEFAULT | INDIRECT)), [])
@example(Scene(fixed=False, proved=(600, 600, 600)), [])
@example(Scene(keys=frozenset()), [])
@example(Scene(broadcast=False, proved=(1518, 1518, 1518)), [])
def test_short_cuts_change_nothing(scene: Scene, frames: list[bytes]) -> None:
    assert outcome(scene, frames, True) == outcome(scene, frames, False)


def test_short_cuts_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    world = neighbours("b")

    def unused(*_arguments: object) -> None:
        raise AssertionError("routed")

    monkeypatch.setattr(world.pipeline._router, "route", unused)
    world.from_device(sized(100))
    world.from_peer("b", sized(200, "10.0.1.1"))
    assert [len(frame) for frame in world.received("b")] == [100]
    assert [len(frame) for frame in world.ports.delivered] == [200]


def test_short_cuts_are_taken_from_node_to_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = neighbours("b", "c")

    def unused(*_arguments: object) -> None:
        raise AssertionError("routed")

    monkeypatch.setattr(world.pipeline._router, "route", unused)
    world.from_peer("b", sized(300, "10.0.3.1"))
    assert [len(frame) for frame in world.received("c")] == [300]


def test_short_cuts_are_taken_in_switch_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Scene(mode=Mode.SWITCH).build()

    def unused(*_arguments: object) -> None:
        raise AssertionError("routed")

    monkeypatch.setattr(world.pipeline._router, "route", unused)
    ours, theirs = STATIONS[:2]
    frame = switched(sized(100), theirs, ours, tag=False)
    world.from_device(bytearray(frame), bytearray(frame[:60]))
    world.from_peer("b", switched(sized(200), ours, theirs, tag=True))
    assert [len(frame) for frame in world.received("b")] == [100, 60]
    assert [len(frame) for frame in world.ports.delivered] == [204]


def test_short_cuts_are_taken_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Scene(own=TCPONLY | INDIRECT, priority=True).build()

    def unused(*_arguments: object) -> None:
        raise AssertionError("routed")

    monkeypatch.setattr(world.pipeline._router, "route", unused)
    world.from_device(sized(100), sized(200, "10.0.4.1"))
    burst = [sized(size, "10.0.1.1") for size in (300, 400)]
    world.from_meta("b", *burst, sized(500, "10.0.3.1"), options=DEFAULT | TCPONLY)
    world.from_meta("b", *burst)
    assert [(name, len(frame)) for name, frame in world.ports.packets] == [
        ("b", 100),
        ("c", 200),
        ("c", 500),
    ]
    assert [len(frame) for frame in world.ports.delivered] == [300, 400] * 2


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
