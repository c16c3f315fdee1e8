"""The two pumps with real keys: bursts in, and what is logged of packets."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.world import (
    DEFAULT,
    ELSEWHERE,
    HERE,
    World,
    ipv4,
    lengths,
    make_tunnel,
    neighbours,
    probe,
    sized,
)
from tincd_compat.addresses import SocketAddress
from tincd_compat.modes import Forwarding
from tincd_compat.options import PMTU_DISCOVERY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.receiving import MAX_DATAGRAM

# Inward


def test_frames_for_us_are_delivered_in_order() -> None:
    world = neighbours("b")
    frames = [sized(60 + i, HERE) for i in range(64)]
    world.from_peer("b", *frames)
    assert world.ports.delivered == frames


def test_frames_for_others_are_routed_afresh() -> None:
    world = neighbours("b", "c")
    world.from_peer(
        "b", sized(100, "10.0.3.1"), sized(101, HERE), sized(102, "10.0.3.1")
    )
    assert lengths(world.ports.delivered) == [101]
    assert lengths(world.received("c")) == [100, 102]


def test_frames_are_not_sent_back() -> None:
    world = neighbours("b")
    world.from_peer("b", sized(100, "10.0.2.9"))
    assert (world.ports.trains, world.ports.delivered) == ([], [])
    assert world.pipeline.drops == {"looping back": 1}


def test_the_kernel_may_do_the_forwarding() -> None:
    route = RouteOptions(forwarding=Forwarding.KERNEL)
    world = World(DeliveryPolicy(options=DEFAULT, route=route), route)
    for name in ("b", "c"):
        world.link("a", name)
    world.subnet("c", "10.0.3.0/24")
    world.ready("b", "c")
    world.from_peer("b", sized(100, "10.0.3.1"))
    assert (world.ports.trains, lengths(world.ports.delivered)) == ([], [100])


def test_interleaved_sources_keep_their_own_order() -> None:
    world = neighbours("b", "c")
    b, c = world.peers["b"], world.peers["c"]
    from_b = b.seal(*(sized(100 + i, HERE) for i in range(3)))
    from_c = c.seal(*(sized(200 + i, HERE) for i in range(3)))
    burst = []
    for one, other in zip(from_b, from_c, strict=True):
        burst += [(one, b.address, 0), (other, c.address, 0)]
    world.pipeline.from_udp(burst, world.now)
    got = lengths(world.ports.delivered)
    assert [n for n in got if n < 200] == [100, 101, 102]
    assert [n for n in got if n >= 200] == [200, 201, 202]


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "invalid size"),
        (bytes(MAX_DATAGRAM + 1), "too long"),
        (b"123", "too short"),
        (bytes(64), "unauthenticated"),
    ],
)
def test_noise_at_a_known_address(datagram: bytes, reason: str) -> None:
    world = neighbours("b")
    address = world.peers["b"].address
    world.from_udp([datagram], address)
    assert world.pipeline.drops == {reason: 1}
    assert world.ports.delivered == []
    assert world.node("b").address == address


def long_datagrams(world: World, address: SocketAddress) -> None:
    """Send datagrams of the longest that is taken, and one byte more."""
    for length in (MAX_DATAGRAM, MAX_DATAGRAM + 1):
        world.from_udp([bytes(length)], address)


def test_too_long_datagrams_are_told_as_junk_of_their_node(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C reads only the beginning of them, and says that their MAC is wrong."""
    world = neighbours("b")
    caplog.set_level(logging.DEBUG, "tincd")
    long_datagrams(world, world.peers["b"].address)
    line = f"Got unauthenticated packet from b ({world.peers['b'].address})"
    assert caplog.messages == [line, line]
    assert world.pipeline.drops == {"unauthenticated": 1, "too long": 1}
    world.tunnel(world.node("b")).expire()
    caplog.clear()
    long_datagrams(world, world.peers["b"].address)
    assert len(caplog.messages) == 2
    assert len(set(caplog.messages)) == 1
    assert caplog.messages[0].endswith("but he hasn't got our key yet")


