"""Ticks and what is shown of a connection."""

from __future__ import annotations

import inspect
import logging
import math

import pytest

from tests.meta.scripted import (
    HOSTNAME,
    OUR_KEY,
    PEER,
    ScriptedPeer,
    active,
    connection,
    hear,
)
from tincd_compat import logs
from tincd_compat.meta.connection import (
    ConnectionLost,
    MetaConnection,
    Role,
)
from tincd_compat.meta.events import UnknownRequest
from tincd_compat.meta.messages import Ping, Request
from tincd_compat.meta.steps import State


def timeout(subject: MetaConnection, now: float) -> tuple[str, int]:
    with pytest.raises(ConnectionLost) as caught:
        subject.handle_timer(now)
    assert caught.value.logger is logs.connections
    return caught.value.text(subject.peer), caught.value.severity


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", ScriptedPeer.ORDER[:-1])
def test_the_handshake_has_to_finish_in_time(role: Role, state: State) -> None:
    peer = ScriptedPeer(role).reach(state)
    # Who waits for our private key cannot be quicker than that, but not for ever.
    limit = 10.0 if state is State.DECRYPTION else 5.0
    peer.subject.handle_timer(limit - 0.1)
    line = f"Timeout from {peer.subject.peer} during authentication"
    assert timeout(peer.subject, limit) == (line, logging.WARNING)


@pytest.mark.parametrize("role", Role)
def test_the_time_that_our_key_takes_is_not_the_peer_s(role: Role) -> None:
    peer = ScriptedPeer(role).reach(State.METAKEY)
    peer.say(peer.metakey(), 2.0)
    peer.subject.handle_timer(9.0)
    peer.answer(9.0)
    peer.subject.handle_timer(11.9)
    line = f"Timeout from {peer.subject.peer} during authentication"
    assert timeout(peer.subject, 12.0) == (line, logging.WARNING)


def test_single_bytes_do_not_buy_time() -> None:
    subject = connection(Role.RESPONDER)
    for second in range(5):
        hear(subject, b"0", float(second))
    line = f"Timeout from <unknown> ({HOSTNAME}) during authentication"
    assert timeout(subject, 5.0) == (line, logging.WARNING)


def test_ping_and_pong_in_their_time() -> None:
    peer = active()
    for now in (5.0, 30.0, 59.9):
        peer.subject.handle_timer(now)
    assert peer.subject.data_to_send() == b""
    peer.subject.handle_timer(60.0)
    assert peer.subject.pinged
    # Anything else is no sign of life.
    peer.say(b"14 1 peer", 61.0)
    assert peer.heard == [b"8"]
    peer.subject.handle_timer(64.9)
    peer.say(b"9", 64.9)
    peer.subject.handle_timer(65.0)
    peer.subject.handle_timer(120.0)
    line = f"{PEER} didn't respond to PING in 5 seconds"
    peer.subject.handle_timer(124.0)
    assert timeout(peer.subject, 125.0) == (line, logging.INFO)


def test_the_round_trip_of_a_ping() -> None:
    peer = active()
    times = peer.subject.round_trip
    peer.subject.handle_timer(60.0)
    assert times.last is None
    peer.say(b"9", 60.25)
    assert times.smoothed == 0.25
    assert times.last == 0.25
    # A PONG that nobody has asked for is none.
    peer.say(b"9", 61.0)
    peer.subject.ping(100.0)
    peer.say(b"9", 100.5)
    assert times.last == 0.5
    assert times.smoothed == pytest.approx(0.25 + 0.25 / 8)


def test_a_pong_that_may_answer_either_ping_has_no_time() -> None:
    peer = active()
    times = peer.subject.round_trip
    peer.subject.ping(100.0)
    peer.subject.ping(101.0)
    peer.say(b"9", 101.1)
    peer.say(b"9", 101.2)
    assert times.last is None
    peer.subject.ping(200.0)
    peer.say(b"9", 200.1)
    assert times.last == pytest.approx(0.1)


def test_what_is_sent_is_counted() -> None:
    peer = active()
    peer.say(b"8")
    peer.subject.send_line(b"15 other peer", Request.REQ_KEY)
    peer.subject.send_packets([bytes(60)])
    peer.subject.send_packets([bytes(60), bytes(61)])
    peer.subject.send_dump(iter([Ping(), Ping()]))
    before = peer.subject.bytes_sent
    data = peer.subject.data_to_send()
    assert peer.subject.bytes_sent == before + len(data)
    sent = peer.subject.sent
    assert {request: count for request, count in sent.items() if request > 4} == {
        Request.PONG: 1,
        Request.REQ_KEY: 1,
        Request.PACKET: 3,
        Request.PING: 2,
    }
    assert sent[Request.ACK] == 1
    before = peer.subject.bytes_received
    peer.subject.receive_data(b"1234")
    assert peer.subject.bytes_received == before + 4


