"""The table of the handshake, and what either side says when."""

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
    hear,
    numbers,
)
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import Activated, MetaConnection, PeerIdentity, Role
from tincd_compat.meta.handshake import Handshake
from tincd_compat.meta.messages import MESSAGES, Request
from tincd_compat.meta.negotiation import MetaProtocol
from tincd_compat.meta.steps import (
    BYPASS_STEPS,
    SPTPS_STEPS,
    STEPS,
    UPGRADE_STEPS,
    State,
)


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


@pytest.mark.parametrize("protocol", MetaProtocol)
def test_nothing_is_admitted_without_a_row_of_the_protocol(
    protocol: MetaProtocol,
) -> None:
    tables = (STEPS, UPGRADE_STEPS, SPTPS_STEPS)
    table = dict(zip(MetaProtocol, tables, strict=True))[protocol]
    for role, state, request in product(Role, State, Request):
        subject = handshake(role)
        subject.settle(protocol)
        subject.state = state
        if (role, state, request) in table:
            subject.admit(request)
        else:
            with pytest.raises(PeerError, match="Unauthorized request from"):
                subject.admit(request)


@pytest.mark.parametrize("table", [STEPS, BYPASS_STEPS, UPGRADE_STEPS, SPTPS_STEPS])
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


@pytest.mark.parametrize("role", Role)
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
    hear(subject, b"0 peer 17\n")
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


@pytest.mark.parametrize("role", Role)
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


@pytest.mark.parametrize("role", Role)
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
