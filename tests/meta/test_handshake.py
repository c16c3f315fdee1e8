"""The table of the handshake, every check in it, and the recorded session."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

import pytest

from tests.meta.scripted import (
    HOSTNAME,
    OUR_KEY,
    PEER_KEY,
    US,
    Counter,
    FakeKey,
    ScriptedPeer,
    find_peer,
)
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    MetaConnection,
    PeerIdentity,
    Role,
)
from tincd_compat.meta.handshake import (
    BYPASS_STEPS,
    STEPS,
    Handshake,
    State,
)
from tincd_compat.meta.messages import MESSAGES, Request

ROLES = list(Role)
UNKNOWN = f"<unknown> ({HOSTNAME})"
PEER = f"peer ({HOSTNAME})"


def handshake(role: Role, *, bypass_security: bool = False) -> Handshake:
    return Handshake(
        role,
        US,
        find_peer,
        started=0.0,
        random_bytes=Counter(),
        expected_name="peer" if role is Role.INITIATOR else None,
        hostname=HOSTNAME,
        bypass_security=bypass_security,
    )


# The table.


@pytest.mark.parametrize("bypass_security", [False, True])
def test_nothing_is_admitted_without_a_row(bypass_security: bool) -> None:
    table = BYPASS_STEPS if bypass_security else STEPS
    for role, state, request in product(Role, State, Request):
        subject = handshake(role, bypass_security=bypass_security)
        subject.state = state
        if (role, state, request) in table:
            subject.admit(request)
        else:
            with pytest.raises(PeerError, match="Unauthorized request from"):
                subject.admit(request)


@pytest.mark.parametrize("table", [STEPS, BYPASS_STEPS])
def test_each_state_admits_one_request_at_most(
    table: dict[tuple[Role, State, Request], object],
) -> None:
    places = [(role, state) for role, state, _ in table]
    assert len(places) == len(set(places))


def test_the_side_called_proves_itself_last() -> None:
    says = {
        (state, request)
        for (role, state, _), step in STEPS.items()
        if role is Role.RESPONDER
        for request in step.answers
    }
    assert (State.CHAL_REPLY, Request.CHAL_REPLY) in says
    assert (State.CHALLENGE, Request.CHAL_REPLY) not in says


@pytest.mark.parametrize(
    ("role", "state"),
    [
        (Role.INITIATOR, State.START),
        *product(Role, ScriptedPeer.ORDER[:-1]),
    ],
)
@pytest.mark.parametrize("number", range(-1, 20))
def test_every_request_in_every_state(role: Role, state: State, number: int) -> None:
    peer = ScriptedPeer(role).reach(state)
    complaint = peer.complaint(b"%d" % number)
    if state is State.DECRYPTION:
        # Nothing is looked at before the peer's key is known.
        assert complaint == []
        return
    name = peer.subject.peer
    if number not in MESSAGES:
        assert complaint == [f"Unknown request from {name}"]
    elif (role, state, number) in STEPS:
        request = Request(number).name
        assert complaint == [
            f"Got bad {request} from {name}",
            f"Error while processing {request} from {name}",
        ]
    else:
        assert complaint == [f"Unauthorized request from {name}"]
    # The end is final: even the proper line gets no answer now.
    if state in ScriptedPeer.ORDER:
        peer.heard.clear()
        assert peer.complaint(peer_line(peer, state)) == []
        assert peer.heard == []


def peer_line(peer: ScriptedPeer, state: State) -> bytes:
    if state is State.CHAL_REPLY:
        return b"3 " + b"0" * 64
    return peer.proper_line(state)


def test_only_a_caller_starts_and_only_once() -> None:
    subject = handshake(Role.INITIATOR)
    subject.start()
    with pytest.raises(RuntimeError):
        subject.start()
    with pytest.raises(RuntimeError):
        handshake(Role.RESPONDER).start()


# What is said when.


def numbers(lines: list[bytes]) -> list[int]:
    return [int(line.split()[0]) for line in lines]


def test_what_the_caller_says_when() -> None:
    peer = ScriptedPeer(Role.INITIATOR)
    said = {}
    for state in (*ScriptedPeer.ORDER[:2], *ScriptedPeer.ORDER[3:]):
        peer = ScriptedPeer(Role.INITIATOR).reach(state)
        said[state] = numbers(peer.heard)
    assert said == {
        State.ID: [0],
        State.METAKEY: [0, 1],
        State.CHALLENGE: [0, 1, 2],
        State.CHAL_REPLY: [0, 1, 2, 3],
        State.ACK: [0, 1, 2, 3, 4],
        State.ACTIVE: [0, 1, 2, 3, 4],
    }


def test_what_the_side_called_says_when() -> None:
    said = {}
    for state in (*ScriptedPeer.ORDER[:2], *ScriptedPeer.ORDER[3:]):
        peer = ScriptedPeer(Role.RESPONDER).reach(state)
        said[state] = numbers(peer.heard)
    assert said == {
        State.ID: [],
        State.METAKEY: [0, 1],
        State.CHALLENGE: [0, 1, 2],
        State.CHAL_REPLY: [0, 1, 2],
        State.ACK: [0, 1, 2, 3, 4],
        State.ACTIVE: [0, 1, 2, 3, 4],
    }


@pytest.mark.parametrize("role", ROLES)
def test_the_form_of_what_is_said(role: Role) -> None:
    peer = ScriptedPeer(role).reach(State.ACTIVE)
    identity, metakey, challenge, reply, ack = peer.heard
    assert identity == b"0 us 17"
    *prefix, key = metakey.split()
    assert prefix == [b"1", b"429", b"672", b"0", b"0"]
    for token, size in (
        (key, PEER_KEY.size),
        (challenge.split()[1], PEER_KEY.size),
        (reply.split()[1], 32),
    ):
        assert len(token) == 2 * size
        assert token == token.upper()
    # The top bit is cleared, so that the block is smaller than any modulus.
    assert PEER_KEY.decrypt(bytes.fromhex(key.decode()))[0] < 0x80
    assert ack == b"4 655 10 c"


@pytest.mark.parametrize("bits", [1017, 1020, 1023, 1024])
def test_the_block_is_smaller_than_an_odd_modulus(bits: int) -> None:
    class OddKey(FakeKey):
        @property
        def bits(self) -> int:
            return bits

        def encrypt(self, block: bytes) -> bytes:
            return block

    subject = MetaConnection(
        Role.RESPONDER,
        US,
        lambda name: PeerIdentity(OddKey(128), None, 0),
        now=0.0,
        random_bytes=lambda length: b"\xff" * length,
    )
    subject.receive_data(b"0 peer 17\n", 0.0)
    key = subject.data_to_send().split()[-1]
    assert int(key, 16) == (1 << (bits - 1)) - 1
    assert len(key) == 256


@pytest.mark.parametrize(
    ("weight", "now", "expected"),
    [(None, 3.1415, 3141), (None, 0.0, 0), (-7, 3.0, -7), (0, 3.0, 0)],
)
def test_weight_is_the_time_it_took_or_what_the_file_says(
    weight: int | None, now: float, expected: int
) -> None:
    subject = MetaConnection(
        Role.RESPONDER,
        US,
        lambda name: replace(find_peer(name), weight=weight),
        now=0.0,
        random_bytes=Counter(),
        hostname=HOSTNAME,
    )
    peer = ScriptedPeer(Role.RESPONDER, subject=subject).reach(State.CHAL_REPLY)
    peer.say(peer.proper_line(State.CHAL_REPLY), now)
    assert peer.heard[-1] == b"4 655 %d c" % expected


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("nid", "name"), [(64, "sha1"), (673, "sha384"), (674, "sha512"), (4, "md5")]
)
def test_we_answer_with_the_digest_of_the_challenger(
    role: Role, nid: int, name: str
) -> None:
    peer = ScriptedPeer(role, digest=(nid, name)).reach(State.ACTIVE)
    (reply,) = (line for line in peer.heard if line.startswith(b"3 "))
    digest = hashlib.new(name, b"\xc5" * OUR_KEY.size).hexdigest().upper()
    assert reply == b"3 " + digest.encode()


def test_a_daemon_before_1_0_30() -> None:
    """It says ID at once, and speaks Blowfish and SHA1."""
    peer = ScriptedPeer(Role.INITIATOR, cipher=94, digest=(64, "sha1"))
    peer.reach(State.ACTIVE)
    assert peer.subject.active


@pytest.mark.parametrize("role", ROLES)
def test_case_of_hex_and_further_tokens_do_not_matter(role: Role) -> None:
    peer = ScriptedPeer(role).reach(State.ID)
    peer.say(b"0 peer 17.7 new\r")
    peer.say(peer.metakey().replace(b"1 429", b"1\t429") + b" and more\r")
    peer.encrypt()
    peer.answer()
    peer.say(b"2 " + b"aB" * OUR_KEY.size + b" more")
    peer.say(peer.proper_line(State.CHAL_REPLY).lower() + b" more")
    peer.say(b" 4  655 -1 0x700000C more")
    assert peer.events == [Activated("655", -1, 10, 0x700000C, 0xC)]


# What is refused, and in which words.


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


@pytest.mark.parametrize("role", ROLES)
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


@pytest.mark.parametrize("role", ROLES)
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


@pytest.mark.parametrize("role", ROLES)
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


@pytest.mark.parametrize("role", ROLES)
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


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("line", [b"4", b"4 655", b"4 655 10", b"4 655 10 zz"])
def test_an_ack_that_is_none(role: Role, line: bytes) -> None:
    peer = ScriptedPeer(role).reach(State.ACK)
    assert peer.complaint(line) == after("ACK", f"Got bad ACK from {PEER}")
    assert not peer.subject.active
