"""RSA as the meta protocol uses it: textbook operations on whole blocks.

The blocks are random and carry the keys of a connection, so there is no padding.  The
work is done by the system's OpenSSL, or here where that is missing or refuses a key.
Here the public operation is one ``pow()``; the private one is written in small steps,
because several milliseconds inside a single ``pow()`` would hold the interpreter lock
and stop the event loop even from a worker thread.  Whoever computed it, every result of
the private operation is checked before it leaves: a single wrong half of a CRT
computation gives the key away.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Final

from tincd_compat.dataclass import dataclass

if TYPE_CHECKING:
    from tincd_compat.crypto.libraryrsa import LibraryKey

#: Shortest modulus that can carry a block with the longest key (tincd -K).
MIN_BITS: Final = 512

_STRANGERS: Final = "private and public part of the key do not belong together"

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
        number = self.number(block)
        library = _library_key(self)
        if library is not None:
            with suppress(ArithmeticError):
                return library.encrypt(number.to_bytes(self.size, "big"))
        return pow(number, self.exponent, self.modulus).to_bytes(self.size, "big")

    def number(self, block: bytes) -> int:
        """Return what a block stands for; ValueError unless it is below the modulus."""
        number = int.from_bytes(block, "big")
        if number >= self.modulus:
            raise ValueError("the block is not smaller than the modulus")
        return number

    def __repr__(self) -> str:
        return f"PublicKey({self.bits} bits)"


def _library_key(
    public: PublicKey, exponent: int | None = None, primes: _Primes | None = None
) -> LibraryKey | None:
    # Only daemons need the library, not every command that looks at keys.
    from tincd_compat.crypto.libraryrsa import library_key

    factors = () if primes is None else primes.numbers
    return library_key(public.modulus, public.exponent, exponent, factors)


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
        if min(p, q) < 3 or math.gcd(p, q) > 1:
            raise ValueError("the factors of the modulus are wrong")
        return cls(p, q, exponent % (p - 1), exponent % (q - 1), pow(q, -1, p))

    def belong_to(self, public: PublicKey) -> bool:
        """Tell whether the private exponent undoes the public one, if both are primes.

        Whether they are shows when the key is tried, by Fermat's little theorem.
        """
        e = public.exponent
        return e * self.d_p % (self.p - 1) == 1 and e * self.d_q % (self.q - 1) == 1

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """The numbers in the order of PKCS #1."""
        return self.p, self.q, self.d_p, self.d_q, self.q_inverse

    def power(self, base: int) -> int:
        """Return base to the private exponent modulo p times q (Garner's formula)."""
        low = _power(base % self.q, self.d_q, self.q)
        high = _power(base % self.p, self.d_p, self.p)
        return low + self.q * (self.q_inverse * (high - low) % self.p)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrivateKey:
    """A private key; its operations are independent of each other, in any thread.

    Without ``primes`` an operation takes about four times as long, and without the
    ``library`` again about ten times.
    """

    public: PublicKey
    exponent: int
    primes: _Primes | None = None
    random_bytes: Callable[[int], bytes] = field(default=os.urandom, kw_only=True)
    library: LibraryKey | None = field(default=None, kw_only=True)

    @classmethod
    def from_numbers(
        cls,
        public: PublicKey,
        exponent: int,
        primes: tuple[int, int] | None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> PrivateKey:
        """Return the key after trying it; ValueError if the numbers do not agree.

        ``random_bytes`` supplies the blinding where Python has to do the work.  What
        is checked costs two operations, however long the key: n = p q, the exponents
        undo each other modulo p - 1 and q - 1, and a block comes back.  Factors that
        are no primes do not pass that but by design, and the key is our own.
        """
        if primes is not None and primes[0] * primes[1] != public.modulus:
            raise ValueError("the factors of the modulus are wrong")
        parts = primes and _Primes.of(*primes, exponent)
        if parts is not None and not parts.belong_to(public):
            raise ValueError(_STRANGERS)
        for library in (_library_key(public, exponent, parts), None):
            key = cls(
                public, exponent, parts, random_bytes=random_bytes, library=library
            )
            if key._works():
                return key
        raise ValueError(_STRANGERS)

    def _works(self) -> bool:
        try:
            self.decrypt(self.public.encrypt(b"\x02"))
        except ArithmeticError:
            return False
        return True

    @property
    def size(self) -> int:
        """Length of the blocks in bytes."""
        return self.public.size

    def decrypt(self, block: bytes) -> bytes:
        """Return the ``size`` bytes that were encrypted into ``block``.

        ValueError if it is not below the modulus, ArithmeticError if the result does
        not encrypt to it again: the machine, or the key, is broken.
        """
        number = self.public.number(block)
        asked = number.to_bytes(self.size, "big")
        if self.library is None:
            result = self._in_steps(number).to_bytes(self.size, "big")
        else:
            result = self.library.decrypt(asked)
        if self.public.encrypt(result) != asked:
            raise ArithmeticError("the RSA operation gave a wrong result")
        return result

    def _in_steps(self, number: int) -> int:
        modulus = self.public.modulus
        factor, inverse = self._blinding()
        blinded = number * factor % modulus
        if self.primes is None:
            result = _power(blinded, self.exponent, modulus)
        else:
            result = self.primes.power(blinded)
        return result * inverse % modulus

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
