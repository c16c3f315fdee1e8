"""Short cuts are taken, and change nothing but the time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.scenes import (
    MSS,
    STATIONS,
    TIMESTAMPS,
    Scene,
    ipv6,
    switched,
    tcp,
)
from tests.tunnel.world import DEFAULT, ipv4, neighbours, sized
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import CLAMP_MSS, INDIRECT, PMTU_DISCOVERY, TCPONLY

pytestmark = pytest.mark.usefixtures("nothing_logged")

HOSTS = [
    *("10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.4.1", "10.9.9.9"),
    *("172.16.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
]
HOSTS6 = ["fd00:1::1", "fd00:2::1", "fd00:4::1", "fd00:9::1", "2001:db8::1", "ff02::1"]
SOLICITATION = b"\x87" + bytes(31)

#: One of each kind to every destination; hypothesis varies the scene around them.
BATTERY = [
    *(ipv4("10.0.1.1", host, tos=0xB8) for host in HOSTS),
    *(sized(length, host) for host in HOSTS for length in (34, 600, 601, 1451, 1452)),
    *(ipv4("10.0.1.1", host, tcp(MSS), protocol=6) for host in HOSTS),
    *(ipv6(host) for host in HOSTS6),
    *(ipv6(host, tcp(MSS), 6) for host in HOSTS6),
    *(ipv6(host, SOLICITATION, 58) for host in HOSTS6),
]

#: Every fifth frame of the battery, and others that tun devices do not know.
SWITCH_BATTERY = [
    switched(bytes(frame), target, STATIONS[0], tag)
    for frame in (*BATTERY[::5], bytes(64), bytes(12) + b"\x08\x06" + bytes(28))
    for target in STATIONS
    for tag in (False, True)
]

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


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Return a frame with a few bytes changed, or cut."""
    frame = draw(_frames)
    for _ in range(draw(st.integers(0, 2))):
        frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.none() | st.integers(0, 60))])


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


def outcome(
    scene: Scene, frames: list[bytes], shortcuts: bool, every: slice = slice(None)
) -> dict[str, object]:
    """Return what comes of frames, and of every so manieth of the battery before."""
    world = scene.build()
    if not shortcuts:
        world.pipeline.flows.inward = world.pipeline.flows.outward = False
    battery = (BATTERY if scene.mode is Mode.ROUTER else SWITCH_BATTERY)[every]
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


@settings(max_examples=40)
@given(_scenes, st.lists(_damaged() | _switched, max_size=8), st.integers(0, 4))
def test_short_cuts_change_nothing(
    scene: Scene, frames: list[bytes], first: int
) -> None:
    """Each scene has a fifth of the battery, which the scenes below have whole."""
    every = slice(first, None, 5)
    taken = outcome(scene, frames, True, every)
    assert taken == outcome(scene, frames, False, every)


@pytest.mark.parametrize(
    "scene",
    [
        Scene(),
        Scene(mode=Mode.SWITCH),
        Scene(mode=Mode.SWITCH, direct_only=True),
        Scene(mode=Mode.SWITCH, proved=(600, 600, 600)),
        Scene(mode=Mode.SWITCH, fixed=False, proved=(600, 600, 600)),
        Scene(mode=Mode.SWITCH, gone=True),
        Scene(mode=Mode.SWITCH, options=(15, 15, 15)),
        Scene(proved=(1451, 1451, 0), fixed=False),
        Scene(mode=Mode.SWITCH, proved=(1451, 600, 0), fixed=False),
        Scene(decrement_ttl=True),
        Scene(forwarding=Forwarding.OFF),
        Scene(direct_only=True, options=(DEFAULT, DEFAULT, DEFAULT | INDIRECT)),
        Scene(proved=(600, 600, 600)),
        Scene(options=(15, 15, 15)),
        Scene(own=TCPONLY | INDIRECT),
        Scene(own=TCPONLY | INDIRECT, mode=Mode.SWITCH, priority=True),
        Scene(options=(15, DEFAULT, 15), direct_only=True),
        Scene(priority=True),
        Scene(gone=True, options=(DEFAULT, DEFAULT, DEFAULT | INDIRECT)),
        Scene(fixed=False, proved=(600, 600, 600)),
        Scene(keys=frozenset()),
        Scene(broadcast=False, proved=(1518, 1518, 1518)),
    ],
)
def test_short_cuts_change_nothing_here(scene: Scene) -> None:
    assert outcome(scene, [], True) == outcome(scene, [], False)


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
