from __future__ import annotations

import dataclasses
import os
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.samples import (
    BLOCK,
    CIPHERTEXT,
    MODULUS,
    PRIVATE_EXPONENT,
    PUBLIC,
    P,
    Q,
    private_key,
)
from tincd_compat.crypto import libraryrsa, rsa
from tincd_compat.crypto.libraryrsa import LibraryKey, library_key
from tincd_compat.crypto.rsa import PrivateKey, PublicKey


def in_python(key: PrivateKey) -> PrivateKey:
    """Return a key as it is where no library works RSA."""
    return dataclasses.replace(key, library=None)


BY_LIBRARY = private_key()
WITH_PRIMES = in_python(BY_LIBRARY)
WITHOUT_PRIMES = in_python(PrivateKey.from_numbers(PUBLIC, PRIVATE_EXPONENT, None))
KEYS = pytest.mark.parametrize("key", [BY_LIBRARY, WITH_PRIMES, WITHOUT_PRIMES])


def test_recorded_block() -> None:
    assert PUBLIC.encrypt(BLOCK) == CIPHERTEXT
    assert (PUBLIC.size, PUBLIC.bits) == (64, 512)


@KEYS
def test_recorded_ciphertext(key: PrivateKey) -> None:
    assert key.decrypt(CIPHERTEXT) == BLOCK
    assert key.size == 64


@KEYS
@given(number=st.integers(0, MODULUS - 1))
def test_every_block_below_the_modulus_survives(key: PrivateKey, number: int) -> None:
    block = number.to_bytes(64, "big")
    assert key.decrypt(PUBLIC.encrypt(block)) == block


@KEYS
@pytest.mark.parametrize("number", [0, 1, P, Q * 3, MODULUS - 1])
def test_special_blocks(key: PrivateKey, number: int) -> None:
    block = number.to_bytes(64, "big")
    assert key.decrypt(PUBLIC.encrypt(block)) == block


@KEYS
@pytest.mark.parametrize("number", [MODULUS, MODULUS + 1, 2**512 - 1])
def test_blocks_from_the_modulus_on_are_refused(key: PrivateKey, number: int) -> None:
    block = number.to_bytes(64, "big")
    with pytest.raises(ValueError, match="not smaller"):
        key.decrypt(block)
    with pytest.raises(ValueError, match="not smaller"):
        key.public.encrypt(block)


@given(
    base=st.integers(0, 2**80),
    exponent=st.integers(0, 2**80),
    half=st.integers(1, 2**80),
)
def test_power_in_steps(base: int, exponent: int, half: int) -> None:
    modulus = 2 * half + 1
    assert rsa._power(base, exponent, modulus) == pow(base, exponent, modulus)


def test_blinding_is_new_for_every_block() -> None:
    asked: list[int] = []

    def random_bytes(length: int) -> bytes:
        asked.append(length)
        return os.urandom(length)

    key = dataclasses.replace(WITH_PRIMES, random_bytes=random_bytes)
    key.decrypt(CIPHERTEXT)
    key.decrypt(CIPHERTEXT)
    assert asked == [72, 72]


@pytest.mark.parametrize("random_byte", [b"\0", b"\xff"])
def test_any_random_bytes_will_do(random_byte: bytes) -> None:
    key = dataclasses.replace(
        WITH_PRIMES, random_bytes=lambda length: random_byte * length
    )
    assert key.decrypt(CIPHERTEXT) == BLOCK


@pytest.mark.parametrize("fault", ["d_p", "d_q", "q_inverse"])
def test_a_wrong_half_does_not_leave_the_key(fault: str) -> None:
    primes = WITH_PRIMES.primes
    assert primes is not None
    broken = dataclasses.replace(primes, **{fault: getattr(primes, fault) - 2})
    key = dataclasses.replace(WITH_PRIMES, primes=broken)
    with pytest.raises(ArithmeticError, match="wrong result"):
        key.decrypt(CIPHERTEXT)


def test_a_wrong_result_of_the_library_does_not_leave_the_key() -> None:
    other = library_key(MODULUS, 65537, PRIVATE_EXPONENT + 2)
    key = dataclasses.replace(BY_LIBRARY, library=other)
    with pytest.raises(ArithmeticError, match="wrong result"):
        key.decrypt(CIPHERTEXT)


def test_what_the_library_refuses_is_done_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_key: LibraryKey, _block: bytes) -> bytes:
        raise ArithmeticError("OpenSSL refuses the RSA operation")

    assert BY_LIBRARY.library is not None
    for name in ("encrypt", "decrypt"):
        monkeypatch.setattr(LibraryKey, name, refuse)
    key = private_key()
    assert key.library is None
    assert key.public.encrypt(BLOCK) == CIPHERTEXT
    assert key.decrypt(CIPHERTEXT) == BLOCK


def test_an_exponent_too_long_for_the_library() -> None:
    p, q, exponent = (1 << 1279) - 1, (1 << 2203) - 1, (1 << 80) + 1
    inverse = pow(exponent, -1, (p - 1) * (q - 1))
    key = PrivateKey.from_numbers(PublicKey(p * q, exponent), inverse, (p, q))
    with pytest.raises(ArithmeticError, match="refuses"):
        cast(LibraryKey, library_key(p * q, exponent)).encrypt(bytes(key.size))
    assert key.decrypt(key.public.encrypt(BLOCK))[-64:] == BLOCK


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraryrsa, "_library", lambda: None)
    key = private_key()
    assert key.library is None
    assert key.public.encrypt(BLOCK) == CIPHERTEXT
    assert key.decrypt(CIPHERTEXT) == BLOCK


@pytest.mark.parametrize(
    ("exponent", "primes"),
    [
        (PRIVATE_EXPONENT + 2, (P, Q)),
        (PRIVATE_EXPONENT + 2, None),
        (3, None),
        (PRIVATE_EXPONENT, (P, Q + 2)),
        (PRIVATE_EXPONENT, (1, MODULUS)),
        (PRIVATE_EXPONENT, (MODULUS, 1)),
    ],
)
def test_numbers_that_do_not_agree(
    exponent: int, primes: tuple[int, int] | None
) -> None:
    with pytest.raises(ValueError, match=r"factors|belong together"):
        PrivateKey.from_numbers(PUBLIC, exponent, primes)


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [
        (MODULUS >> 1, 65537),
        (MODULUS - 1, 65537),
        (MODULUS, 1),
        (MODULUS, 65536),
        (0, 3),
    ],
)
def test_numbers_that_are_no_key(modulus: int, exponent: int) -> None:
    with pytest.raises(ValueError, match="RSA key"):
        PublicKey(modulus, exponent)


def test_nothing_of_a_key_is_shown() -> None:
    assert repr(BY_LIBRARY) == repr(WITH_PRIMES) == "PrivateKey(512 bits)"
    assert repr(PUBLIC) == "PublicKey(512 bits)"
    # The address of an object has any digits.
    place = f"{id(WITH_PRIMES.primes):#x}"
    assert "512" not in repr(WITH_PRIMES.primes).replace(place, "")
    for number in (P, Q, PRIVATE_EXPONENT):
        shown = repr([WITH_PRIMES, WITH_PRIMES.primes, BY_LIBRARY.library])
        assert str(number) not in shown
