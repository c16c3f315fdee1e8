"""The handshake: every record in every state, for either role."""

from __future__ import annotations

import dataclasses

import pytest

from tests.crypto.sptps.vectors import both_terms, offers, private
from tincd_compat.crypto.sptps.handshake import (
    KEX_SIZE,
    Changed,
    Effect,
    Expect,
    HandshakeState,
    Offer,
    Say,
    SealWith,
    SptpsHandshake,
)
from tincd_compat.errors import Fault, PeerError

IDLE, KEX, SIG = HandshakeState.IDLE, HandshakeState.KEX, HandshakeState.SIG
ACK, READY = HandshakeState.ACK, HandshakeState.READY
ROLES = (True, False)


class Story:
    """One side, brought to a state by the other, and the other."""

    def __init__(self, initiator: bool) -> None:
        terms = both_terms()
        mine, his = terms if initiator else terms[::-1]
        self.initiator = initiator
        self.own = SptpsHandshake(mine, offers(b"own"))
        self.peer = SptpsHandshake(his, offers(b"peer"))

    def settle(self, *, until: HandshakeState | None = None) -> list[bytes]:
        """Begin on both sides and pass records until both are ready.

        With ``until``, stop as soon as our side is there, and return what it would get.
        """
        ours = said(self.own.begin())
        theirs = said(self.peer.begin())
        while ours or theirs:
            if self.own.state is until:
                for record in ours:
                    theirs += said(self.peer.receive(record))
                return theirs
            if ours:
                theirs += said(self.peer.receive(ours.pop(0)))
            elif theirs:
                ours += said(self.own.receive(theirs.pop(0)))
        return []

    def at(self, state: HandshakeState, *, rekey: bool) -> list[bytes]:
        """Bring our side to a state; return the records that it gets next."""
        if rekey:
            self.settle()
        elif state is IDLE:
            return []
        if state is READY:
            if not rekey:
                self.settle()
            return said(self.peer.begin())
        return self.settle(until=state)


def said(effects: tuple[Effect, ...]) -> list[bytes]:
    return [effect.data for effect in effects if isinstance(effect, Say)]


def kinds(effects: tuple[Effect, ...]) -> list[object]:
    """Return what the effects are, and the lengths of records."""
    return [len(e.data) if isinstance(e, Say) else type(e) for e in effects]


STATES = [
    (IDLE, False),
    (KEX, False),
    (SIG, False),
    (READY, False),
    (KEX, True),
    (SIG, True),
    (ACK, True),
    (READY, True),
]
#: The record that is right in a state, by its size.
RIGHT = {KEX: KEX_SIZE, SIG: 64, ACK: 0, READY: KEX_SIZE}
#: What comes of it: state and effects of the initiator, and of the responder.
FIRST = [SealWith, Expect, Changed]
REKEY = [0, SealWith]
EXPECTED: dict[tuple[HandshakeState, bool], tuple[HandshakeState, object, object]] = {
    (KEX, False): (SIG, [64], []),
    (SIG, False): (READY, FIRST, [64, *FIRST]),
    (READY, False): (SIG, [KEX_SIZE, 64, Expect], [KEX_SIZE]),
    (KEX, True): (SIG, [64, Expect], []),
    (SIG, True): (ACK, REKEY, [64, *REKEY, Expect]),
    (ACK, True): (READY, [Changed], [Changed]),
    (READY, True): (SIG, [KEX_SIZE, 64, Expect], [KEX_SIZE]),
}


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize(("state", "rekey"), STATES)
def test_what_a_state_takes(
    state: HandshakeState, rekey: bool, initiator: bool
) -> None:
    story = Story(initiator)
    coming = story.at(state, rekey=rekey)
    assert story.own.state is state
    if state is IDLE:
        return
    if state is SIG and not coming:
        coming = said(story.peer.receive(b""))
    after, *effects = EXPECTED[state, rekey]
    assert len(coming[0]) == RIGHT[state]
    assert kinds(story.own.receive(coming[0])) == effects[not initiator]
    assert story.own.state is after


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("size", [0, 1, 63, 64, KEX_SIZE, 66])
@pytest.mark.parametrize(("state", "rekey"), STATES)
def test_what_a_state_refuses(
    state: HandshakeState, rekey: bool, size: int, initiator: bool
) -> None:
    story = Story(initiator)
    coming = story.at(state, rekey=rekey)
    # Version 1 where a KEX is due, a wrong signature where that is.
    wrong = b"\1" * size
    if RIGHT.get(state) == size == 0:
        return
    before = vars(story.own).copy()
    with pytest.raises(PeerError):
        story.own.receive(wrong)
    assert vars(story.own) == before
    if coming:
        story.own.receive(coming[0])


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize(("state", "rekey"), STATES)
def test_when_a_handshake_may_begin(
    state: HandshakeState, rekey: bool, initiator: bool
) -> None:
    story = Story(initiator)
    story.at(state, rekey=rekey)
    if state in (IDLE, READY):
        assert kinds(story.own.begin()) == [KEX_SIZE]
        assert story.own.state is KEX
    else:
        with pytest.raises(ValueError, match="under way"):
            story.own.begin()


@pytest.mark.parametrize("initiator", ROLES)
def test_both_sides_have_the_same_keys_and_new_ones_with_a_rekey(
    initiator: bool,
) -> None:
    seen: list[bytes] = []
    own, peer = (SptpsHandshake(t, offers(t.own.data)) for t in both_terms())
    if not initiator:
        own, peer = peer, own
    for _ in range(3):
        keys: dict[tuple[bool, type], bytes] = {}
        queues = {True: said(own.begin()), False: said(peer.begin())}
        while any(queues.values()):
            for side, party in ((True, own), (False, peer)):
                if not queues[not side]:
                    continue
                effects = party.receive(queues[not side].pop(0))
                queues[side] += said(effects)
                for effect in effects:
                    if isinstance(effect, SealWith | Expect):
                        keys[side, type(effect)] = effect.key
        assert keys[True, SealWith] == keys[False, Expect]
        assert keys[False, SealWith] == keys[True, Expect]
        seen += keys[True, SealWith], keys[False, SealWith]
        assert own.state is peer.state is READY
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"label": b"another"},
        {"peer": private("b").public},
        {"initiator": True},
    ],
)
def test_who_does_not_agree_on_the_terms_is_found_out(
    change: dict[str, object],
) -> None:
    mine, his = both_terms()
    own = SptpsHandshake(mine, offers(b"own"))
    peer = SptpsHandshake(dataclasses.replace(his, **change), offers(b"peer"))  # type: ignore[arg-type]
    kex, peer_kex = said(own.begin()), said(peer.begin())
    sig = said(own.receive(peer_kex[0]))
    peer.receive(kex[0])
    with pytest.raises(PeerError) as caught:
        peer.receive(sig[0])
    assert caught.value.fault is Fault.WRONG_KEY
    assert peer.state is SIG


@pytest.mark.parametrize("again", [False, True])
def test_a_point_of_small_order_is_refused(again: bool) -> None:
    story = Story(True)
    if again:
        story.settle()
    else:
        story.own.begin()
    before = vars(story.own).copy()
    with pytest.raises(PeerError, match="unusable SPTPS key"):
        story.own.receive(b"\0" + bytes(32) + b"\1" + bytes(31))
    assert vars(story.own) == before


def test_an_offer_does_not_show_itself() -> None:
    offer = Offer.fresh(lambda size: b"x" * size)
    assert repr(offer) == "Offer()"
    assert len(offer.kex) == KEX_SIZE
