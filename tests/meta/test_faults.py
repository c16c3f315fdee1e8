"""What a connection that fails failed of, and what that says of keys."""

from __future__ import annotations

import pytest

from tests.meta.scripted import ScriptedPeer, active
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import Role
from tincd_compat.meta.steps import State


def fault(peer: ScriptedPeer, line: bytes) -> Fault:
    with pytest.raises(PeerError) as caught:
        peer.say(line)
    return caught.value.fault


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("state", "line", "expected"),
    [
        (State.ID, b"GET / HTTP/1.1", Fault.PROTOCOL),
        (State.ID, b"0 pe/er 17", Fault.IDENTITY),
        (State.ID, b"0 peer 18", Fault.INCOMPATIBLE),
        (State.METAKEY, b"1 429 672 0 0 ABC", Fault.WRONG_KEY),
        (State.METAKEY, b"nonsense", Fault.PROTOCOL),
        # Whoever encrypts for another key than ours is read as nonsense.
        (State.CHALLENGE, b"\x83\x11", Fault.WRONG_KEY),
        (State.CHALLENGE, b"9", Fault.WRONG_KEY),
        (State.CHALLENGE, b"2 ABC", Fault.WRONG_KEY),
        (State.CHAL_REPLY, b"3 " + b"00" * 32, Fault.WRONG_KEY),
        (State.ACK, b"4", Fault.PROTOCOL),
    ],
)
def test_in_the_handshake(
    role: Role, state: State, line: bytes, expected: Fault
) -> None:
    assert fault(ScriptedPeer(role).reach(state), line) is expected


def test_who_is_not_known_and_who_is_somebody_else() -> None:
    for role, name in ((Role.RESPONDER, b"nobody"), (Role.INITIATOR, b"other")):
        peer = ScriptedPeer(role).reach(State.ID)
        assert fault(peer, b"0 " + name + b" 17") is Fault.IDENTITY


def test_a_block_for_another_key() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.DECRYPTION)
    with pytest.raises(PeerError) as caught:
        peer.subject.decrypt_failed(0.0)
    assert caught.value.fault is Fault.WRONG_KEY


def test_a_cipher_that_we_do_not_have() -> None:
    peer = ScriptedPeer(Role.RESPONDER).reach(State.METAKEY)
    peer.say(peer.metakey("0 672 0 0"))
    with pytest.raises(PeerError) as caught:
        peer.answer()
    assert caught.value.fault is Fault.INCOMPATIBLE


def test_time_outs() -> None:
    for peer, expected in (
        (ScriptedPeer(Role.RESPONDER).reach(State.METAKEY), Fault.AUTH_TIMEOUT),
        (active(), Fault.PING_TIMEOUT),
    ):
        if peer.subject.active:
            peer.subject.ping(0.0)
        with pytest.raises(PeerError) as caught:
            peer.subject.handle_timer(100.0)
        assert caught.value.fault is expected


def test_nonsense_later_says_nothing_of_keys() -> None:
    peer = active()
    assert fault(peer, b"nonsense") is Fault.PROTOCOL
    assert not peer.subject.key_unread


@pytest.mark.parametrize("role", Role)
def test_whether_the_peer_can_read_our_key(role: Role) -> None:
    """It proves that with CHAL_REPLY, and whoever is silent before may not be able."""
    unread = {
        state: ScriptedPeer(role).reach(state).subject.key_unread
        for state in ScriptedPeer.ORDER
    }
    assert [state for state, is_unread in unread.items() if is_unread] == [
        *(State.DECRYPTION, State.CHALLENGE, State.CHAL_REPLY)
    ]
    peer = ScriptedPeer(role).reach(State.CHALLENGE)
    with pytest.raises(PeerError):
        peer.subject.handle_timer(100.0)
    assert peer.subject.key_unread
