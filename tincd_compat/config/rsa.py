"""RSA as the meta protocol uses it: textbook operations on whole blocks.

The blocks are random and carry the keys of a connection, so there is no padding.  The
public operation is one ``pow()``.  The private one is written in small steps, for two
reasons: an operation of several milliseconds inside a single ``pow()`` would hold the
interpreter lock and stop the event loop even from a worker thread, and every result
has to be checked before it leaves (a single wrong half of a CRT computation gives the
key away).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

#: Shortest modulus that can carry a block with the longest key (tincd -K).
MIN_BITS: Final = 512

#: Bits of the exponent consumed by one step of the private operation.
_WINDOW: Final = 5


@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """Modulus and public exponent; ValueError if they cannot be an RSA key."""

    modulus: int
    exponent: int

    def __post_init__(self) -> None:
        if self.bits < MIN_BITS:
            raise ValueError(f"an RSA key needs at least {MIN_BITS} bits")
        if self.modulus % 2 == 0 or self.exponent < 3 or self.exponent % 2 == 0:
            raise ValueError("the numbers do not form an RSA key")

    @property
    def bits(self) -> int:
        """Length of the modulus: any block of fewer bits can be encrypted."""
        return self.modulus.bit_length()

    @property
    def size(self) -> int:
        """Length of the modulus, and of every block, in bytes."""
        return (self.bits + 7) // 8

    def encrypt(self, block: bytes) -> bytes:
        """Return ``size`` bytes; ValueError if ``block`` is not below the modulus."""
        number = int.from_bytes(block, "big")
        if number >= self.modulus:
            raise ValueError("the block is not smaller than the modulus")
        return pow(number, self.exponent, self.modulus).to_bytes(self.size, "big")

    def __repr__(self) -> str:
        return f"PublicKey({self.bits} bits)"


def _power(base: int, exponent: int, modulus: int) -> int:
    """Return base ** exponent % modulus without one long call.

    A fixed window with a table: each step takes some 10 µs at 1024 bits, and other
    threads can run between any two of them.
    """
    table = [1]
    for _ in range((1 << _WINDOW) - 1):
        table.append(table[-1] * base % modulus)
    result = 1
    windows = -(-exponent.bit_length() // _WINDOW)
    for index in reversed(range(windows)):
        digit = exponent >> index * _WINDOW & (1 << _WINDOW) - 1
        result = pow(result, 1 << _WINDOW, modulus) * table[digit] % modulus
    return result


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Primes:
    """The factors of the modulus and the private exponent reduced for each."""

    p: int
    q: int
    d_p: int
    d_q: int
    q_inverse: int

    @classmethod
    def of(cls, p: int, q: int, exponent: int) -> _Primes:
        if min(p, q) < 3:
            raise ValueError("the factors of the modulus are wrong")
        return cls(p, q, exponent % (p - 1), exponent % (q - 1), pow(q, -1, p))

    def power(self, base: int) -> int:
        """Return base to the private exponent modulo p times q (Garner's formula)."""
        low = _power(base % self.q, self.d_q, self.q)
        high = _power(base % self.p, self.d_p, self.p)
        return low + self.q * (self.q_inverse * (high - low) % self.p)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrivateKey:
    """Our key.  Operations are independent of each other, in any thread.

    Without ``primes`` an operation takes about four times as long.
    """

    public: PublicKey
    exponent: int
    primes: _Primes | None = None
    random_bytes: Callable[[int], bytes] = field(default=os.urandom, kw_only=True)

    @classmethod
    def from_numbers(
        cls,
        public: PublicKey,
        exponent: int,
        primes: tuple[int, int] | None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> PrivateKey:
        """Return the key after trying it; ValueError if the numbers do not agree."""
        if primes is not None and primes[0] * primes[1] != public.modulus:
            raise ValueError("the factors of the modulus are wrong")
        parts = primes and _Primes.of(*primes, exponent)
        key = cls(public, exponent, parts, random_bytes=random_bytes)
        probe = b"\x02".rjust(key.size, b"\0")
        try:
            key.decrypt(public.encrypt(probe))
        except ArithmeticError:
            text = "private and public part of the key do not belong together"
            raise ValueError(text) from None
        return key

    @property
    def size(self) -> int:
        """Length of the blocks in bytes."""
        return self.public.size

    def decrypt(self, block: bytes) -> bytes:
        """Return the ``size`` bytes that were encrypted into ``block``.

        ValueError if it is not below the modulus, ArithmeticError if the result does
        not encrypt to it again: the machine, or the key, is broken.
        """
        modulus = self.public.modulus
        number = int.from_bytes(block, "big")
        if number >= modulus:
            raise ValueError("the block is not smaller than the modulus")
        factor, inverse = self._blinding()
        blinded = number * factor % modulus
        if self.primes is None:
            result = _power(blinded, self.exponent, modulus)
        else:
            result = self.primes.power(blinded)
        result = result * inverse % modulus
        if pow(result, self.public.exponent, modulus) != number:
            raise ArithmeticError("the RSA operation gave a wrong result")
        return result.to_bytes(self.size, "big")

    def _blinding(self) -> tuple[int, int]:
        """Return r to the public exponent, and the inverse of r, for a random r.

        The time of the operation then tells nothing about the block of the peer.
        """
        modulus = self.public.modulus
        # Eight bytes more than the modulus has make the remainder uniform.
        r = int.from_bytes(self.random_bytes(self.size + 8), "big") % (modulus - 1) + 1
        return pow(r, self.public.exponent, modulus), pow(r, -1, modulus)

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.bits} bits)"
