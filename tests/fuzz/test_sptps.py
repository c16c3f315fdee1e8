"""The damage of a few seeds, and that it is not for nothing."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.sptps import datagrams, stream
from tincd_compat.crypto.replay import SptpsWindow, Verdict
from tincd_compat.crypto.sptps.recordcipher import RecordCipher

SEEDS = range(15)


def play_all() -> None:
    for seed in SEEDS:
        datagrams(random.Random(seed))
        stream(random.Random(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_sessions_take_damage(seed: int) -> None:
    assert stream(random.Random(seed)) >= 0
    assert datagrams(random.Random(seed)) >= 0


def test_a_window_that_lets_replays_through_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SptpsWindow, "check", lambda *_: Verdict.ACCEPT)
    with pytest.raises(AssertionError):
        play_all()


def test_a_cipher_that_checks_no_tag_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(cipher: RecordCipher, number: int, body: bytes) -> bytes:
        return cipher.seal(number, body[:-16])[:-16]

    monkeypatch.setattr(RecordCipher, "open", opened)
    with pytest.raises(AssertionError):
        play_all()
