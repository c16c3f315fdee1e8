"""Sessions between nodes: handshakes, glare, rekeys, and whatever a member may say."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.control.parties import (
    KEYS,
    LIFETIME,
    Ours,
    Party,
    Tinc11,
    agree,
    deliver,
    pair,
    settle,
)
from tests.crypto.sptps.ends import sealer_of
from tincd_compat.control import sessions as rules
from tincd_compat.control.effects import AddressSeen, KeyLearned
from tincd_compat.control.nodesession import PATIENCE
from tincd_compat.control.sessions import (
    ANSWER_INTERVAL,
    RETRY,
    SILENCE,
)
from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.keytext import public_text
from tincd_compat.crypto.sptps.records import WORN, SptpsRecord
from tincd_compat.mesh.node import Node

NAMES = ("alpha", "bravo")


def two() -> tuple[Ours, Ours]:
    return Ours("alpha", "bravo"), Ours("bravo", "alpha")


def ready() -> tuple[Ours, Ours]:
    alpha, bravo = two()
    alpha.want(0)
    settle(alpha, bravo, 0)
    assert agree(alpha, bravo)
    return alpha, bravo


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", [Ours, Tinc11])
@pytest.mark.parametrize("first", [0, 1])
def test_either_end_begins(name: str, other: type[Ours | Tinc11], first: int) -> None:
    parties = pair(other, name)
    parties[first].want(0)
    assert len(parties[first].said) == 1
    assert parties[first].said[0].split()[3] == b"15"
    settle(*parties, 0)
    assert agree(*parties)


def test_a_handshake_takes_four_lines() -> None:
    """KEX in REQ_KEY, then KEX, SIG and SIG in ANS_KEY, as a real tinc 1.1 has it."""
    alpha, bravo = two()
    alpha.want(0)
    line = alpha.said[0]
    assert line.startswith(b"15 alpha bravo 15 AAAAAAIA")
    assert len(line.split()[4]) == 94
    deliver(alpha, bravo, 0)
    assert bravo.said[0].startswith(b"16 bravo alpha AAAAAAIA")
    assert bravo.said[0].endswith(b" -1 -1 -1 0")
    deliver(bravo, alpha, 0)
    assert len(alpha.said) == 1
    deliver(alpha, bravo, 0)
    assert bravo.session is not None
    assert alpha.session is None
    deliver(bravo, alpha, 0)
    assert agree(alpha, bravo)
    assert alpha.said == bravo.said == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", [Ours, Tinc11])
def test_glare_is_settled_without_waiting(
    name: str, other: type[Ours | Tinc11]
) -> None:
    parties = pair(other, name)
    for party in parties:
        party.want(0)
    settle(*parties, 0)
    assert agree(*parties)


def test_two_of_tinc_1_1_need_another_attempt() -> None:
    """What is better here would not show if this went well."""
    parties = Tinc11("alpha", "bravo"), Tinc11("bravo", "alpha")
    for party in parties:
        party.want(0)
    settle(*parties, 0)
    assert not agree(*parties)


@pytest.mark.parametrize("other", [Ours, Tinc11])
@given(st.data())
@settings(max_examples=50)
def test_whatever_crosses_on_the_way_both_agree_in_the_end(
    other: type[Ours | Tinc11], data: st.DataObject
) -> None:
    """The last attempt is begun when all else has died down, as packets do it."""
    name = data.draw(st.sampled_from(NAMES))
    parties: tuple[Party, Party] = pair(other, name)
    now = 0.0
    for step in data.draw(st.lists(st.integers(0, 5), max_size=25)):
        one, another = parties if step % 2 else parties[::-1]
        match step // 2:
            case 0:
                one.want(now)
            case 1:
                deliver(one, another, now)
            case 2:
                now += data.draw(st.sampled_from([0.1, 1.5, 11.0]))
    for _ in range(3):
        settle(*parties, now)
        now += RETRY + 1
        for party in parties:
            party.want(now)
            settle(*parties, now)
    # One of tinc 1.1's whose peer believes in another session says so by its datagrams.
    if not agree(*parties):
        assert other is Tinc11
        ours = parties[0]
        assert isinstance(ours, Ours)
        now += SILENCE + RETRY + 1
        ours.perform(ours.sessions.unopened(ours.node, 0, now))
        settle(*parties, now)
    assert agree(*parties)


def test_attempts_are_ten_seconds_apart() -> None:
    alpha, _ = two()
    alpha.want(100)
    alpha.want(100 + RETRY)
    assert len(alpha.said) == 1
    alpha.want(100.1 + RETRY)
    assert len(alpha.said) == 2
    assert alpha.said[0] != alpha.said[1]


def test_a_session_that_is_there_is_not_begun_again() -> None:
    alpha, _ = ready()
    alpha.want(1000)
    assert alpha.said == []


def test_a_restarted_node_begins_and_the_old_session_counts_until_it_is_done() -> None:
    alpha, bravo = ready()
    old = alpha.session
    anew = Ours("bravo", "alpha")
    anew.want(100)
    deliver(anew, alpha, 100)
    assert alpha.session is old
    settle(alpha, anew, 100)
    assert alpha.session is not old
    assert agree(alpha, anew)
    assert not agree(alpha, bravo)


def test_what_a_member_makes_up_ends_no_session() -> None:
    alpha, bravo = ready()
    session = alpha.session
    kex = digits.encode(bytes(5) + bytes(65))
    lines = [
        b"15 bravo alpha 15 " + kex.encode(),
        b"15 bravo alpha 15 AAAA",
        b"15 bravo alpha 15",
        b"15 bravo alpha 15 ====",
        b"15 bravo alpha 21 AAAA",
        b"15 bravo alpha 21 ====",
        b"15 bravo alpha 19",
        b"15 bravo alpha 20 " + b"A" * 43,
        b"15 bravo alpha",
        b"15 bravo alpha 7",
        b"16 bravo alpha AAAA -1 -1 -1 0",
        b"16 bravo alpha ==== -1 -1 -1 0 10.0.0.1 1",
        b"16 bravo alpha ABAB 427 672 4 0",
    ]
    for line in lines:
        for now in (5.0, 500.0):
            alpha.hear(line, now)
    assert alpha.session is session
    alpha.said.clear()
    assert agree(alpha, bravo)


@given(st.lists(st.binary(max_size=100), max_size=20), st.booleans())
@settings(max_examples=50)
def test_no_record_makes_an_error_of_ours(records: list[bytes], young: bool) -> None:
    alpha, _ = two()
    if young:
        alpha.want(0)
    for now, record in enumerate(records):
        text = digits.encode(record).encode() or b"-"
        alpha.hear(b"15 bravo alpha 15 " + text, now)
        alpha.hear(b"15 bravo alpha 21 " + text, now)
        alpha.hear(b"16 bravo alpha " + text + b" -1 -1 -1 0", now)
    assert alpha.session is None
    assert len(alpha.sessions) <= 1


# Public keys.


@pytest.mark.parametrize("know", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize("first", [0, 1])
def test_keys_are_learned_and_the_attempt_goes_on(
    know: tuple[bool, bool], first: int, caplog: pytest.LogCaptureFixture
) -> None:
    parties = (
        Ours("alpha", "bravo", knows=know[0]),
        Ours("bravo", "alpha", knows=know[1]),
    )
    parties[first].want(100)
    settle(*parties, 100)
    assert agree(*parties)
    told = [r for r in caplog.records if "which nobody vouches for" in r.getMessage()]
    assert len(told) == know.count(False)
    assert {r.levelno for r in told} == {logging.WARNING}


def test_a_key_from_the_mesh_is_believed_only_where_that_is_allowed() -> None:
    alpha = Ours("alpha", "bravo", knows=False, learns=False)
    bravo = Ours("bravo", "alpha")
    for now in (100, 200):
        alpha.want(now)
        bravo.want(now)
        settle(alpha, bravo, now)
    alpha.hear(b"15 bravo alpha 20 " + public_text(KEYS["bravo"].public).encode(), 201)
    assert alpha.key is None
    assert alpha.session is bravo.session is None


def test_a_key_that_nobody_asked_for_is_not_believed() -> None:
    text = public_text(KEYS["bravo"].public).encode()
    alpha = Ours("alpha", "bravo", knows=False)
    alpha.hear(b"15 bravo alpha 20 " + text, 100)
    assert alpha.effects == []
    alpha.want(100)
    alpha.hear(b"15 bravo alpha 20 " + text, 101 + PATIENCE)
    assert alpha.effects == []
    alpha.hear(b"15 bravo alpha 20 AAAA", 101)
    assert alpha.effects == []
    alpha.hear(b"15 bravo alpha 20 " + text, 101)
    assert alpha.effects[0] == KeyLearned(alpha.node, KEYS["bravo"].public)


def test_a_key_is_asked_for_every_ten_seconds_at_most() -> None:
    alpha = Ours("alpha", "bravo", knows=False)
    for now in range(100, 131):
        alpha.want(now)
    assert alpha.said == [b"15 alpha bravo 19"] * 3


def test_only_so_many_keys_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_LEARNED", 2)
    alpha = Ours("alpha", "bravo", knows=False)
    text = public_text(KEYS["bravo"].public).encode()
    for now in (100, 200, 300):
        alpha.key = None
        alpha.sessions.forget(alpha.node)
        alpha.want(now)
        alpha.hear(b"15 bravo alpha 20 " + text, now)
        assert bool(alpha.key) is (now < 300)


# Records over TCP.


def test_data_over_tcp_belongs_to_the_session() -> None:
    alpha, bravo = ready()
    assert alpha.session is not None
    text = digits.encode(alpha.session.seal(2, b"frame")).encode()
    bravo.hear(b"15 alpha bravo 21 " + text, 5)
    assert bravo.records == [SptpsRecord(2, b"frame")]
    bravo.hear(b"15 alpha bravo 21 " + text, 6)
    assert len(bravo.records) == 1
    assert bravo.said == []


def test_data_of_a_session_that_is_forgotten_begins_another() -> None:
    alpha, bravo = ready()
    assert alpha.session is not None
    text = digits.encode(alpha.session.seal(0, b"frame")).encode()
    bravo.sessions.forget(bravo.node)
    bravo.hear(b"15 alpha bravo 21 " + text, 5)
    assert bravo.said[0].startswith(b"15 bravo alpha 15 ")
    settle(alpha, bravo, 5)
    assert agree(alpha, bravo)


def test_the_address_that_a_relay_has_seen_counts_with_a_session() -> None:
    alpha, bravo = two()
    alpha.want(0)
    deliver(alpha, bravo, 0)
    bravo.said[0] += b" 192.0.2.7 655"
    deliver(bravo, alpha, 0)
    assert not any(isinstance(each, AddressSeen) for each in alpha.effects)
    deliver(alpha, bravo, 0)
    bravo.said[0] += b" 192.0.2.7 655"
    deliver(bravo, alpha, 0)
    assert alpha.effects[-1] == AddressSeen(alpha.node, "192.0.2.7", "655")


def test_a_datagram_that_does_not_open_counts_after_a_silence() -> None:
    alpha, _ = ready()

    def said(heard: float, now: float) -> int:
        alpha.said.clear()
        alpha.perform(alpha.sessions.unopened(alpha.node, heard, now))
        return len(alpha.said)

    assert said(0, SILENCE) == 0
    assert said(95, 100) == 0
    assert said(89, 100) == 1
    assert said(89, 100 + RETRY) == 0
    assert said(89, 101 + RETRY) == 1


# Time.


def test_keys_are_renewed_in_time_and_both_ends_know() -> None:
    alpha, bravo = ready()
    alpha.tick(LIFETIME - 1)
    assert alpha.said == []
    session = alpha.session
    assert session is not None
    before = sealer_of(session)._cipher
    alpha.tick(LIFETIME)
    assert len(alpha.said) == 1
    assert alpha.said[0].startswith(b"16 alpha bravo ")
    settle(alpha, bravo, LIFETIME)
    assert alpha.session is session
    assert sealer_of(session)._cipher is not before
    assert agree(alpha, bravo)
    # Whoever has begun: the keys are new for both.
    for party in (alpha, bravo):
        party.tick(2 * LIFETIME - 1)
        assert party.said == []


def test_both_ends_renew_at_once() -> None:
    alpha, bravo = ready()
    for party in (alpha, bravo):
        party.tick(LIFETIME)
        assert len(party.said) == 1
    settle(alpha, bravo, LIFETIME)
    assert agree(alpha, bravo)


def test_a_renewal_without_an_end_makes_another_session() -> None:
    alpha, bravo = ready()
    alpha.tick(LIFETIME)
    alpha.said.clear()
    alpha.tick(LIFETIME + PATIENCE)
    assert alpha.said == []
    alpha.tick(LIFETIME + PATIENCE + 1)
    assert alpha.said[0].startswith(b"15 alpha bravo 15 ")
    settle(alpha, bravo, LIFETIME + PATIENCE + 1)
    assert agree(alpha, bravo)


def test_a_session_ends_before_its_numbers_do() -> None:
    alpha, bravo = ready()
    assert alpha.session is not None
    sealer_of(alpha.session).number = WORN
    alpha.tick(100)
    assert alpha.said[0].startswith(b"15 alpha bravo 15 ")
    settle(alpha, bravo, 100)
    assert agree(alpha, bravo)
    assert not alpha.session.worn


def test_attempts_are_given_up() -> None:
    alpha, bravo = two()
    alpha.want(100)
    deliver(alpha, bravo, 100)
    for party in (alpha, bravo):
        party.tick(100 + PATIENCE)
        assert len(party.sessions) == 1
        party.tick(101 + PATIENCE)
        assert len(party.sessions) == 0


def test_a_node_that_was_asked_is_forgotten_in_time() -> None:
    alpha = Ours("alpha", "bravo", knows=False)
    alpha.want(100)
    alpha.tick(100 + PATIENCE)
    assert len(alpha.sessions) == 1
    alpha.tick(101 + PATIENCE)
    assert len(alpha.sessions) == 0


def test_a_node_may_go_while_all_are_looked_after() -> None:
    alpha, _ = ready()
    other = Node("carol", reachable=True, has_sessions=True)
    alpha.perform(alpha.sessions.want(other, 0))
    walk = alpha.sessions.tick(LIFETIME)
    assert next(walk)
    alpha.sessions.forget(other)
    assert list(walk) == []


# Bounds.


def test_a_node_is_answered_once_a_second() -> None:
    alpha, bravo = two()
    for now in (100.0, 100.0 + RETRY + 1):
        bravo.want(now)
    first, second = bravo.said
    alpha.hear(first, 200)
    assert len(alpha.said) == 1
    alpha.hear(second, 200 + ANSWER_INTERVAL / 2)
    assert len(alpha.said) == 1
    alpha.hear(second, 200 + ANSWER_INTERVAL)
    assert len(alpha.said) == 2


def test_there_are_only_so_many_sessions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rules, "MAX_SESSIONS", 3)
    alpha, _ = ready()
    for number in range(5):
        node = Node(f"n{number}", reachable=True, has_sessions=True)
        alpha.perform(alpha.sessions.want(node, 0))
    assert len(alpha.sessions) == 3
    assert [r.getMessage() for r in caplog.records] == [
        "No session with n2 ((null)), having 3 already"
    ]
    assert alpha.sessions.of(alpha.node) is alpha.session


def test_asking_for_our_key_makes_no_new_attempt() -> None:
    """The KEX that is repeated is the one that was said, and costs nothing."""
    alpha, bravo = two()
    alpha.want(100)
    kex = alpha.said[0]
    for _ in range(3):
        alpha.hear(b"15 bravo alpha 19", 100)
    key = b"15 alpha bravo 20 " + public_text(KEYS["alpha"].public).encode()
    assert alpha.said == [kex, key, kex, key, kex, key, kex]
    settle(alpha, bravo, 100)
    alpha.hear(b"15 bravo alpha 19", 100)
    assert alpha.said == [key]


def test_an_attempt_that_was_answered_is_not_repeated() -> None:
    alpha, bravo = two()
    alpha.want(100)
    deliver(alpha, bravo, 100)
    deliver(bravo, alpha, 100)
    alpha.said.clear()
    alpha.hear(b"15 bravo alpha 19", 100)
    assert [line.split()[3] for line in alpha.said] == [b"20"]


def test_an_attempt_that_lost_is_not_repeated() -> None:
    alpha, bravo = two()
    alpha.want(100)
    bravo.want(100)
    settle(alpha, bravo, 100)
    bravo.hear(b"15 alpha bravo 19", 100)
    assert [line.split()[3] for line in bravo.said] == [b"20"]
