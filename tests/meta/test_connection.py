"""A connection after the handshake, and while a key is at work; arbitrary bytes."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.meta.scripted import (
    HOSTNAME,
    OUR_KEY,
    PEER,
    Counter,
    ScriptedPeer,
    active,
    connection,
    hear,
    take_events,
)
from tincd_compat import logs
from tincd_compat.crypto import streamciphers
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import (
    DecryptNeeded,
    Event,
    PacketsReceived,
    Received,
    Role,
    Status,
)
from tincd_compat.meta.messages import MAX_LINE, MAX_PACKET_BODY, KeyChanged, Ping, Pong
from tincd_compat.meta.steps import State

OVERFLOW = f"Metadata read buffer overflow for {PEER}"


# After the handshake.


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("number", range(5))
def test_the_handshake_happens_once(role: Role, number: int) -> None:
    peer = active(role)
    complaint = peer.complaint(b"%d peer 17" % number)
    assert complaint == [f"Unauthorized request from {PEER}"]
    assert peer.heard == []


@pytest.mark.parametrize("number", [-1, 5, 6, 7, 18])
def test_unknown_requests(number: int) -> None:
    assert active().complaint(b"%d" % number) == [f"Unknown request from {PEER}"]


def test_lines_are_handed_over_as_they_came() -> None:
    peer = active()
    line = b"14  0x1F peer and more\r"
    peer.say(line)
    assert peer.events == [Received(KeyChanged(0x1F, "peer"), line)]
    (event,) = peer.events
    assert isinstance(event, Received)
    assert event.line == line


def test_a_bad_line() -> None:
    assert active().complaint(b"13 1 a a") == [
        f"Got bad DEL_EDGE from {PEER}: invalid name",
        f"Error while processing DEL_EDGE from {PEER}",
    ]


def test_what_precedes_an_error_still_counts() -> None:
    peer = active()
    assert peer.complaint_raw(b"14 1 peer\n17 2\nab\n") == [
        f"Bogus data received from {PEER}"
    ]
    assert peer.events == [
        Received(KeyChanged(1, "peer"), b"14 1 peer"),
        PacketsReceived([b"ab"]),
    ]
    # Whoever ends the connection has to know that it was active.
    assert peer.subject.active


def test_nothing_goes_in_or_out_after_an_error() -> None:
    peer = active()
    peer.subject.send(Ping())
    peer.complaint(b"")
    peer.say(b"8")
    assert peer.events == []
    assert peer.subject.data_to_send() == b""
    assert not peer.subject.send(Ping())
    assert not peer.subject.send_line(b"8")
    assert not peer.subject.send_packets([b"x"])
    peer.subject.handle_timer(1e6)
    assert peer.subject.data_to_send() == b""


def test_ping_is_answered_at_once() -> None:
    peer = active()
    peer.say(b"8 salt\r")
    assert peer.heard == [b"9"]
    assert [type(e.message) for e in peer.events if isinstance(e, Received)] == [Ping]


def test_ping_is_answered_when_what_came_before_it_has_been_dealt_with() -> None:
    subject = connection(Role.RESPONDER, bypass_security=True)
    hear(subject, b"0 peer 17\n4 655 10 c\n14 1 peer\n8\n14 2 peer\n")
    said = subject.data_to_send()
    heard = []
    while subject.next_event() is not None:
        heard.append(subject.data_to_send())
    assert said == b"0 us 17\n4 655 0 c\n"
    # Of Activated, and of the two around the PING, nothing comes.
    assert heard == [b"", b"", b"9\n", b""]


def test_pong_clears_the_question() -> None:
    peer = active()
    peer.subject.ping(1.0)
    assert peer.subject.status_word() & Status.PINGED
    peer.say(b"9")
    assert peer.subject.pinged is False
    assert peer.events == [Received(Pong(), b"9")]
    peer.say(b"9")


def test_packets() -> None:
    peer = active()
    frame = bytes(range(256)) * 5
    peer.say_raw(b"17 %d\n" % len(frame) + frame + b"17 1\n\n17 0\n8\n")
    assert peer.events == [
        PacketsReceived([frame, b"\n"]),
        Received(Ping(), b"8"),
    ]


def test_packets_at_once_and_one_by_one_are_the_same_on_the_wire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames: list[bytes | bytearray] = [b"frame", bytearray(1400), b""]
    subject = connection(Role.RESPONDER, bypass_security=True)
    hear(subject, b"0 peer 17\n4 655 10 c\n")
    subject.data_to_send()
    assert subject.send_packets(frames)
    sent = subject.data_to_send()
    assert sent == b"17 5\nframe17 1400\n" + bytes(1400) + b"17 0\n"
    with caplog.at_level(logging.DEBUG, logs.protocol.name):
        assert subject.send_packets(frames)
    assert caplog.messages == [f"Sending PACKET to {PEER}"] * 3
    assert subject.data_to_send() == sent


def test_packets_are_logged_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    peer = active()
    with caplog.at_level(logging.DEBUG, logs.protocol.name):
        peer.say_raw(b"17 2\nab17 1\nc")
    assert caplog.messages == [f"Got PACKET from {PEER}"] * 2
    assert peer.events == [PacketsReceived([b"ab", b"c"])]


_piece = st.sampled_from(
    [
        *(b"17 %d\n" % n + bytes(n) for n in (1, 9, 10, 99, 1400, MAX_PACKET_BODY)),
        b"17 %d\n" % (MAX_PACKET_BODY + 1) + bytes(MAX_PACKET_BODY + 1),
        b"17 0\n",
        b"17 01\nx",
        b"17  2\nxy",
        b"17 2 \n\nx",
        b"17 3\n8\n9",
        b"17\n",
        b"17 1x\n8",
        b"17 99999\n",
        b"170 1\n",
        b"8\n",
        b"\n",
        b"17 ",
        b"14 1 peer\n",
    ]
)


@settings(max_examples=200)
@given(st.lists(_piece, max_size=12), st.lists(st.integers(1, 4000), max_size=8))
def test_many_packets_at_once_are_what_they_are_one_by_one(
    pieces: list[bytes], cuts: list[int]
) -> None:
    """The way of many packets is not taken while single ones are logged."""
    data = b"".join(pieces)
    outcomes = []
    for level in (logging.DEBUG, logging.ERROR):
        logs.protocol.setLevel(level)
        try:
            outcomes.append(_heard(data, cuts))
        finally:
            logs.protocol.setLevel(logging.NOTSET)
    assert outcomes[0] == outcomes[1]


def _heard(data: bytes, cuts: list[int]) -> tuple[list[Event], bytes, str]:
    """Return what a connection makes of data that arrives in pieces so long."""
    peer, complaint = active(), ""
    subject = peer.subject
    try:
        for cut in cuts:
            hear(subject, data[:cut])
            data = data[cut:]
        hear(subject, data)
    except PeerError as error:
        complaint = error.text(PEER)
    return take_events(subject), subject.data_to_send(), complaint


@pytest.mark.parametrize("length", [MAX_PACKET_BODY + 1, MAX_LINE])
def test_packets_too_large_are_skipped(length: int) -> None:
    peer = active()
    peer.say_raw(b"17 %d\n" % length + bytes(length) + b"8\n")
    assert peer.events == [Received(Ping(), b"8")]


def test_a_packet_in_pieces() -> None:
    peer = active()
    for piece in (b"17", b" 5\n", b"ab", b"cd", b"e8", b"\n"):
        peer.say_raw(piece)
    assert peer.events == [PacketsReceived([b"abcde"]), Received(Ping(), b"8")]


def test_the_largest_packet() -> None:
    peer = active()
    peer.say_raw(b"17 %d\n" % MAX_PACKET_BODY + bytes(MAX_PACKET_BODY))
    assert peer.events == [PacketsReceived([bytes(MAX_PACKET_BODY)])]


@pytest.mark.parametrize("length", [b"2177", b"65535", b"-1"])
def test_packets_that_cannot_be_skipped(length: bytes) -> None:
    peer = active()
    data = b"17 " + length + b"\n" + bytes(MAX_LINE)
    assert peer.complaint_raw(data) == [OVERFLOW]


def test_a_line_without_end() -> None:
    peer = active()
    assert peer.complaint_raw(b"8" + b" " * (MAX_LINE - 2)) == []
    assert peer.complaint_raw(b" ") == [OVERFLOW]


def test_a_stranger_without_line_ends() -> None:
    peer = ScriptedPeer(Role.RESPONDER)
    assert peer.complaint_raw(bytes(4096)) == [
        f"Metadata read buffer overflow for <unknown> ({HOSTNAME})"
    ]


# While the private key is at work.


def test_input_waits_for_the_private_key() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.METAKEY)
    peer.say(peer.metakey())
    assert peer.subject.paused
    peer.encrypt()
    peer.say(peer.proper_line(State.CHALLENGE))
    peer.say(peer.proper_line(State.CHALLENGE))
    assert len(peer.events) == 1
    with pytest.raises(PeerError, match="Unauthorized"):
        peer.answer()


@pytest.mark.parametrize("cut", range(0, 150, 7))
def test_a_caller_that_waits_for_nothing(cut: int) -> None:
    """ID, METAKEY and the encrypted CHALLENGE in two segments, cut anywhere."""
    peer = ScriptedPeer(Role.RESPONDER)
    secret = streamciphers.CIPHERS[429].encryptor(Counter()(OUR_KEY.size))
    challenge = secret.update(peer.proper_line(State.CHALLENGE) + b"\n")
    data = b"0 peer 17\n" + peer.metakey() + b"\n" + challenge
    border = len(data) - len(challenge) + cut - 75
    hear(peer.subject, data[:border])
    hear(peer.subject, data[border:])
    (needed,) = take_events(peer.subject)
    assert isinstance(needed, DecryptNeeded)
    peer.subject.decrypted(OUR_KEY.decrypt(needed.ciphertext), 0.0)
    hear(peer.subject, b"")
    with pytest.raises(PeerError, match="wrong challenge reply length"):
        hear(peer.subject, secret.update(b"3 00\n"))


def test_what_waits_meanwhile_is_bounded() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.DECRYPTION)
    assert peer.complaint_raw(bytes(MAX_LINE - 1)) == []
    assert peer.complaint_raw(bytes(1)) == [OVERFLOW]
    # The answer comes too late and changes nothing.
    peer.answer()
    peer.subject.decrypt_failed(0.0)
    assert peer.subject.data_to_send() == b""


def test_an_answer_that_nobody_asked_for() -> None:
    with pytest.raises(RuntimeError):
        connection(Role.RESPONDER).decrypted(bytes(72), 0.0)


# Arbitrary input.


FRAGMENTS = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=40).map(lambda text: b"0 peer 17 " + text + b"\n"),
    st.sampled_from(
        [
            b"0 peer 17\n",
            b"4 655 10 c\n",
            b"8\n",
            b"9\r\n",
            b"10 1 peer 10.0.0.0/8\n",
            b"12 2 peer us 192.0.2.1 655 c 5\n",
            b"17 5\n8\n8\nx",
            b"17 0\n",
            b"17 1662\n" + bytes(1662),
            b"17 9999\n",
            bytes(MAX_LINE // 2),
            b"1 429 672 0 0 " + b"0" * 144 + b"\n",
        ]
    ),
)


def outcome(
    pieces: list[bytes], *, bypass_security: bool
) -> tuple[list[Event], str, bytes]:
    subject = connection(Role.RESPONDER, bypass_security=bypass_security)
    error = ""
    try:
        for piece in pieces:
            hear(subject, piece)
    except PeerError as caught:
        error = caught.text(subject.peer)
    return take_events(subject), error, subject.data_to_send()


# No deadline: other work on the machine must not fail a test.
@given(st.lists(FRAGMENTS, max_size=8).map(b"".join), st.booleans())
def test_any_bytes_in_any_pieces(data: bytes, bypass_security: bool) -> None:
    whole = outcome([data], bypass_security=bypass_security)
    single = outcome([bytes([b]) for b in data], bypass_security=bypass_security)
    assert whole == single


# Output.


@pytest.mark.parametrize("state", ScriptedPeer.ORDER[:-1])
def test_nobody_unproved_hears_of_the_mesh(state: State) -> None:
    subject = ScriptedPeer(Role.RESPONDER).reach(state).subject
    with pytest.raises(RuntimeError):
        subject.send(Ping())
    with pytest.raises(RuntimeError):
        subject.send_line(b"10 1 us 10.0.0.0/8")
    with pytest.raises(RuntimeError):
        subject.send_packets([b"secret"])
    assert subject.queued == 0


def test_order_of_queueing_is_order_on_the_wire() -> None:
    peer = active()
    peer.subject.send(KeyChanged(1, "us"))
    peer.subject.send_line(b"14 2 other \r")
    peer.subject.send(Pong())
    peer.say(b"9")
    assert peer.heard == [b"14 1 us", b"14 2 other \r", b"9"]


def test_lines_no_peer_would_take(caplog: pytest.LogCaptureFixture) -> None:
    peer = active()
    assert peer.subject.send_line(b"8" * (MAX_LINE - 1))
    assert peer.subject.queued == MAX_LINE
    assert not peer.subject.send_line(b"8" * MAX_LINE)
    assert peer.subject.queued == MAX_LINE
    assert caplog.messages == [
        f"Output buffer overflow while sending request to {PEER}"
    ]


def test_what_is_queued() -> None:
    subject = active().subject
    subject.send_packets([bytes(97)])
    assert subject.queued == 103
    assert len(subject.data_to_send()) == 103
    assert subject.queued == 0


def test_an_exhausted_cipher_is_reported_by_the_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamciphers.MetaCipher, "budget", 1000)
    peer = active()
    while peer.subject.send_packets([bytes(90)]):
        pass
    assert peer.subject.queued < 1000
    assert not peer.subject.send(Ping())
    with pytest.raises(PeerError) as caught:
        peer.subject.handle_timer(0.0)
    line = f"Byte limit exceeded for encryption of data to {PEER}"
    assert caught.value.text(PEER) == line
    assert isinstance(caught.value, streamciphers.BudgetExceeded)
    assert caught.value.logger is logs.meta
