"""What the control plane does as time passes, and how its walks give way."""

from __future__ import annotations

from tests.daemon.fakes import ASKED, Remote, World
from tests.mesh.heard import Heard
from tests.transport.fakes import FakeLoop
from tincd_compat.control import effects as fx
from tincd_compat.control.contested import ECHO
from tincd_compat.control.edges import MAX_CONTRADICTIONS
from tincd_compat.daemon.control import (
    EFFECTS_AT_ONCE,
    MAX_PAUSES,
    PAUSE,
    new_nonce,
)
from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.slices import LATER
from tincd_compat.transport.backlog import CONGESTION
from tincd_compat.tunnel.tunnels import Tunnels


def test_old_keys_are_void_before_new_ones_are_sent(
    loop: FakeLoop, world: World, peer: Remote, other: Remote
) -> None:
    peer.say(peer.edge("peer", "far"), peer.edge("far", "peer"))
    other.take()
    world.take_log()
    assert world.control.tick(loop.now + world.settings.key_expire - 1) == 0
    assert world.take_log() == []
    world.control.tick(loop.now + world.settings.key_expire)
    assert world.take_log() == [
        "expire keys",
        "new key for other",
        "new key for peer",
    ]
    assert peer.take() == ["14 us", "16 us peer AB 427 672 4 0"]
    assert other.take() == ["14 us", "16 us other AB 427 672 4 0"]


def test_keys_can_be_expired_early(loop: FakeLoop, world: World, peer: Remote) -> None:
    world.control.expire_keys_now()
    world.control.tick(loop.now)
    assert world.take_log() == ["expire keys", "new key for peer"]


def test_a_node_of_our_name_makes_us_rest(
    loop: FakeLoop, world: World, peer: Remote
) -> None:
    for number in range(MAX_CONTRADICTIONS + 1):
        peer.say(f"12 {number:x} us far 10.0.0.4 655 c 1", f"13 {number:x} us peer")
    assert world.control.tick(loop.now) == 10
    assert world.control.tick(loop.now + 5) == 0


def test_edges_are_corrected_in_time_however_rare_ticks_are(loop: FakeLoop) -> None:
    world = World(loop, deferring=True)
    peer, other = world.connect("peer"), world.connect("other")
    loop.advance(10)
    peer.say("12 1 us peer 10.0.0.2 655 c 99")
    other.take()
    loop.advance(ECHO - 0.1)
    assert other.take() == []
    loop.advance(0.2)
    assert other.take() == ["12 us peer 10.0.0.2 655 c 11"]
    loop.advance(10)
    # Once is enough.
    assert other.take() == []


def test_tunnels_of_many_are_left_to_the_next_turn(world: World) -> None:
    nodes = [world.mesh.get_or_add(f"n{number}") for number in range(MANY + 1)]
    for node in nodes:
        world.tunnels.of(node)
    Tunnels.nodes_changed(world.tunnels, nodes)
    work = world.control._reset_tunnels()
    assert next(work) == LATER
    assert world.tunnels.outdated == len(nodes)
    assert [*work] == [None] * len(nodes)
    assert world.tunnels.outdated == 0


def test_what_a_tick_changes_of_the_graph_does_not_wait_for_links(
    world: World, other: Remote
) -> None:
    """The run comes at the first pause, not when all is told, and at the end."""
    size = EFFECTS_AT_ONCE + 1
    changes = [fx.GraphChanged(loss=True)] * size
    congest(other)
    steps = world.control._upkeep(changes)
    before = world.control.runs.count
    pauses = [next(steps) for _ in range(size)]
    assert pauses == [None] * EFFECTS_AT_ONCE + [PAUSE]
    next(steps)
    assert world.control.runs.count == before + 1
    list(steps)
    assert world.control.runs.count == before + 2


def test_nonces_have_31_bits() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) > 90
    assert all(0 <= nonce < 1 << 31 for nonce in nonces)


