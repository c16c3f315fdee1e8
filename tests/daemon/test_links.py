"""Meta connections from the first byte to the last."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable

import pytest

from tests.daemon.fakes import PLACES, Remote, World, link_of
from tests.transport.fakes import FakeLoop, oserror
from tincd_compat import logs
from tincd_compat.config.hosts import HostSettings
from tincd_compat.daemon import links
from tincd_compat.daemon.link import Link
from tincd_compat.meta.connection import Status
from tincd_compat.meta.messages import Message
from tincd_compat.options import CLAMP_MSS, INDIRECT, PMTU_DISCOVERY
from tincd_compat.transport.tcp import TARPIT_SLOTS


@pytest.fixture
def world(loop: FakeLoop) -> World:
    return World(loop)


@pytest.fixture
def peer(world: World) -> Remote:
    return world.connect("peer")


@pytest.fixture
def other(world: World, peer: Remote) -> Remote:
    other = world.connect("other")
    peer.take()
    return other


def shown(caplog: pytest.LogCaptureFixture, logger: logging.Logger) -> list[str]:
    """Take the lines of one logger, without the debug ones."""
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name == logger.name and record.levelno > logging.DEBUG
    ]
    caplog.clear()
    return lines


# Coming up.


def test_somebody_calls(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    assert peer.take() == []
    assert not peer.sock.sent
    assert world.links.link_to("peer") is None
    peer.shake_hands()
    assert shown(caplog, logs.connections) == [
        "Connection from 10.0.0.2 port 40000",
        "Connection with peer (10.0.0.2 port 40000) activated",
    ]
    link = link_of(world, "peer")
    assert world.links.of(world["peer"]) is link
    assert world.links.active() == [link]
    assert (link.outgoing, link.proven) == (None, False)


def test_we_call(world: World) -> None:
    peer, outgoing = world.dial("peer")
    peer.shake_hands()
    link = link_of(world, "peer")
    assert link.outgoing is outgoing
    assert link.connection.hostname == "10.0.0.2 port 655"


def test_the_announced_port_is_in_the_ack(world: World) -> None:
    world.links.announce_port("7777")
    peer = world.call_in("peer")
    peer.shake_hands()
    peer.announce("peer", "us")
    assert peer.connection.active


def test_weights_count_from_before_the_look_up(loop: FakeLoop, world: World) -> None:
    world.files.hosts["peer"] = HostSettings()
    loop.advance(3)
    peer, _ = world.dial("peer", started=loop.now - 3)
    peer.shake_hands()
    (edge,) = world.mesh.myself.edges.values()
    assert edge.weight == (3000 + 10) // 2


def test_a_slow_look_up_leaves_time_for_the_handshake(
    loop: FakeLoop, world: World
) -> None:
    loop.advance(30)
    peer, _ = world.dial("peer", started=loop.now - 30)
    world.links.check(loop.now)
    peer.shake_hands()
    assert link_of(world, "peer").active


@pytest.mark.parametrize(
    ("ours", "theirs", "clamp", "expected"),
    [
        (0xC, 0xC, None, 0xC),
        (CLAMP_MSS, 0xC, None, CLAMP_MSS),
        (0xC, CLAMP_MSS, None, CLAMP_MSS),
        (0xC, 0xC | INDIRECT, None, 0xC | INDIRECT),
        (0xC, 0x700000C, None, 0x700000C),
        (PMTU_DISCOVERY, PMTU_DISCOVERY, True, 0xC),
        (0xC, 0xC, False, PMTU_DISCOVERY),
    ],
)
def test_options_of_a_link(
    loop: FakeLoop, ours: int, theirs: int, clamp: bool | None, expected: int
) -> None:
    world = World(
        loop,
        pmtu_discovery=bool(ours & PMTU_DISCOVERY),
        clamp_mss=bool(ours & CLAMP_MSS),
    )
    world.files.hosts["peer"] = HostSettings(weight=10, clamp_mss=clamp)
    peer = world.call_in("peer", options=theirs)
    peer.shake_hands()
    assert link_of(world, "peer").connection.options == expected
    (edge,) = world.mesh.myself.edges.values()
    assert edge.options == expected


@pytest.mark.parametrize(
    ("own", "host", "expected"),
    [
        (None, None, []),
        (1400, None, ["peer mtu 1400"]),
        (None, 1300, ["peer mtu 1300"]),
        (1400, 1300, ["peer mtu 1400", "peer mtu 1300"]),
    ],
)
def test_limits_of_the_path_mtu(
    loop: FakeLoop, own: int | None, host: int | None, expected: list[str]
) -> None:
    world = World(loop, pmtu=own)
    world.files.hosts["peer"] = HostSettings(pmtu=host)
    world.call_in("peer").shake_hands()
    assert sorted(world.take_log()) == sorted(expected)


def test_the_newer_of_two_connections_stays(
    world: World, peer: Remote, other: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    old = link_of(world, "peer")
    caplog.clear()
    again = world.call_in("peer")
    again.shake_hands()
    assert shown(caplog, logs.connections)[1:] == [
        "Closing connection with peer (10.0.0.2 port 40000)",
        "Connection with peer (10.0.0.2 port 40000) activated",
    ]
    assert peer.sock.closed
    assert old.ended.is_set()
    assert link_of(world, "peer") is again.link
    assert len(world.links.active()) == 2
    # Nobody is told that the old edge went, and the reverse edge is known already.
    assert other.take() == ["12 us peer 10.0.0.2 655 c 10"]
    assert world.take_log() == [
        "peer down",
        "host-down peer 10.0.0.2 port 655",
        "peer up",
        "host-up peer 10.0.0.2 port 655",
        "new key for peer",
    ]


# The private key.


def test_packets_move_while_a_block_is_decrypted(loop: FakeLoop, world: World) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    assert len(loop.work) == 1
    assert not peer.connection.active
    peer.pump()
    assert peer.connection.active


@pytest.mark.parametrize("late", ["closed", "cancelled"])
def test_a_link_that_ends_meanwhile(loop: FakeLoop, world: World, late: str) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    if late == "closed":
        world.links.terminate(peer.link, report=False)
        peer.sock.sent.clear()
        loop.finish_work()
    else:
        loop.work[0][0].cancel()
        loop.settle()
    assert peer.sock.sent == b""


def test_a_block_that_the_key_refuses(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    loop.fail_work(ValueError("the block is not smaller than the modulus"))
    assert shown(caplog, logs.always)[-1] == (
        "Error while processing METAKEY from peer (10.0.0.2 port 40000)"
    )
    assert peer.link.ended.is_set()
    assert len(world.tarpit) == 1


def test_a_broken_key_is_our_fault(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    loop.fail_work(ArithmeticError("the RSA operation gave a wrong result"))
    assert shown(caplog, logs.always) == [
        "Internal error, giving up peer (10.0.0.2 port 40000): ArithmeticError: "
        "the RSA operation gave a wrong result"
    ]
    assert peer.link.ended.is_set()


# The end.


def lose_by_eof(remote: Remote) -> None:
    remote.hang_up()


def lose_by_nonsense(remote: Remote) -> None:
    remote.sock.incoming.append(b"nonsense\n" * 300)
    remote.world.loop.readable(remote.sock.descriptor)


def lose_by_reset(remote: Remote) -> None:
    remote.sock.incoming.append(oserror(104))
    remote.world.loop.readable(remote.sock.descriptor)


def lose_by_silence(remote: Remote) -> None:
    loop, links = remote.world.loop, remote.world.links
    for _ in range(2):
        loop.advance(60)
        links.check(loop.now)


WAYS_TO_GO = [lose_by_eof, lose_by_nonsense, lose_by_reset, lose_by_silence]


@pytest.mark.parametrize("lose", WAYS_TO_GO)
def test_active_links_are_closed_and_reported(
    world: World, peer: Remote, lose: Callable[[Remote], None]
) -> None:
    other = world.connect("other")
    link = link_of(world, "peer")
    lose(peer)
    assert (peer.sock.closed, len(world.tarpit)) == (True, 0)
    assert link.ended.is_set()
    assert world.links.link_to("peer") is None
    if lose is not lose_by_silence:
        assert other.take()[-2:] == ["13 us peer", "13 peer us"]


@pytest.mark.parametrize("lose", WAYS_TO_GO)
def test_strangers_are_left_in_silence(
    world: World, peer: Remote, lose: Callable[[Remote], None]
) -> None:
    stranger = world.call_in("other")
    lose(stranger)
    assert (stranger.sock.closed, len(world.tarpit)) == (False, 1)
    assert stranger.link.ended.is_set()
    assert stranger.link not in list(world.links)
    assert stranger.sock.descriptor not in world.loop.readers


def test_the_tarpit_is_bounded(world: World) -> None:
    strangers = [world.call_in("other") for _ in range(TARPIT_SLOTS + 1)]
    for stranger in strangers:
        stranger.hang_up()
    assert [stranger.sock.closed for stranger in strangers] == [
        True,
        *[False] * TARPIT_SLOTS,
    ]


def test_callers_in_the_handshake_are_bounded(
    world: World, peer: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_STRANGERS", 3)
    dialled, _ = world.dial("far")
    strangers = [world.call_in("other") for _ in range(4)]
    assert [stranger.link.ended.is_set() for stranger in strangers] == [
        *(True, False, False, False)
    ]
    assert not dialled.link.ended.is_set()
    assert not peer.link.ended.is_set()


def test_ending_twice_is_ending_once(world: World, peer: Remote) -> None:
    world.connect("other")
    link = link_of(world, "peer")
    world.links.terminate(link, report=True)
    log = world.take_log()
    world.links.terminate(link, report=True)
    assert (len(log), world.take_log()) == (2, [])


def test_the_last_link_that_goes_cleans_up(world: World, peer: Remote) -> None:
    peer.hang_up()
    assert set(world.mesh.nodes) == {"us"}


def test_closing_tells_nobody(world: World, peer: Remote, other: Remote) -> None:
    stranger = world.call_in("far")
    world.links.close()
    assert peer.sock.closed
    assert other.sock.closed
    assert stranger.sock.closed
    assert not peer.sock.sent
    assert [line for line in world.take_log() if "host-" in line] == [
        "host-down peer 10.0.0.2 port 655",
        "host-down other 10.0.0.3 port 655",
    ]
    assert list(world.links) == []


def test_nothing_is_left_of_a_link(world: World) -> None:
    # Captured log records would hold it.
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.CRITICAL)
    peer = world.connect("peer")
    world.connect("other")
    link = weakref.ref(peer.link)
    gc.disable()
    try:
        peer.hang_up()
        del peer
        assert link() is None
    finally:
        gc.enable()


# Time.


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


# What comes over a link.


def test_packets(world: World, peer: Remote) -> None:
    peer.connection.send_packet(b"frame")
    peer.pump()
    assert world.packets == [(b"frame", "peer")]


def test_an_error_of_ours_costs_one_link(
    world: World,
    peer: Remote,
    other: Remote,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handle(link: Link, message: Message, line: bytes) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(world.control, "handle", handle)
    caplog.clear()
    peer.sock.incoming.append(peer.raw("14 ab peer"))
    world.loop.readable(peer.sock.descriptor)
    assert shown(caplog, logs.always) == [
        "Internal error, giving up peer (10.0.0.2 port 40000): ZeroDivisionError: oops"
    ]
    assert peer.sock.closed
    assert link_of(world, "other").active


def test_an_error_of_ours_in_a_check(
    loop: FakeLoop,
    world: World,
    peer: Remote,
    other: Remote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(*_: object) -> None:
        raise ZeroDivisionError("oops")

    link = link_of(world, "peer")
    monkeypatch.setattr(link.connection, "check", check)
    loop.advance(60)
    world.links.check(loop.now)
    assert link.ended.is_set()
    assert link_of(world, "other").connection.pinged


# Reload.


def test_a_reload_keeps_what_is_unchanged(world: World, peer: Remote) -> None:
    dialled, outgoing = world.dial("other")
    dialled.shake_hands()
    world.links.recheck_hosts()
    assert len(world.links.active()) == 2
    assert dialled.link.outgoing is None
    assert outgoing.name == "other"


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_a_reload_ends_what_changed(
    world: World, peer: Remote, other: Remote, change: str
) -> None:
    if change == "changed":
        world.files.hosts["peer"] = HostSettings(weight=11)
    else:
        del world.files.hosts["peer"]
    world.links.recheck_hosts()
    assert peer.sock.closed
    assert link_of(world, "other").active
    assert other.take() == ["13 us peer", "13 peer us"]


def test_a_reload_ends_who_has_not_said_a_name(world: World, peer: Remote) -> None:
    stranger = world.call_in("other")
    dialled, _ = world.dial("far")
    world.links.recheck_hosts()
    assert stranger.link.ended.is_set()
    assert dialled.link.ended.is_set()
    assert not peer.sock.closed


def test_without_security_no_file_is_read(loop: FakeLoop) -> None:
    world = World(loop, bypass_security=True)
    world.files.hosts.clear()
    peer = world.connect("peer")
    assert world.files.reads == []
    assert peer.link.connection.status_word() == Status.ACTIVE


# For the dialer.


def test_what_the_dialer_asks(world: World) -> None:
    assert world.links.read_host("peer").weight == 10
    assert world.links.source_for(PLACES["peer"]) is None
    world.links.listening = [PLACES["us"]]
    assert world.links.source_for(PLACES["peer"]) == PLACES["us"]
