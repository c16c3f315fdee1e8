"""RSA by OpenSSL against Python's arithmetic, for keys of every shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.samples import HEX_EXPONENT, HEX_MODULUS, PRIVATE_EXPONENT, P, Q
from tincd_compat.crypto.libraryrsa import LibraryKey, library_key

#: Lengths of Mersenne primes: moduli of many lengths cost nothing to make.
MERSENNE = (521, 607, 1279)


def numbers(
    first: int, second: int, public: int = 65537
) -> tuple[int, int, int, tuple[int, int, int, int, int]]:
    """Return what ``library_key`` takes, of 2 ** first - 1 and 2 ** second - 1."""
    p, q = (1 << first) - 1, (1 << second) - 1
    return of_primes(p, q, public, pow(public, -1, (p - 1) * (q - 1)))


def of_primes(
    p: int, q: int, public: int, private: int
) -> tuple[int, int, int, tuple[int, int, int, int, int]]:
    parts = (p, q, private % (p - 1), private % (q - 1), pow(q, -1, p))
    return p * q, public, private, parts


def made(*given: object) -> LibraryKey:
    key = library_key(*given)  # type: ignore[arg-type]
    assert key is not None, "the tests need OpenSSL"
    return key


@st.composite
def blocks(draw: st.DrawFn) -> tuple[LibraryKey, int, int, int]:
    """Draw a key with or without its primes, its n and d, and a block."""
    first, second = draw(st.permutations(MERSENNE))[:2]
    public = draw(st.sampled_from([65537, 37, (1 << 61) - 1]))
    modulus, public, private, parts = numbers(first, second, public)
    factors = draw(st.sampled_from([parts, ()]))
    key = made(modulus, public, private, factors)
    return key, modulus, private, draw(st.integers(0, modulus - 1))


@given(blocks())
def test_the_results_are_those_of_python(
    drawn: tuple[LibraryKey, int, int, int],
) -> None:
    key, modulus, private, number = drawn
    block = number.to_bytes((modulus.bit_length() + 7) // 8, "big")
    decrypted = pow(number, private, modulus).to_bytes(len(block), "big")
    assert key.decrypt(block) == decrypted
    assert key.encrypt(decrypted) == block


@pytest.mark.parametrize(
    ("first", "second"), [(2203, 2281), (2281, 2203), (3217, 4253)]
)
def test_long_keys(first: int, second: int) -> None:
    modulus, public, private, factors = numbers(first, second)
    size = (modulus.bit_length() + 7) // 8
    number = (modulus - 1) // 3
    for key in (
        made(modulus, public, private, factors),
        made(modulus, public, private, ()),
    ):
        assert key.encrypt(key.decrypt(number.to_bytes(size, "big"))) == (
            number.to_bytes(size, "big")
        )


def test_the_exponent_of_hexadecimal_keys() -> None:
    modulus, private = int(HEX_MODULUS, 16), int(HEX_EXPONENT, 16)
    key = made(modulus, 0xFFFF, private)
    block = bytes([0x23]) * 64
    number = int.from_bytes(key.encrypt(block), "big")
    assert number == pow(int.from_bytes(block, "big"), 0xFFFF, modulus)
    assert key.decrypt(number.to_bytes(64, "big")) == block


def test_the_primes_are_what_is_computed_with() -> None:
    modulus, public, private, factors = of_primes(P, Q, 65537, PRIVATE_EXPONENT)
    key = made(modulus, public, private + 2, factors)
    block = bytes([0x42]) * 64
    assert key.encrypt(key.decrypt(block)) == block


@pytest.mark.parametrize("part", range(5))
def test_a_wrong_half_gives_no_wrong_result(part: int) -> None:
    modulus, public, private, factors = of_primes(P, Q, 65537, PRIVATE_EXPONENT)
    broken = list(factors)
    broken[part] -= 2
    key = made(modulus, public, private, broken)
    block = bytes([0x42]) * 64
    expected = pow(int.from_bytes(block, "big"), private, modulus)
    try:
        result = key.decrypt(block)
    except ArithmeticError:
        return
    assert int.from_bytes(result, "big") == expected


def test_what_the_library_refuses() -> None:
    key = made(*of_primes(P, Q, 65537, PRIVATE_EXPONENT))
    for block in (b"\xff" * 64, b"", bytes(65)):
        with pytest.raises(ArithmeticError, match="refuses"):
            key.encrypt(block)
    with pytest.raises(ArithmeticError, match="refuses"):
        key.decrypt(b"\xff" * 64)
    assert key.encrypt(key.decrypt(bytes(63) + b"\x07")) == bytes(63) + b"\x07"


def test_operations_at_the_same_time() -> None:
    key = made(*of_primes(P, Q, 65537, PRIVATE_EXPONENT))
    asked = [bytes(62) + number.to_bytes(2, "big") for number in range(500)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(key.decrypt, asked))
    assert [key.encrypt(result) for result in results] == asked
