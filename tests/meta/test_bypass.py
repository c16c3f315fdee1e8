"""The handshake under --bypass-security."""

from __future__ import annotations

import pytest

from tests.meta.scripted import PEER, ScriptedPeer, connection
from tincd_compat.meta.connection import Activated, Role
from tincd_compat.meta.steps import State


def test_bypassing_as_the_caller() -> None:
    peer = ScriptedPeer(
        Role.INITIATOR, subject=connection(Role.INITIATOR, bypass_security=True)
    ).reach(State.ID)
    peer.say(b"0 peer 17")
    assert peer.heard == [b"0 us 17", b"4 655 10 c"]
    peer.say(b"4 6551 45 c")
    assert peer.events == [Activated("6551", 45, 10, 0xC, 0xC)]
    assert peer.subject.status_word() == 0x2


def test_bypassing_as_the_side_called() -> None:
    """Whoever calls is let in, with our own options and the time it took."""
    peer = ScriptedPeer(
        Role.RESPONDER, subject=connection(Role.RESPONDER, bypass_security=True)
    )
    peer.say(b"0 nobody 17", 0.25)
    assert peer.heard == [b"0 us 17", b"4 655 250 c"]
    peer.say(b"4 6551 45 c")
    assert peer.events == [Activated("6551", 45, 250, 0xC, 0xC)]
    assert peer.subject.name == "nobody"


@pytest.mark.parametrize("line", [b"1 429 672 0 0 00", b"2 00", b"3 00", b"8"])
def test_bypassing_leaves_the_other_steps_out(line: bytes) -> None:
    peer = ScriptedPeer(
        Role.RESPONDER, subject=connection(Role.RESPONDER, bypass_security=True)
    )
    peer.say(b"0 peer 17")
    assert peer.complaint(line) == [f"Unauthorized request from {PEER}"]