STATION = bytes.fromhex("020000000001")


def test_a_learned_address_is_announced_and_withdrawn(
    world: World, peer: Remote
) -> None:
    heard = Heard(world.mesh)
    world.control.learn_mac(STATION, 100)
    world.control.learn_mac(STATION, 200)
    assert heard.take() == ["subnet 2:0:0:0:0:1#10"]
    assert world.take_log() == ["subnet-up us 2:0:0:0:0:1 None"]
    world.control.tick(200 + world.settings.mac_expire - 1)
    assert heard.take() == []
    world.control.tick(200 + world.settings.mac_expire)
    assert heard.take() == ["subnet 2:0:0:0:0:1#10"]
    assert world.take_log() == ["subnet-down us 2:0:0:0:0:1 None"]
    assert peer.take() == ["10 us 2:0:0:0:0:1#10", "11 us 2:0:0:0:0:1#10"]


def test_a_learned_address_is_withdrawn_when_it_is_heard_elsewhere(
    world: World, peer: Remote
) -> None:
    world.control.learn_mac(STATION, 100)
    world.control.heard_elsewhere(STATION, 101)
    assert peer.take() == ["10 us 2:0:0:0:0:1#10"]
    world.control.heard_elsewhere(STATION, 110)
    assert peer.take() == ["11 us 2:0:0:0:0:1#10"]


# Walks through tables.


def congest(remote: Remote) -> None:
    """Let a neighbour take nothing any more, with much still to take."""
    remote.sock.room = 0
    while remote.link.backlog.queued <= CONGESTION:
        remote.link.send_line(bytes(1000))
    remote.world.loop.settle()


def test_a_walk_is_no_faster_than_the_links(
    loop: FakeLoop, world: World, peer: Remote, other: Remote
) -> None:
    size = 2 * EFFECTS_AT_ONCE
    peer.say(*(f"10 {n:x} ghost 10.{n}.0.0/16" for n in range(size)))
    other.take()
    congest(other)
    steps = world.control.walk(world.control.gossip.purge)
    assert [next(steps) for _ in range(EFFECTS_AT_ONCE)] == [None] * EFFECTS_AT_ONCE
    assert next(steps) == next(steps) == PAUSE
    assert len(world.mesh.subnets) == size - EFFECTS_AT_ONCE
    other.sock.room = 2 * CONGESTION
    loop.writable(other.sock.descriptor)
    assert list(steps) == [None] * (EFFECTS_AT_ONCE + 1)
    assert len(world.mesh.subnets) == 0


def test_a_walk_does_not_wait_for_ever(
    world: World, peer: Remote, other: Remote
) -> None:
    peer.say(*(f"10 {n:x} ghost 10.{n}.0.0/16" for n in range(EFFECTS_AT_ONCE)))
    congest(other)
    steps = list(world.control.walk(world.control.gossip.purge))
    assert steps.count(PAUSE) == MAX_PAUSES
    assert len(world.mesh.subnets) == 0


def test_a_node_that_comes_back_during_a_purge_keeps_what_is_left(
    world: World, peer: Remote
) -> None:
    peer.say("10 1 far 10.4.0.0/24", "10 2 far 10.5.0.0/24", peer.edge("far", "peer"))
    steps = world.control.walk(world.control.gossip.purge)
    next(steps)
    peer.say(peer.edge("peer", "far"))
    list(steps)
    assert world.edges() >= {"far-peer", "peer-far"}
    assert [str(each) for each in world.mesh.subnets.of(world["far"])] == [
        "10.5.0.0/24#10"
    ]


def test_the_last_loss_is_drawn_with_the_opposite_edge(
    world: World, peer: Remote
) -> None:
    """As tincd's dump shows it: nobody can be visited from a node out of reach."""
    world.links.terminate(peer.link, ASKED, report=True)
    assert not world.mesh.myself.visited
