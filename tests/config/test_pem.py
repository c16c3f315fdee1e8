from __future__ import annotations

import math

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.config.samples import (
    BLOCK,
    CIPHERTEXT,
    ORDERED,
    PUBLIC,
    elliptic_pem,
    elliptic_public_pem,
    private_pem,
    private_pem_of,
    public_pem,
)
from tincd_compat.config.pem import Block, blocks, read_private_pem, read_public_pem

SPKI = public_pem(PublicFormat.SubjectPublicKeyInfo)
PKCS1 = public_pem()
BROKEN = b"-----BEGIN RSA PUBLIC KEY-----\n...\n-----END RSA PUBLIC KEY-----\n"


def labels(data: bytes) -> list[str]:
    return [block.label for block in blocks(data)]


def test_blocks() -> None:
    data = b"x\n-----BEGIN A B-----\nMTIz\nNDU2\n-----END A B-----\nrest\n"
    (block,) = blocks(data)
    assert (block.label, block.decode()) == ("A B", b"123456")
    assert list(blocks(data.replace(b"\n", b"\r\n"))) == [Block("A B", block.body)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" -----BEGIN A-----\nMTIz\n-----END A-----\n",
        b"-----BEGIN A-----\nMTIz\n",
        b"-----BEGIN A-----\nMTIz\n-----END B-----\n",
        b"-----BEGIN A\nMTIz\n-----END A\n",
    ],
)
def test_no_blocks(data: bytes) -> None:
    assert labels(data) == []


def test_a_block_follows_an_ill_closed_one() -> None:
    data = b"-----BEGIN A-----\n-----END B-----\n-----BEGIN C-----\n-----END C-----"
    assert labels(data) == ["C"]


@given(st.lists(st.sampled_from([b"-----BEGIN A-----", b"-----END A-----", b"x", b""])))
def test_every_block_found_was_closed(lines: list[bytes]) -> None:
    found = labels(b"\n".join(lines))
    assert len(found) <= lines.count(b"-----END A-----")


@pytest.mark.parametrize("data", [PKCS1, SPKI, b"Port = 1\n\n" + PKCS1 + b"Subnet = x"])
def test_public_key(data: bytes) -> None:
    assert read_public_pem(data) == PUBLIC


def test_pkcs1_is_preferred_wherever_it_stands() -> None:
    assert read_public_pem(SPKI.replace(b"M", b"N", 1) + PKCS1) == PUBLIC


def test_spki_replaces_a_broken_pkcs1_block() -> None:
    assert read_public_pem(BROKEN + SPKI) == PUBLIC


@pytest.mark.parametrize(
    "data",
    [
        b"",
        BROKEN,
        BROKEN + PKCS1,
        PKCS1.replace(b"RSA", b"OLD"),
        PKCS1.replace(b"RSA PUBLIC", b"RSA PRIVATE"),
        private_pem(),
        elliptic_public_pem(),
        PKCS1[:-40],
    ],
)
def test_no_public_key(data: bytes) -> None:
    assert read_public_pem(data) is None


@pytest.mark.parametrize(
    "data",
    [
        private_pem(),
        private_pem(PrivateFormat.PKCS8),
        b"text\n" + private_pem().replace(b"RSA", b"OLD") + b"\n" + private_pem(),
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
        + private_pem(),
        elliptic_pem() + private_pem(),
    ],
)
def test_private_key(data: bytes) -> None:
    assert read_private_pem(data).decrypt(CIPHERTEXT) == BLOCK


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no RSA private key"),
        (PKCS1, "no RSA private key"),
        (private_pem().replace(b"RSA", b"OLD"), "no RSA private key"),
        (private_pem(password=b"secret"), "encrypted; `openssl rsa'"),
        (private_pem(PrivateFormat.PKCS8, b"secret"), "encrypted; `openssl rsa'"),
        (elliptic_pem(), "not an RSA key"),
        (private_pem().replace(b"\n", b"\nAAAA", 2), "damaged"),
    ],
)
def test_no_private_key(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_private_pem(data)


def test_a_key_with_wrong_numbers_is_refused() -> None:
    # The last octets of PKCS#1 are the inverse of q, in the middle stands d.
    lines = private_pem().split(b"\n")
    lines[3] = lines[3][:10] + lines[3][10:20].swapcase() + lines[3][20:]
    with pytest.raises(ValueError, match=r"damaged|do not belong together"):
        read_private_pem(b"\n".join(lines))


def test_a_key_by_its_numbers() -> None:
    assert read_private_pem(private_pem_of(*ORDERED)).decrypt(CIPHERTEXT) == BLOCK


@given(which=st.integers(0, 4), bit=st.integers(0, 520))
def test_every_number_that_counts_is_looked_at(which: int, bit: int) -> None:
    numbers = list(ORDERED)
    numbers[which] ^= 1 << bit
    with pytest.raises(ValueError, match=r"wrong|damaged|together|form|bits"):
        read_private_pem(private_pem_of(*numbers))


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("number", [0, 1, 2])
def test_numbers_that_are_none(which: int, number: int) -> None:
    numbers = list(ORDERED)
    numbers[which] = number
    with pytest.raises(ValueError, match=r"wrong|damaged|together|form|bits"):
        read_private_pem(private_pem_of(*numbers))


@pytest.mark.parametrize("which", [5, 6, 7])
def test_what_only_speeds_a_key_up_is_reckoned_anew(which: int) -> None:
    """C tincd works with such a key as well."""
    numbers = list(ORDERED)
    numbers[which] ^= 4
    assert read_private_pem(private_pem_of(*numbers)).decrypt(CIPHERTEXT) == BLOCK


def test_nobody_asks_whether_factors_are_primes() -> None:
    """The library takes six seconds for that where a key has 8192 bits.

    A Carmichael number passes for a prime with whatever is reckoned here.
    """
    k = 10**40 + 32560
    p, q = (6 * k + 1) * (12 * k + 1) * (18 * k + 1), (1 << 521) - 1
    exponent = pow(65537, -1, math.lcm(p - 1, q - 1))
    numbers = p * q, 65537, exponent, p, q, exponent % (p - 1), exponent % (q - 1)
    key = read_private_pem(private_pem_of(*numbers, pow(q, -1, p)))
    assert key.decrypt(key.public.encrypt(BLOCK))[-64:] == BLOCK
