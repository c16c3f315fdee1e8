"""Ed25519 keys in tinc's expanded form, and the agreement on a secret.

A key file has scalar, prefix and public half (RFC 8032, section 5.1.5), and the seed
they came from cannot be had back.  Libraries sign with seeds only, so here the point of
a signature is made by an X25519 operation: a multiple of 8 between 2**254 and 2**255 is
what RFC 7748 leaves alone, and either a nonce or its negative can be written as one.
The work on the curve is the library's, in constant time; what Python does to big
integers is not.  (tinc 1.1 behaviour, RFC 8032, RFC 7748)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from tincd_compat.dataclass import dataclass

#: Bytes of a public key, of a scalar and of the shared secret.
KEY_SIZE: Final = 32
#: Bytes of a private key: scalar, prefix, public half.
PRIVATE_SIZE: Final = 96
SIGNATURE_SIZE: Final = 64

#: The prime of the field, and the order of the base point.
_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_EIGHTH: Final = pow(8, -1, _L)
_SIGN_BIT: Final = 1 << 255

_TEST_TEXT: Final = b"is this key in order?"


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _bytes(number: int) -> bytes:
    return number.to_bytes(KEY_SIZE, "little")


def _montgomery(point: bytes) -> bytes:
    """Return the X25519 form of a compressed point; ValueError if it has none."""
    y = _number(point) & (_SIGN_BIT - 1)
    if y % _P == 1:
        raise ValueError("the public key is the neutral element")
    return _bytes((1 + y) * pow((1 - y) % _P, -1, _P) % _P)


def _multiple(scalar: int) -> int:
    """Return the y coordinate of a clamped scalar times the base point."""
    key = X25519PrivateKey.from_private_bytes(_bytes(scalar))
    u = _number(key.public_key().public_bytes_raw())
    return (u - 1) * pow(u + 1, -1, _P) % _P


def _expand(seed: bytes) -> tuple[bytes, bytes]:
    """Return scalar and prefix of a seed."""
    digest = hashlib.sha512(seed).digest()
    scalar = bytearray(digest[:KEY_SIZE])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 63 | 64
    return bytes(scalar), digest[KEY_SIZE:]


def _public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public key of a node, 32 bytes; ValueError for another length."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != KEY_SIZE:
            raise ValueError(f"an Ed25519 public key has {KEY_SIZE} bytes")

    def verify(self, signature: bytes, text: bytes) -> bool:
        """Tell whether the owner of the key has signed ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.data).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """The private key of a node, 96 bytes; ValueError if the parts do not fit."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != PRIVATE_SIZE:
            raise ValueError(f"an Ed25519 private key has {PRIVATE_SIZE} bytes")
        if not self._fits():
            raise ValueError("private and public half of the key do not fit")

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes]) -> SigningKey:
        """Make a key of 32 random bytes."""
        seed = random_bytes(KEY_SIZE)
        return cls(b"".join((*_expand(seed), _public(seed))))

    @property
    def public(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.data[2 * KEY_SIZE :])

    def sign(self, text: bytes) -> bytes:
        """Return the signature of ``text``, that of RFC 8032.

        ArithmeticError if none comes out: the machine is broken.
        """
        scalar, prefix = self.data[:KEY_SIZE], self.data[KEY_SIZE : 2 * KEY_SIZE]
        public = self.public
        nonce = _number(hashlib.sha512(prefix + text).digest()) % _L
        eighth = nonce * _EIGHTH % _L
        y = _multiple(8 * (eighth if eighth >= 1 << 251 else _L - eighth))
        # The point of the nonce and its negative differ in the sign bit alone.  What is
        # made with the wrong one never leaves: together with the right one it would
        # give the scalar away.
        for point in (_bytes(y), _bytes(y | _SIGN_BIT)):
            challenge = hashlib.sha512(point + public.data + text).digest()
            rest = (nonce + _number(challenge) % _L * _number(scalar)) % _L
            signature = point + _bytes(rest)
            if public.verify(signature, text):
                return signature
        raise ArithmeticError("the Ed25519 operation gave a wrong result")

    def _fits(self) -> bool:
        """Tell whether the public half is that of the scalar, sign bit and all."""
        scalar = self.data[:KEY_SIZE]
        # The scalar of a file that was not clamped would sign other than it agrees.
        if scalar[0] & 7 or scalar[31] & 192 != 64:
            return False
        y = _number(self.public.data) & (_SIGN_BIT - 1)
        if _multiple(_number(scalar)) != y:
            return False
        try:
            self.sign(_TEST_TEXT)
        except ArithmeticError:
            return False
        return True

    def __repr__(self) -> str:
        return "SigningKey()"


@dataclass(frozen=True, slots=True, repr=False)
class Ephemeral:
    """A key pair for one handshake: clamped scalar and compressed public point."""

    scalar: bytes
    public: bytes

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes]) -> Ephemeral:
        """Make a pair of 32 random bytes."""
        seed = random_bytes(KEY_SIZE)
        return cls(_expand(seed)[0], _public(seed))

    def agree(self, peer: bytes) -> bytes:
        """Return the secret shared with the owner of a public point, 32 bytes.

        ValueError if the point leads to a secret that everybody knows.
        """
        point = X25519PublicKey.from_public_bytes(_montgomery(peer))
        own = X25519PrivateKey.from_private_bytes(self.scalar)
        try:
            return own.exchange(point)
        except ValueError:
            # RFC 7748, section 6.1: the library refuses the secret of 32 zero bytes.
            raise ValueError("the public key is of small order") from None

    def __repr__(self) -> str:
        return "Ephemeral()"
