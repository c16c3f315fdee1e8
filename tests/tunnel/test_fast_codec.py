"""The compiled codec beside the Python one on the same bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.samples import DEFAULT, KEY
from tincd_compat._fast import core
from tincd_compat.crypto.suites import CIPHERS, DIGESTS, Suite
from tincd_compat.tunnel.codec import _opened, _suite_for_core
from tincd_compat.tunnel.drops import Opened
from tincd_compat.tunnel.pure import PureOpener, PureSealer

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

USABLE = [cipher for cipher in CIPHERS if cipher.usable]
HASHES = [digest for digest in DIGESTS if digest.usable]
#: With the instructions of the processor, and with OpenSSL's functions only.
PORTABLE = pytest.mark.parametrize("portable", [False, True])


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    digest = draw(st.sampled_from(HASHES))
    cipher = draw(st.sampled_from([DEFAULT.cipher, *USABLE]))
    return Suite(cipher, digest, draw(st.integers(0, digest.size or 64)))


def key_for(suite: Suite) -> bytes:
    return bytes(range(1, suite.cipher.key_block_size + 1))


def compiled_sealer(suite: Suite, portable: bool) -> core.Sealer:
    return core.Sealer(*_suite_for_core(suite), key_for(suite), 0, portable)


def compiled_opener(suite: Suite, window: int, portable: bool) -> core.Opener:
    return core.Opener(*_suite_for_core(suite), key_for(suite), window, portable)


def open_both(
    fast: core.Opener, pure: PureOpener, wire: list[bytes]
) -> tuple[list[Opened], list[Opened]]:
    return [_opened(*fields) for fields in fast.open_train(wire)], pure.open_train(wire)


@PORTABLE
@settings(max_examples=60)
@given(
    suite=suites(),
    sizes=st.lists(st.integers(0, 300) | st.just(1400), max_size=70),
    first=st.integers(0, 2**32 - 100),
    chance=st.randoms(use_true_random=False),
)
def test_sealing(
    portable: bool, suite: Suite, sizes: list[int], first: int, chance: random.Random
) -> None:
    bodies = [chance.randbytes(size) for size in sizes]
    fast, pure = compiled_sealer(suite, portable), PureSealer(suite, key_for(suite))
    fast.sequence = pure.sequence = first
    for _ in range(2):
        assert fast.seal_train(bodies) == pure.seal_train(bodies)
        assert fast.sequence == pure.sequence


@PORTABLE
@settings(max_examples=60)
@given(
    suite=suites(),
    window=st.sampled_from([0, 1, 2, 16]),
    chance=st.randoms(use_true_random=False),
)
def test_opening(
    portable: bool, suite: Suite, window: int, chance: random.Random
) -> None:
    sealer = PureSealer(suite, key_for(suite))
    wire: list[bytes] = []
    for _ in range(chance.randrange(1, 5)):
        bodies = [chance.randbytes(chance.randrange(200)) for _ in range(20)]
        wire += sealer.seal_train(bodies)
        sealer.sequence += chance.choice([0, 0, 1, 30, 200])
    wire = damaged(wire, chance)
    fast = compiled_opener(suite, window, portable)
    pure = PureOpener(suite, key_for(suite), window)
    while wire:
        cut = chance.randrange(1, len(wire) + 1)
        assert [fast.matches(data) for data in wire] == [
            pure.matches(data) for data in wire
        ]
        compiled, python = open_both(fast, pure, wire[:cut])
        assert compiled == python
        assert fast.highest == pure.highest
        del wire[:cut]


def damaged(wire: list[bytes], chance: random.Random) -> list[bytes]:
    """Repeat, reorder, cut and alter some datagrams."""
    wire = [wire[max(0, i - chance.randrange(4))] for i in range(len(wire))]
    for index in range(0, len(wire), 4):
        data = bytearray(wire[index])
        match chance.randrange(3):
            case 0:
                del data[chance.randrange(len(data) + 1) :]
            case 1 if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        wire[index] = bytes(data)
    return wire


@given(
    st.sampled_from([0, 1, 4, 16]),
    st.lists(st.integers(0, 400) | st.integers(0, 2**32 - 1), max_size=60),
)
def test_replay_window(window: int, numbers: list[int]) -> None:
    """Without cipher and MAC the numbers can be anything."""
    suite = Suite(CIPHERS[0], DIGESTS[0], 0)
    wire = [number.to_bytes(4) for number in numbers]
    fast = compiled_opener(suite, window, portable=False)
    compiled, python = open_both(fast, PureOpener(suite, key_for(suite), window), wire)
    assert compiled == python


def test_numbers_that_run_out() -> None:
    sealer = compiled_sealer(DEFAULT, portable=False)
    sealer.sequence = 0xFFFFFFFF - 2
    assert len(sealer.seal_train([b"x"] * 5)) == 2
    assert sealer.seal_train([b"x"]) == []
    assert sealer.sequence == 0xFFFFFFFF
    with pytest.raises((OverflowError, ValueError)):
        sealer.sequence = 2**32
    with pytest.raises(TypeError):
        del sealer.sequence
    assert sealer.sequence == 0xFFFFFFFF


@pytest.mark.parametrize(
    "arguments",
    [
        ("aes-256-cbc", "sha256", 32, 16, 16, 4, KEY[:-1]),
        ("aes-256-cbc", "sha256", 31, 16, 16, 4, KEY[:-1]),
        ("aes-256-cbc", "sha256", 32, 16, 0, 4, KEY),
        ("aes-256-cbc", "sha256", 32, 16, 8, 4, KEY),
        ("aes-256-cbc", "sha256", -1, 16, 16, 4, KEY),
        ("aes-256-cbc", "sha256", 32, 16, 16, -1, KEY),
        ("aes-256-cbc", "sha256", 32, 16, 16, 33, KEY),
        ("aes-256-cbc", "no such digest", 32, 16, 16, 4, KEY),
        ("no such cipher", "sha256", 32, 16, 16, 4, KEY),
        (None, "sha256", 0, 0, 1, 4, b""),
        (None, "sha512", 0, 0, 1, 65, b"k"),
    ],
)
def test_nonsense_is_refused(
    arguments: tuple[str | None, str | None, int, int, int, int, bytes],
) -> None:
    for kind in (core.Sealer, core.Opener):
        with pytest.raises(ValueError, match=r"\w"):
            kind(*arguments)


def test_only_bytes_pass() -> None:
    sealer, opener = (
        compiled_sealer(DEFAULT, False),
        compiled_opener(DEFAULT, 16, False),
    )
    for call in (sealer.seal_train, opener.open_train):
        for nonsense in ([1], ["x"], 1, [b"x", None]):
            with pytest.raises(TypeError):
                call(nonsense)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="too long"):
            call([bytes(1 << 21)])
    assert sealer.sequence == 0
