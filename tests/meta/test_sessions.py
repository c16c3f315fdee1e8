"""Whole sessions: one of C tincd that was recorded, and two ends of ours."""

from __future__ import annotations

from itertools import product

import pytest

from tests.meta import recording
from tests.meta.scripted import OUR_KEY, PEER_KEY, Counter, FakeKey, hear, take_events
from tincd_compat.crypto import streamciphers
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    Event,
    Identity,
    MetaConnection,
    PacketsReceived,
    PeerIdentity,
    Received,
    Role,
)
from tincd_compat.meta.messages import ReqKey, parse

# The recorded session.


def feed(
    subject: MetaConnection, key: recording.RecordedKey, data: bytes, step: int
) -> list[Event]:
    """Feed a recording in pieces of ``step`` bytes; return the events of its lines."""
    events: list[Event] = []
    now = recording.RESP_ELAPSED
    for start in range(0, len(data), step):
        hear(subject, data[start : start + step], now)
        for event in take_events(subject):
            if isinstance(event, DecryptNeeded):
                subject.decrypted(key.decrypt(event.ciphertext), now)
                hear(subject, b"", now)
                events += take_events(subject)
            else:
                events.append(event)
    return events


def received(lines: tuple[bytes, ...]) -> list[Event]:
    return [Received(parse(line), line) for line in lines]


@pytest.mark.parametrize("step", [1, 7, 1500, 100_000])
def test_the_recorded_session_as_the_caller(step: int) -> None:
    drawn = iter([recording.INIT_BLOCK, recording.INIT_CHALLENGE])
    subject = MetaConnection(
        Role.INITIATOR,
        recording.INIT,
        {"v_resp": recording.RESP_SEEN_BY_INIT}.__getitem__,
        now=0.0,
        random_bytes=lambda length: next(drawn),
        peer_name="v_resp",
    )
    subject.start()
    heard = recording.RESP_PLAIN + recording.RESP_CIPHERTEXT
    events = feed(subject, recording.INIT_KEY, heard, step)
    assert events == [
        Activated("6551", 45, 10, 0xC, 0xC),
        *received(recording.RESP_LINES),
    ]
    for line in recording.INIT_LINES:
        subject.send(parse(line))
    said = subject.data_to_send()
    assert said == recording.INIT_PLAIN + recording.INIT_CIPHERTEXT


@pytest.mark.parametrize("step", [1, 7, 1500, 100_000])
def test_the_recorded_session_as_the_side_called(step: int) -> None:
    drawn = iter([recording.RESP_BLOCK, recording.RESP_CHALLENGE])
    subject = MetaConnection(
        Role.RESPONDER,
        recording.RESP,
        {"v_init": recording.INIT_SEEN_BY_RESP}.__getitem__,
        now=0.0,
        random_bytes=lambda length: next(drawn),
    )
    heard = recording.INIT_PLAIN + recording.INIT_CIPHERTEXT
    events = feed(subject, recording.RESP_KEY, heard, step)
    assert events == [
        Activated("7001", 10, 45, 0xC, 0xC),
        *received(recording.INIT_LINES),
    ]
    for line in recording.RESP_LINES:
        subject.send_line(line)
    said = subject.data_to_send()
    assert said == recording.RESP_PLAIN + recording.RESP_CIPHERTEXT
    assert subject.status_word() == 0xC2


# Two of ours.


def pair(ours: int, theirs: int) -> tuple[MetaConnection, MetaConnection]:
    us = Identity("us", OUR_KEY, "655", ours)
    peer = Identity("peer", PEER_KEY, "7001", theirs)
    caller = MetaConnection(
        Role.INITIATOR,
        us,
        {"peer": PeerIdentity(PEER_KEY, 10, 0xC)}.__getitem__,
        now=0.0,
        random_bytes=Counter(),
        peer_name="peer",
    )
    called = MetaConnection(
        Role.RESPONDER,
        peer,
        {"us": PeerIdentity(OUR_KEY, -20, 0x700000D)}.__getitem__,
        now=0.0,
        random_bytes=Counter(),
    )
    caller.start()
    return caller, called


def exchange(
    subject: MetaConnection, other: MetaConnection, key: FakeKey
) -> list[Event]:
    """Carry what one side says to the other; return what that tells the other."""
    hear(other, subject.data_to_send())
    events = []
    for event in take_events(other):
        if isinstance(event, DecryptNeeded):
            other.decrypted(key.decrypt(event.ciphertext), 0.0)
            hear(other, b"")
            events += take_events(other)
        else:
            events.append(event)
    return events


@pytest.mark.parametrize(
    ("ours", "theirs"), list(product(sorted(streamciphers.CIPHERS), repeat=2))
)
def test_any_two_ciphers(ours: int, theirs: int) -> None:
    caller, called = pair(ours, theirs)
    told_caller: list[Event] = []
    told_called: list[Event] = []
    while caller.queued or called.queued:
        told_called += exchange(caller, called, PEER_KEY)
        told_caller += exchange(called, caller, OUR_KEY)
    assert told_called == [Activated("655", 10, -20, 0xC, 0x700000D)]
    assert told_caller == [Activated("7001", -20, 10, 0x700000D, 0xC)]
    caller.send(ReqKey("us", "peer"))
    caller.send_packets([bytes(60)])
    assert exchange(caller, called, PEER_KEY) == [
        Received(ReqKey("us", "peer"), b"15 us peer"),
        PacketsReceived([bytes(60)]),
    ]
