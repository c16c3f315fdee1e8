"""Meta connections on which too little happens: each has its time."""

from __future__ import annotations

import pytest

from tests.daemon.fakes import Remote, World, link_of
from tests.daemon.logged import shown
from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.transport import backlog


def test_a_silent_stranger(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = world.call_in("other")
    loop.advance(4.99)
    assert not stranger.link.ended.is_set()
    caplog.clear()
    loop.advance(0.01)
    assert shown(caplog, logs.connections) == [
        "Timeout from <unknown> (10.0.0.3 port 40000) during authentication",
        "Closing connection with <unknown> (10.0.0.3 port 40000)",
    ]


def test_a_sign_of_life(
    loop: FakeLoop, world: World, peer: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    loop.advance(60)
    assert link_of(world, "peer").connection.pinged
    assert peer.take() == ["8"]
    assert not link_of(world, "peer").connection.pinged
    assert link_of(world, "peer").proven
    loop.advance(60)
    caplog.clear()
    loop.advance(5)
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
    loop.advance(3)
    world.links.ping_all()
    for link in world.links.active():
        # A network that has just come back shows soon who is gone.
        assert link.connection.pinged
        assert link.connection.next_timer() == loop.now + 5
    assert peer.take() == other.take() == ["8"]
    assert not stranger.sock.sent


def test_a_peer_that_does_not_read(
    loop: FakeLoop, world: World, peer: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    peer.sock.room = 0
    link = link_of(world, "peer")
    link.send_line(b"9")
    loop.advance(4.99)
    assert link.active
    caplog.clear()
    loop.advance(0.01)
    assert shown(caplog, logs.connections)[0] == (
        "peer (10.0.0.2 port 40000) could not flush for 5 seconds (2 bytes remaining)"
    )
    assert link.ended.is_set()


def test_a_peer_that_reads_too_little(
    loop: FakeLoop,
    world: World,
    peer: Remote,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(backlog, "MOST_QUEUED", 1000)
    peer.sock.room = 10
    link = link_of(world, "peer")
    for _ in range(100):
        link.send_line(b"15 some thing")
    caplog.clear()
    loop.settle()
    assert link.ended.is_set()
    # Nobody has waited for the next check, and whoever looks after us sees it.
    text = "could not flush for 0 seconds (1390 bytes remaining)"
    assert shown(caplog, logs.always) == [f"peer (10.0.0.2 port 40000) {text}"]


def test_a_peer_that_reads_slowly(loop: FakeLoop, world: World, peer: Remote) -> None:
    link = link_of(world, "peer")
    peer.sock.room = 0
    for _ in range(10):
        link.send_line(b"15 some thing")
    for _ in range(10):
        loop.advance(4)
        peer.sock.room = 1
        loop.writable(peer.sock.descriptor)
    assert link.active
    assert link.backlog.queued


def test_who_joins_a_large_mesh_is_not_given_up(
    loop: FakeLoop,
    world: World,
    other: Remote,
    peer: Remote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is told of it is made as the socket takes it, and does not wait."""
    count = 2000
    peer.say(*[f"10 {n:x} peer 10.{n >> 8}.{n & 255}.0/24" for n in range(count)])
    monkeypatch.setattr(backlog, "MOST_QUEUED", 20_000)
    newcomer = world.call_in("far")
    newcomer.sock.room = 1 << 30
    newcomer.shake_to_decryption()
    newcomer.sock.room = 2000
    newcomer.pump()
    while newcomer.link.backlog.queued:
        assert newcomer.link.active
        assert newcomer.link.backlog.queued < 20_000
        newcomer.sock.room = 2000
        loop.writable(newcomer.sock.descriptor)
        newcomer.pump()
    heard = newcomer.take()
    assert len([line for line in heard if line.startswith("10 peer")]) == count
    # Our edge to it comes last, and nothing of the dump behind it.
    assert heard[-1] == "12 us far 10.0.0.4 655 c 10"
