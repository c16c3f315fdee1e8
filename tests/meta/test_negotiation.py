"""The protocol of a link, for everything that both sides can announce and know."""

from __future__ import annotations

import pytest

from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.negotiation import MetaProtocol, agree, announced, lacks_our_key
from tincd_compat.meta.steps import Role

CALLER, CALLED = Role.INITIATOR, Role.RESPONDER
LEGACY, UPGRADE, SPTPS = MetaProtocol


@pytest.mark.parametrize(
    ("role", "own_key", "knows_key", "minor"),
    [
        (CALLER, False, False, None),
        (CALLER, False, True, None),
        (CALLED, False, False, None),
        (CALLED, False, True, None),
        (CALLER, True, False, 1),
        (CALLER, True, True, 7),
        (CALLED, True, False, 7),
        (CALLED, True, True, 7),
    ],
)
def test_what_an_id_announces(
    role: Role, own_key: bool, knows_key: bool, minor: int | None
) -> None:
    assert announced(role, own_key=own_key, knows_key=knows_key) == minor


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("knows_key", [False, True])
@pytest.mark.parametrize("received", [None, 0, 1, 2, 7, 99])
def test_without_a_key_of_our_own_nothing_is_new(
    role: Role, knows_key: bool, received: int | None
) -> None:
    found = agree(role, received, own_key=False, knows_key=knows_key, name="b")
    assert found is LEGACY


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("received", "found"), [(1, UPGRADE), (2, SPTPS), (7, SPTPS), (99, SPTPS)]
)
def test_a_peer_whose_key_is_known(
    role: Role, received: int, found: MetaProtocol
) -> None:
    assert agree(role, received, own_key=True, knows_key=True, name="b") is found


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("received", [None, 0])
def test_a_peer_whose_key_is_known_cannot_roll_back(
    role: Role, received: int | None
) -> None:
    with pytest.raises(PeerError, match=r"rolls back .* hosts/b has its") as caught:
        agree(role, received, own_key=True, knows_key=True, name="b")
    assert caught.value.fault is Fault.INCOMPATIBLE
    assert "{peer}" in str(caught.value.template)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("received", "found"), [(None, LEGACY), (0, LEGACY), (1, UPGRADE)]
)
def test_a_peer_whose_key_is_unknown(
    role: Role, received: int | None, found: MetaProtocol
) -> None:
    assert agree(role, received, own_key=True, knows_key=False, name="b") is found


def test_a_responder_answers_with_7_always_and_that_upgrades() -> None:
    assert agree(CALLER, 7, own_key=True, knows_key=False, name="b") is UPGRADE


def test_an_initiator_that_would_begin_a_session_alone_is_told() -> None:
    with pytest.raises(PeerError, match=r"hosts/b does not have its own") as caught:
        agree(CALLED, 7, own_key=True, knows_key=False, name="b")
    assert caught.value.fault is Fault.IDENTITY


def test_what_is_said_of_a_peer_without_our_key() -> None:
    assert "host file that b has of us" in lacks_our_key("b").template


@pytest.mark.parametrize("a_key", [False, True])
@pytest.mark.parametrize("b_key", [False, True])
@pytest.mark.parametrize("a_knows", [False, True])
@pytest.mark.parametrize("b_knows", [False, True])
def test_both_sides_agree_or_one_gives_up(
    a_key: bool, b_key: bool, a_knows: bool, b_knows: bool
) -> None:
    """Two daemons of ours never wait for each other in two protocols."""
    to_b = announced(CALLER, own_key=a_key, knows_key=a_knows)
    try:
        at_b = agree(CALLED, to_b, own_key=b_key, knows_key=b_knows, name="a")
    except PeerError:
        return
    to_a = announced(CALLED, own_key=b_key, knows_key=b_knows)
    try:
        at_a = agree(CALLER, to_a, own_key=a_key, knows_key=a_knows, name="b")
    except PeerError:
        return
    assert at_a is at_b
