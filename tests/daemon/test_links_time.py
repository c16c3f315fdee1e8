"""Meta connections on which too little happens: each has its time."""

from __future__ import annotations

import pytest

from tests.daemon.fakes import Remote, World, link_of
from tests.daemon.logged import shown
from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.daemon import links


def test_a_silent_stranger(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = world.call_in("other")
    loop.advance(4)
    world.links.check(loop.now)
    assert not stranger.link.ended.is_set()
    loop.advance(1)
    caplog.clear()
    world.links.check(loop.now)
    assert shown(caplog, logs.connections) == [
        "Timeout from <unknown> (10.0.0.3 port 40000) during authentication",
        "Closing connection with <unknown> (10.0.0.3 port 40000)",
    ]


def test_a_sign_of_life(
    loop: FakeLoop, world: World, peer: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    loop.advance(60)
    world.links.check(loop.now)
    assert link_of(world, "peer").connection.pinged
    assert peer.take() == ["8"]
    assert not link_of(world, "peer").connection.pinged
    assert link_of(world, "peer").proven
    loop.advance(60)
    world.links.check(loop.now)
    loop.advance(5)
    caplog.clear()
    world.links.check(loop.now)
    assert shown(caplog, logs.connections)[0] == (
        "peer (10.0.0.2 port 40000) didn't respond to PING in 5 seconds"
    )
    assert world.links.active() == []


def test_a_sign_of_life_resets_the_back_off(world: World) -> None:
    peer, outgoing = world.dial("peer")
    peer.shake_hands()
    outgoing.timeout = 35
    peer.say("12 1 peer us 10.0.0.1 655 c 10")
    assert (outgoing.timeout, peer.link.proven) == (35, False)
    peer.say("9")
    assert (outgoing.timeout, peer.link.proven) == (0, True)


def test_everybody_is_asked_at_once(
    loop: FakeLoop, world: World, peer: Remote, other: Remote
) -> None:
    stranger = world.call_in("far")
    loop.advance(7)
    world.links.ping_all()
    for link in world.links.active():
        # A network that has just come back shows soon who is gone.
        assert link.connection.pinged
        assert link.connection.last_ping_time == loop.now
    assert peer.take() == other.take() == ["8"]
    assert not stranger.sock.sent


def test_a_peer_that_does_not_read(
    loop: FakeLoop, world: World, peer: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    peer.sock.room = 0
    link = link_of(world, "peer")
    link.send_line(b"9")
    for _ in range(2):
        loop.settle()
        world.links.check(loop.now)
        assert link.active
        loop.advance(2.5)
    caplog.clear()
    world.links.check(loop.now)
    assert shown(caplog, logs.connections)[0] == (
        "peer (10.0.0.2 port 40000) could not flush for 5 seconds (2 bytes remaining)"
    )
    assert link.ended.is_set()


def test_a_peer_that_reads_too_little(
    loop: FakeLoop, world: World, peer: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "OUTPUT_LIMIT", 1000)
    peer.sock.room = 10
    link = link_of(world, "peer")
    for _ in range(100):
        link.send_line(b"15 some thing")
    loop.settle()
    world.links.check(loop.now)
    assert link.ended.is_set()