def test_too_long_datagrams_of_strangers_are_told_as_any(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = neighbours("b")
    caplog.set_level(logging.WARNING, "tincd")
    long_datagrams(world, SocketAddress("203.0.113.9", 4242))
    line = "Received UDP packet from unknown source 203.0.113.9 port 4242"
    assert caplog.messages == [line, line]
    assert world.pipeline.drops == {"unknown source": 2}


def test_a_replayed_datagram_is_dropped() -> None:
    world = neighbours("b")
    train = world.peers["b"].seal(sized(100, HERE))
    for _ in range(2):
        world.from_udp(train, world.peers["b"].address)
    assert lengths(world.ports.delivered) == [100]
    assert world.pipeline.drops == {"late or replayed": 1}


def test_frames_too_short_to_route_are_survived() -> None:
    world = neighbours("b")
    world.from_peer("b", b"", b"\0", bytes(10), bytes(13))
    assert world.pipeline.drops == {"too short": 4}


def test_without_our_key_nothing_is_opened() -> None:
    world = neighbours("b")
    train = world.peers["b"].seal(sized(100, HERE))
    world.tunnel(world.node("b")).expire()
    world.from_udp(train, world.peers["b"].address)
    assert world.ports.delivered == []
    assert world.pipeline.drops == {"has no key from us": 1}


TYPES = [b"\x08\0", b"\x86\xdd", b"\x08\x06", b"\x81\0", b"\0\0", b"\x12\x34"]
FRAMES = st.builds(
    lambda addresses, kind, rest: addresses + kind + rest,
    st.binary(min_size=12, max_size=12),
    st.sampled_from(TYPES),
    st.sampled_from([b"", b"\x45", b"\x60", b"\0\x01"]).flatmap(
        lambda head: st.binary(max_size=110).map(lambda rest: head + rest)
    ),
)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=120) | FRAMES, max_size=5), st.booleans())
def test_any_bytes_are_survived(noise: list[bytes], known: bool) -> None:
    world = neighbours("b")
    peer = world.peers["b"]
    world.from_udp(noise, peer.address if known else ELSEWHERE)
    world.from_peer("b", *noise)
    for frame in noise:
        world.from_meta("b", frame)
    world.from_device(*map(bytearray, noise))
    assert world.node("b").address == peer.address


# Log lines


def test_lines_of_received_packets(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    log.clear()
    peer = world.peers["b"]
    train = peer.seal(sized(100, HERE), probe(70))
    world.from_udp([*train, train[0], bytes(64)], peer.address)
    b = "b (192.0.2.2 port 655)"
    assert log.messages == [
        f"Got late or replayed packet from {b}, seqno 1, last received 2",
        f"Got unauthenticated packet from {b}",
        f"Received packet of 100 bytes from {b}",
        f"Got MTU probe length 70 from {b}",
    ]
    world.tunnel(world.node("b")).expire()
    log.clear()
    world.from_udp(train[:1], peer.address)
    assert log.messages == [f"Got packet from {b} but he hasn't got our key yet"]


def test_empty_datagrams_do_not_fill_the_log(log: pytest.LogCaptureFixture) -> None:
    world = neighbours("b")
    log.clear()
    world.from_udp([b""] * 100, ELSEWHERE)
    assert log.messages == ["Receiving packet with invalid size"]


def test_probing_a_keyless_node_says_so(log: pytest.LogCaptureFixture) -> None:
    world = World()
    world.link("a", "b")
    log.clear()
    world.pipeline.probe_step(world.node("b"), world.now)
    (line,) = log.messages
    assert line.startswith("Trying to send MTU probe to unreachable or rekeying node b")


def test_logging_changes_no_result(log: pytest.LogCaptureFixture) -> None:
    quiet, loud = neighbours("b", "c"), neighbours("b", "c")
    frames = [sized(100), ipv4(HERE, "10.0.3.1"), sized(1500), sized(90, "224.0.0.1")]
    frames += [sized(100, "10.9.9.9"), sized(77, HERE)]
    for world, level in ((quiet, logging.CRITICAL), (loud, logging.DEBUG)):
        log.set_level(level, "tincd.traffic")
        world.from_device(*map(bytearray, frames))
        world.from_peer("b", *frames)
    assert quiet.ports.trains == loud.ports.trains
    assert quiet.ports.delivered == loud.ports.delivered
    assert quiet.ports.packets == loud.ports.packets
    assert quiet.pipeline.drops == loud.pipeline.drops


def test_options_without_pmtu_discovery_still_answer() -> None:
    world = World()
    world.link("a", "b", DEFAULT & ~PMTU_DISCOVERY)
    world.exchange_keys("b")
    world.from_peer("b", probe(500))
    assert lengths(world.received("b")) == [500]
    assert make_tunnel("b").pmtu.minmtu == 0
