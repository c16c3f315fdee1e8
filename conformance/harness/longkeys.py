"""Key pairs of up to 8192 bits without the minute that it takes to find one.

The factors are primes that the whole world knows, of RFC 3526 (from the digits of pi)
and of RFC 7919 (from those of e), so these keys keep no secret.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.harness.daemon import TincNode
from conformance.harness.keys import KeyPair

_EXPONENT: Final = 65537
#: What is added to the digits of pi, and to those of e, by the length of the prime.
_OFFSETS: Final = {
    2048: (124476, 560316),
    4096: (240904, 5736041),
}
#: Digits that are computed beyond those that count.
_SPARE: Final = 64


def long_pair(bits: int) -> KeyPair:
    """Return the pair of 4096 or of 8192 bits; it is the same every time."""
    half = bits // 2
    of_pi, of_e = _OFFSETS[half]
    p = _prime(half, _pi(half - 130) + of_pi)
    q = _prime(half, _e(half - 130) + of_e)
    exponent = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    key = rsa.RSAPrivateNumbers(
        p,
        q,
        exponent,
        rsa.rsa_crt_dmp1(exponent, p),
        rsa.rsa_crt_dmq1(exponent, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(_EXPONENT, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    )
    return KeyPair(private.decode(), public.decode())


def give_long_key(node: TincNode, bits: int) -> KeyPair:
    """Let a node that is not started yet, and alone in its files, have a long pair."""
    pair = long_pair(bits)
    (node.etc / "rsa_key.priv").write_text(pair.private)
    host = node.etc / "hosts" / node.name
    lines = host.read_text().partition("-----BEGIN")[0]
    host.write_text(lines + pair.public)
    return pair


def _prime(bits: int, middle: int) -> int:
    """Return the number of ones, ``middle`` and again 64 ones, as both RFCs have it."""
    return (1 << bits) - (1 << bits - 64) - 1 + (middle << 64)


def _pi(bits: int) -> int:
    """Return pi in units of 2 ** -bits (Machin's formula)."""
    unit = 1 << bits + _SPARE
    return 4 * (4 * _arctan(5, unit) - _arctan(239, unit)) >> _SPARE


def _arctan(inverse: int, unit: int) -> int:
    total, power, divisor = 0, unit // inverse, 1
    while power:
        total += power // divisor * (1 if divisor % 4 == 1 else -1)
        power //= inverse * inverse
        divisor += 2
    return total


def _e(bits: int) -> int:
    total = term = 1 << bits + _SPARE
    divisor = 1
    while term:
        term //= divisor
        total += term
        divisor += 1
    return total >> _SPARE
