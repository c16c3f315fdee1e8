"""Meta connections on which too much happens: none holds up the loop, nor another."""

from __future__ import annotations

import logging

import pytest

from tests.daemon.fakes import Remote, World, link_of
from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.daemon.link import Link
from tincd_compat.mesh import reach
from tincd_compat.meta.connection import MetaConnection
from tincd_compat.meta.messages import KeyChanged, Message
from tincd_compat.transport.turns import TURN

#: Seconds for a message, as on a slow machine.
COST = 0.0005
#: Lines that a peer says in one piece, so many as fit into one read.
MUCH = 5000


@pytest.fixture
def busy(world: World, peer: Remote, other: Remote) -> World:
    """A world with two neighbours in which every message takes its time."""
    handle = world.control.handle

    def slowly(link: Link, message: Message, line: bytes) -> None:
        world.loop.now += COST
        handle(link, message, line)

    world.control.handle = slowly  # type: ignore[method-assign]
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.ERROR)
    world.loop.settle()
    world.loop.longest_turn = 0.0
    return world


def arrive(remote: Remote, *lines: str) -> None:
    """Let lines come that are not read yet."""
    remote.sock.incoming.append(remote.raw(*lines))
    remote.world.loop.call_soon(remote.world.loop.readers[remote.sock.descriptor])


def flood(remote: Remote) -> None:
    arrive(remote, *[f"15 {remote.name} us"] * MUCH)


def test_no_turn_is_long_however_many_say_how_much(
    busy: World, peer: Remote, other: Remote
) -> None:
    flood(peer)
    flood(other)
    busy.loop.settle()
    assert busy.log.count("new key for peer") == MUCH
    assert busy.log.count("new key for other") == MUCH
    assert busy.loop.longest_turn < 0.02


def test_a_neighbour_is_answered_while_another_floods(
    busy: World, peer: Remote, other: Remote
) -> None:
    flood(peer)
    started = busy.loop.now
    busy.loop.call_soon(arrive, other, "8")
    while not other.sock.sent:
        busy.loop.call_soon(busy.loop.stop)
        busy.loop.run_forever()
    assert busy.loop.now - started < 0.02
    busy.loop.settle()


def test_a_pong_that_waits_for_us_counts(
    busy: World, peer: Remote, other: Remote
) -> None:
    loop = busy.loop
    loop.advance(60)
    loop.settle()
    other.pump()
    arrive(peer, *["15 peer us"] * 100, "9")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.now += 5
    assert link_of(busy, "peer").connection.pinged
    assert link_of(busy, "peer").active
    loop.settle()
    assert not link_of(busy, "peer").connection.pinged


def test_whom_we_have_heard_out_is_given_up(busy: World, peer: Remote) -> None:
    loop = busy.loop
    loop.advance(60)
    flood(peer)
    loop.settle()
    link = link_of(busy, "peer")
    loop.advance(5)
    assert link.ended.is_set()


def test_the_graph_runs_once_for_a_turn_of_all(
    busy: World, peer: Remote, other: Remote, loop: FakeLoop
) -> None:
    runs = busy.control.runs.count
    # Those that come first are handled at once; the budget is used up by then.
    flood(peer)
    arrive(peer, peer.edge("peer", "far"))
    arrive(other, other.edge("other", "far"))
    loop.settle()
    assert busy.control.runs.count - runs <= 2


def test_timers_of_many_take_several_turns(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle_timer = MetaConnection.handle_timer

    def slowly(self: MetaConnection, now: float, *, unheard: bool = False) -> None:
        busy.loop.now += 0.006
        handle_timer(self, now, unheard=unheard)

    strangers = [busy.call_in("far") for _ in range(5)]
    monkeypatch.setattr(MetaConnection, "handle_timer", slowly)
    busy.loop.advance(5)
    assert all(stranger.link.ended.is_set() for stranger in strangers)
    assert busy.loop.longest_turn < 0.02


def test_who_is_cut_off_and_becomes_a_neighbour_in_one_turn_loses_its_keys(
    world: World, peer: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where only a run of the graph finds out who is cut off."""
    monkeypatch.setattr(reach, "MAX_STEPS", 0)
    for source, target in ("peer", "other"), ("other", "far"):
        peer.say(peer.edge(source, target), peer.edge(target, source))
    peer.say(peer.edge("far", "us"))
    far = world.call_in("far")
    last = far.shake_to_ack()
    world.take_log()
    handle = world.control.handle

    def slowly(link: Link, message: Message, line: bytes) -> None:
        handle(link, message, line)
        if isinstance(message, KeyChanged):
            world.loop.now += 2 * TURN

    world.control.handle = slowly  # type: ignore[method-assign]
    reads = [world.loop.readers[each.sock.descriptor] for each in (peer, peer, far)]
    for remote, data in (peer, peer.raw("14 aa peer")), (far, last):
        remote.sock.incoming.append(data)
    peer.sock.incoming.append(peer.raw("13 aa peer other"))
    # What comes after the first message waits for the next turn.
    for read in reads:
        world.loop.call_soon(read)
    world.loop.settle()
    log = [line for line in world.take_log() if line.startswith("far ")]
    assert log == ["far down", "far up"]