def test_who_may_be_unheard_is_not_given_up() -> None:
    peer = active()
    peer.subject.handle_timer(60.0, unheard=True)
    assert peer.subject.pinged
    peer.subject.handle_timer(65.0, unheard=True)
    line = f"{PEER} didn't respond to PING in 6 seconds"
    assert timeout(peer.subject, 66.0) == (line, logging.INFO)
    stranger = ScriptedPeer(Role.RESPONDER).reach(State.CHALLENGE)
    stranger.subject.handle_timer(9.0, unheard=True)


@pytest.mark.parametrize("role", Role)
def test_the_timer_says_when_something_is_to_be_done(role: Role) -> None:
    assert connection(role).next_timer() == 5.0
    peer = ScriptedPeer(role).reach(State.DECRYPTION)
    assert peer.subject.next_timer() == 10.0
    peer = ScriptedPeer(role).reach(State.ACTIVE)
    assert peer.subject.next_timer() == 60.0
    peer.subject.handle_timer(59.9)
    assert not peer.subject.pinged
    peer.subject.handle_timer(60.5)
    assert peer.subject.next_timer() == 65.5
    peer.say(b"9")
    assert peer.subject.next_timer() == 120.5
    peer.subject.ping(100.0)
    timeout(peer.subject, 105.0)
    assert peer.subject.next_timer() == math.inf


def test_a_link_may_be_older_than_its_handshake() -> None:
    assert connection(Role.INITIATOR, now=7.0).next_timer() == 12.0


def test_nobody_else_writes_an_attribute() -> None:
    subject = active().subject
    assert [name for name in vars(subject) if not name.startswith("_")] == []
    properties = inspect.getmembers(
        MetaConnection, lambda member: isinstance(member, property)
    )
    assert [name for name, member in properties if member.fset is not None] == []


# What is shown.


def test_status_word() -> None:
    peer = ScriptedPeer(Role.RESPONDER)
    assert peer.subject.status_word() == 0
    assert (
        ScriptedPeer(Role.RESPONDER).reach(State.METAKEY).subject.status_word() == 0x40
    )
    peer.reach(State.ACTIVE)
    assert peer.subject.status_word() == 0xC2
    peer.subject.ping(0.0)
    assert f"{peer.subject.status_word():04x}" == "00c3"
    assert connection(Role.INITIATOR, proxied=True).status_word() == 0x200


def test_the_name() -> None:
    peer = ScriptedPeer(Role.RESPONDER)
    assert peer.subject.peer == f"<unknown> ({HOSTNAME})"
    assert connection(Role.INITIATOR).peer == PEER
    peer.reach(State.ACTIVE)
    assert peer.subject.peer == PEER


def test_log_lines_at_debug_level_3(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logs.meta.name)
    caplog.set_level(logging.DEBUG, logs.protocol.name)
    peer = ScriptedPeer(Role.RESPONDER).reach(State.ACTIVE)
    peer.say(b"8")
    assert caplog.messages == [
        f"Got ID from <unknown> ({HOSTNAME})",
        f"Sending ID to {PEER}",
        f"Sending METAKEY to {PEER}",
        f"Got METAKEY from {PEER}",
        f"Sending CHALLENGE to {PEER}",
        f"Got CHALLENGE from {PEER}",
        f"Got CHAL_REPLY from {PEER}",
        f"Sending CHAL_REPLY to {PEER}",
        f"Sending ACK to {PEER}",
        f"Got ACK from {PEER}",
        f"Got PING from {PEER}",
        f"Sending PONG to {PEER}",
    ]
    assert {record.name for record in caplog.records} == {logs.protocol.name}
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_log_lines_at_debug_level_4(caplog: pytest.LogCaptureFixture) -> None:
    peer = active()
    caplog.set_level(logging.DEBUG)
    peer.say(b"8 \x1b[31m\xff")
    peer.subject.send_line(b"14 1 other")
    peer.subject.send_line(b"15 other peer", Request.REQ_KEY)
    peer.subject.send_packets([bytes(60)])
    assert caplog.messages == [
        rf"Got PING from {PEER}: 8 \x1b[31m\xff",
        f"Sending PONG to {PEER}: 9",
        f"Sending 2 bytes of metadata to {PEER}",
        f"Flushing 2 bytes to {PEER}",
        f"Sending 11 bytes of metadata to {PEER}",
        f"Sending REQ_KEY to {PEER}: 15 other peer",
        f"Sending 14 bytes of metadata to {PEER}",
        f"Sending PACKET to {PEER}: 17 60",
        f"Sending 66 bytes of metadata to {PEER}",
    ]
    with pytest.raises(UnknownRequest) as caught:
        peer.say(b"99 \x1b")
    assert caught.value.text(PEER) == rf"Unknown request from {PEER}: 99 \x1b"
    assert (caught.value.logger, caught.value.severity) == (logs.meta, logging.DEBUG)


def test_no_key_material_is_shown() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.DECRYPTION)
    shown = repr(vars(peer.subject)) + repr(vars(peer.subject._handshake))
    block = OUR_KEY.decrypt(bytes.fromhex(peer.metakey().split()[-1].decode()))
    assert repr(block)[2:-1] not in shown
