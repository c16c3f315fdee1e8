"""What a tunnel has carried, and when it was last heard, under all of its keys."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.pumping import Lab, packet
from tests.tunnel.samples import DEFAULT, KEY
from tests.tunnel.world import World, install, ipv4, make_tunnel, neighbours, sized
from tincd_compat._fast import core
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.codec import Opener, Sealer
from tincd_compat.tunnel.traffic import NOTHING, Traffic

COMPILED = pytest.mark.skipif(core is None, reason="the compiled half is not built")


def test_traffic_adds_up() -> None:
    assert Traffic(3, 40) + Traffic(1, 2) == Traffic(4, 42)
    assert Traffic(3, 40) - Traffic(1, 2) == Traffic(2, 38)
    assert Traffic(1, 0)
    assert not NOTHING


def test_each_end_counts_the_same(implementation: str) -> None:
    here, there = make_tunnel("there"), make_tunnel("here")
    install(here, there.new_own_key(random.Random(1).randbytes))
    assert here.sealer is not None
    assert (here.sealer.compiled is None) == (implementation == "pure")
    assert (here.sent, there.received) == (NOTHING, NOTHING)
    wire = here.sealer.seal_train([bytes(60), bytes(1400), b""])
    assert here.sent == Traffic(3, 1460)
    there.openers.open_train(wire[:2], 7.0)
    assert there.received == Traffic(2, 1460)
    # Neither a replay nor junk is a packet, and what is empty is one.
    there.openers.open_train([*wire, b"junk", bytes(100)], 8.0)
    assert there.received == Traffic(3, 1460)


def test_sums_outlast_keys(implementation: str) -> None:
    here, there = make_tunnel("there"), make_tunnel("here")
    draw = random.Random(1).randbytes
    for number in range(1, 5):
        install(here, there.new_own_key(draw))
        assert here.sealer is not None
        there.openers.open_train(here.sealer.seal_train([bytes(100)] * 2), 1.0)
        assert (here.sent, there.received) == (Traffic(2 * number, 200 * number),) * 2
    here.void_peer_key()
    there.expire()
    assert (here.sent, there.received) == (Traffic(8, 800),) * 2
    here.reset()
    there.reset()
    assert (here.sent, there.received) == (Traffic(8, 800),) * 2
    assert there.last_packet == 1.0


def test_both_keys_of_a_node_count(implementation: str) -> None:
    here, there = make_tunnel("there"), make_tunnel("here")
    draw = random.Random(1).randbytes
    install(here, there.new_own_key(draw))
    older = here.sealer
    assert older is not None
    install(here, there.new_own_key(draw))
    assert here.sealer is not None
    wire = older.seal_train([bytes(10)]) + here.sealer.seal_train([bytes(20)])
    there.openers.open_train(wire, 1.0)
    assert there.received == Traffic(2, 30)


def test_packed_frames_count_as_they_were() -> None:
    sealer, opener = Sealer(DEFAULT, KEY, 9), Opener(DEFAULT, KEY, 9)
    opener.open_train(sealer.seal_train([bytes(1400), bytes(10)]))
    assert sealer.sent == opener.received == Traffic(2, 1410)


def test_what_cannot_be_unpacked_is_a_packet_without_a_frame() -> None:
    sealer, opener = Sealer(DEFAULT, KEY), Opener(DEFAULT, KEY, 9)
    opener.open_train(sealer.seal_train([b"not packed"]))
    assert opener.received == Traffic(1, 0)


def test_an_opener_that_was_never_used_has_counted_nothing() -> None:
    opener = Opener(DEFAULT, KEY)
    assert (opener.received, opener.heard) == (NOTHING, 0.0)


@COMPILED
@given(
    sizes=st.lists(st.integers(0, 1500), max_size=130),
    damage=st.sets(st.integers(0, 129)),
)
def test_both_implementations_count_the_same(
    sizes: list[int], damage: set[int]
) -> None:
    counted = []
    for half in (core, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "core", half)
            sealer, opener = Sealer(DEFAULT, KEY), Opener(DEFAULT, KEY)
            wire = sealer.seal_train([bytes(size) for size in sizes])
            wire = [
                data[:-1] + bytes([data[-1] ^ 1]) if index in damage else data
                for index, data in enumerate(wire)
            ]
            opener.open_train(wire + wire[:3])
            counted.append((sealer.sent, opener.received))
    assert counted[0] == counted[1]
    whole = [size for index, size in enumerate(sizes) if index not in damage]
    assert counted[0] == (
        Traffic(len(sizes), sum(sizes)),
        Traffic(len(whole), sum(whole)),
    )


# When a node was last heard.


def test_only_what_is_accepted_is_heard() -> None:
    world = neighbours("b")
    tunnel = world.tunnel(world.node("b"))
    peer = world.peers["b"]
    assert tunnel.last_packet is None
    wire = peer.seal(ipv4("10.0.2.1", "10.0.1.1"))
    world.from_udp(wire, peer.address)
    assert tunnel.last_packet == world.now
    before = world.now
    world.now += 10
    world.from_udp([*wire, bytes(100)], peer.address)
    assert tunnel.last_packet == before


def test_single_datagrams_are_noticed_at_once() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", None)
        here, there = make_tunnel("there"), make_tunnel("here")
        install(here, there.new_own_key(random.Random(1).randbytes))
        assert here.sealer is not None
        assert there.opener is not None
        pure = there.opener.pure
        assert pure is not None
        wire = here.sealer.seal_train([bytes(10), bytes(20)])
    assert pure.open(wire[0], 5.0) == bytes(10)
    assert there.received == Traffic(1, 10)
    assert there.last_packet == 5.0
    assert pure.open(wire[0], 8.0) is None
    assert there.last_packet == 5.0
    there.openers.tick(10.0)
    assert there.last_packet == 5.0
    there.openers.open_train(wire[1:], 12.0)
    there.openers.tick(15.0)
    assert there.last_packet == 12.0
    assert there.received == Traffic(2, 30)


@COMPILED
def test_the_compiled_pump_tells_when(lab: Lab) -> None:
    world = lab.world
    tunnel = world.tunnel(world.node("b"))
    for number in range(4):
        world.now += 1.5
        lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
        lab.receive()
        assert tunnel.last_packet == world.now
        assert tunnel.received.packets == number + 1
    # The last two have been moved by the pump alone.
    assert len(lab.written()) == 2
    heard = world.now
    world.now += 1.5
    lab.send_raw("b", bytes(100))
    lab.receive()
    assert tunnel.last_packet == heard
    world.tunnel(world.node("b")).expire()
    assert tunnel.last_packet == heard


@COMPILED
def test_what_the_compiled_pump_seals_is_counted(lab: Lab) -> None:
    world = lab.world
    tunnel = world.tunnel(world.node("b"))
    frames = [packet(number) for number in range(5)]
    for frame in frames:
        lab.give(frame)
        lab.out()
    assert tunnel.sent == Traffic(5, sum(map(len, frames)))


def test_what_is_passed_on_counts_for_the_next_hop() -> None:
    world = World()
    world.link("a", "b")
    world.link("b", "c")
    world.subnet("c", "10.0.3.0/24")
    world.node("c").via = world.node("b")
    world.ready("b")
    world.from_device(sized(200, "10.0.3.1"))
    assert world.tunnel(world.node("b")).sent == Traffic(1, 200)
