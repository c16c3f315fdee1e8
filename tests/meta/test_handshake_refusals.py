"""What is refused in the handshake, and in which words."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tests.meta.scripted import (
    HOSTNAME,
    OUR_KEY,
    PEER,
    US,
    Counter,
    FakeKey,
    ScriptedPeer,
    find_peer,
    numbers,
)
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta.connection import (
    DecryptNeeded,
    MetaConnection,
    PeerIdentity,
    Role,
)
from tincd_compat.meta.messages import Request
from tincd_compat.meta.steps import State


def after(request: str, *lines: str) -> list[str]:
    return [*lines, f"Error while processing {request} from {PEER}"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", ["Bogus data received from <unknown> (H)"]),
        (b"hello", ["Bogus data received from <unknown> (H)"]),
        (b"10 1 bar 10.9.9.9", ["Unauthorized request from <unknown> (H)"]),
        (
            b"0 peer",
            [
                "Got bad ID from <unknown> (H)",
                "Error while processing ID from <unknown> (H)",
            ],
        ),
        (
            b"0 ../peer 17",
            [
                "Got bad ID from <unknown> (H): invalid name",
                "Error while processing ID from <unknown> (H)",
            ],
        ),
        (
            b"0 us 17",
            [
                "Got bad ID from <unknown> (H): invalid name",
                "Error while processing ID from <unknown> (H)",
            ],
        ),
        (
            b"0 peer 16",
            [
                "Peer peer (H) uses incompatible version 16",
                "Error while processing ID from peer (H)",
            ],
        ),
        (
            b"0 peer 4294967313",
            [
                "Peer peer (H) uses incompatible version 4294967313",
                "Error while processing ID from peer (H)",
            ],
        ),
        (
            b"0 nobody 17",
            [
                "Peer H had unknown identity (nobody)",
                "Error while processing ID from nobody (H)",
            ],
        ),
    ],
)
def test_what_strangers_say_is_refused_in_silence(
    line: bytes, complaint: list[str]
) -> None:
    peer = ScriptedPeer(Role.RESPONDER)
    assert peer.complaint(line) == [
        text.replace("H)", f"{HOSTNAME})").replace("Peer H", f"Peer {HOSTNAME}")
        for text in complaint
    ]
    assert peer.heard == []


def test_somebody_else_answers() -> None:
    peer = ScriptedPeer(Role.INITIATOR).reach(State.ID)
    assert peer.complaint(b"0 impostor 17") == after(
        "ID", f"Peer {HOSTNAME} is impostor instead of peer"
    )
    assert numbers(peer.heard) == [0]


def refusing(role: Role, error: Exception) -> ScriptedPeer:
    def find(name: str) -> PeerIdentity:
        raise error

    subject = MetaConnection(
        role,
        US,
        find,
        now=0.0,
        random_bytes=Counter(),
        peer_name="peer" if role is Role.INITIATOR else None,
        hostname=HOSTNAME,
    )
    return ScriptedPeer(role, subject=subject).reach(State.ID)


def test_a_host_file_that_cannot_be_read() -> None:
    complaint = refusing(Role.RESPONDER, ConfigError("Cannot open it")).complaint(
        b"0 peer 17"
    )
    unknown = f"Peer {HOSTNAME} had unknown identity (peer)"
    assert complaint == after("ID", "Cannot open it", unknown)
    complaint = refusing(Role.INITIATOR, ConfigError("No key")).complaint(b"0 peer 17")
    assert complaint == after("ID", "No key")


def test_a_host_file_without_a_key() -> None:
    line = "No public key for peer specified!"
    complaint = refusing(Role.RESPONDER, PeerError(line)).complaint(b"0 peer 17")
    assert complaint == after("ID", line)


def test_a_key_is_required() -> None:
    subject = MetaConnection(
        Role.RESPONDER,
        US,
        lambda name: PeerIdentity(None, None, 0),
        now=0.0,
        random_bytes=Counter(),
        hostname=HOSTNAME,
    )
    peer = ScriptedPeer(Role.RESPONDER, subject=subject)
    line = "No public key for peer specified!"
    assert peer.complaint(b"0 peer 17") == after("ID", line)
    assert peer.heard == []


def test_a_key_too_short_for_our_cipher() -> None:
    subject = MetaConnection(
        Role.RESPONDER,
        US,
        lambda name: PeerIdentity(FakeKey(47), None, 0),
        now=0.0,
        random_bytes=Counter(),
        hostname=HOSTNAME,
    )
    peer = ScriptedPeer(Role.RESPONDER, subject=subject)
    assert peer.complaint(b"0 peer 17") == after(
        "ID",
        f"Error during initialisation of cipher for {PEER}: "
        "RSA key too short for the cipher",
    )
    assert peer.heard == []


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"1 429 672 0 0", "Got bad METAKEY from {peer}"),
        (b"1 429 672 0 0 ABC", "Possible intruder {peer}: wrong keylength"),
        (
            b"1 429 672 0 0 " + b"0" * (2 * OUR_KEY.size - 1),
            "Possible intruder {peer}: wrong keylength",
        ),
        (
            b"1 429 672 0 0 " + b"0" * (2 * OUR_KEY.size + 2),
            "Possible intruder {peer}: wrong keylength",
        ),
        (
            b"1 429 672 0 0 " + b"zz" * OUR_KEY.size,
            "Got bad METAKEY from {peer}: invalid key",
        ),
        (
            b"1 429 672 0 0 " + b"\xa0\xb2" * OUR_KEY.size,
            "Got bad METAKEY from {peer}: invalid key",
        ),
    ],
)
def test_a_metakey_that_is_none(role: Role, line: bytes, complaint: str) -> None:
    peer = ScriptedPeer(role).reach(State.METAKEY)
    assert peer.complaint(line) == after("METAKEY", complaint.replace("{peer}", PEER))
    assert peer.events == []


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("prefix", "complaint"),
    [
        ("0 672 0 0", "{peer} uses null cipher!"),
        ("0 0 0 0", "{peer} uses null cipher!"),
        ("426 672 0 0", "{peer} uses unknown cipher!"),
        ("901 672 0 0", "{peer} uses unknown cipher!"),
        ("9999 0 0 0", "{peer} uses unknown cipher!"),
        ("-1 672 0 0", "{peer} uses unknown cipher!"),
        ("429 0 0 0", "{peer} uses null digest!"),
        ("429 9999 -1 0", "Node {peer} uses unknown digest!"),
        ("429 672 -1 0", "{peer} uses bogus MAC length!"),
        ("429 672 33 0", "{peer} uses bogus MAC length!"),
    ],
)
def test_a_metakey_we_do_not_want(role: Role, prefix: str, complaint: str) -> None:
    peer = ScriptedPeer(role).reach(State.METAKEY)
    peer.say(peer.metakey(prefix))
    with pytest.raises(PeerError) as caught:
        peer.answer()
    lines = caught.value.text(peer.subject.peer).splitlines()
    assert lines == after("METAKEY", complaint.replace("{peer}", PEER))
    assert Request.CHALLENGE not in numbers(peer.heard)
    assert peer.subject.status_word() & 0x80 == 0


@pytest.mark.parametrize("prefix", ["429 672 32 99", "429 64 20 -3", "94 64 0 0"])
def test_lengths_and_levels_without_use_are_accepted(prefix: str) -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.METAKEY)
    peer.say(peer.metakey(prefix))
    peer.answer()
    assert peer.subject.status_word() & 0xC0 == 0xC0


def test_a_block_that_our_key_refuses() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.DECRYPTION)
    with pytest.raises(PeerError) as caught:
        peer.subject.decrypt_failed(0.0)
    assert caught.value.text(PEER).splitlines() == after(
        "METAKEY",
        f"Error during decryption of meta key for {PEER}: data too large for modulus",
    )


def test_our_key_is_too_short_for_the_cipher_of_the_peer() -> None:
    short = FakeKey(47)
    subject = MetaConnection(
        Role.RESPONDER,
        replace(US, private_key=short, meta_cipher=421),
        find_peer,
        now=0.0,
        random_bytes=Counter(),
        hostname=HOSTNAME,
    )
    peer = ScriptedPeer(Role.RESPONDER, subject=subject).reach(State.METAKEY)
    peer.say(peer.metakey(key="00" * 47))
    assert peer.events == [DecryptNeeded(bytes(47))]
    with pytest.raises(PeerError) as caught:
        subject.decrypted(bytes(47), 0.0)
    assert caught.value.text(PEER).splitlines()[0] == (
        f"Error during initialisation of cipher from {PEER}: "
        "RSA key too short for the cipher"
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"2", "Got bad CHALLENGE from {peer}"),
        (b"2 ABC", "Possible intruder {peer}: wrong challenge length"),
        (
            b"2 " + b"0" * (2 * OUR_KEY.size + 1),
            "Possible intruder {peer}: wrong challenge length",
        ),
        (
            b"2 " + b"zz" * OUR_KEY.size,
            "Got bad CHALLENGE from {peer}: invalid challenge",
        ),
    ],
)
def test_a_challenge_that_is_none(role: Role, line: bytes, complaint: str) -> None:
    peer = ScriptedPeer(role).reach(State.CHALLENGE)
    complaint = complaint.replace("{peer}", PEER)
    assert peer.complaint(line) == after("CHALLENGE", complaint)
    assert Request.CHAL_REPLY not in numbers(peer.heard)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"3", "Got bad CHAL_REPLY from {peer}"),
        (b"3 ABC", "Possible intruder {peer}: wrong challenge reply length"),
        (b"3 " + b"0" * 66, "Possible intruder {peer}: wrong challenge reply length"),
        (b"3 " + b"zz" * 32, "Got bad CHAL_REPLY from {peer}: invalid hash"),
        (b"3 " + b"00" * 32, "Possible intruder {peer}: wrong challenge reply"),
    ],
)
def test_a_reply_that_proves_nothing(role: Role, line: bytes, complaint: str) -> None:
    peer = ScriptedPeer(role).reach(State.CHAL_REPLY)
    complaint = complaint.replace("{peer}", PEER)
    assert peer.complaint(line) == after("CHAL_REPLY", complaint)
    assert Request.ACK not in numbers(peer.heard)
    if role is Role.RESPONDER:
        assert Request.CHAL_REPLY not in numbers(peer.heard)


def test_the_digest_we_announced_counts_not_the_peers() -> None:
    peer = ScriptedPeer(Role.RESPONDER, digest=(64, "sha1")).reach(State.CHAL_REPLY)
    reply = b"3 " + hashlib.sha1(peer.challenge()).hexdigest().encode()
    assert peer.complaint(reply) == after(
        "CHAL_REPLY", f"Possible intruder {PEER}: wrong challenge reply length"
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("line", [b"4", b"4 655", b"4 655 10", b"4 655 10 zz"])
def test_an_ack_that_is_none(role: Role, line: bytes) -> None:
    peer = ScriptedPeer(role).reach(State.ACK)
    assert peer.complaint(line) == after("ACK", f"Got bad ACK from {PEER}")
    assert not peer.subject.active
