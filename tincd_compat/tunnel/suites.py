"""The packet ciphers and digests, by name and by OpenSSL's number (NID).

A receiver announces a suite by number and hands out a key block of exactly the bytes
that cipher wants: the key and, right behind it, the IV (tinc 1.0, net_packet).  Every
packet starts again from that IV, so only modes that can do so are in the table; the
names of the others are refused with the reason instead of breaking the tunnel later.

Blowfish with SHA1 is what daemons before 1.0.30 use.  Whether this machine can work a
suite is asked of the crypto library, not assumed: see ``usable``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers import algorithms as legacy
from cryptography.hazmat.decrepit.ciphers import modes as legacy_modes
from cryptography.hazmat.primitives.ciphers import (
    BlockCipherAlgorithm,
    Cipher,
    algorithms,
    modes,
)

from tincd_compat.errors import ConfigError
from tincd_compat.tunnel.libcrypto import LibraryCipher

if TYPE_CHECKING:
    from hashlib import _Hash


class Mode(Enum):
    """How a block cipher is applied to a packet."""

    NONE = "none"
    CBC = "cbc"
    CFB = "cfb"
    CFB8 = "cfb8"
    OFB = "ofb"
    ECB = "ecb"


def _des(key: bytes) -> BlockCipherAlgorithm:
    # Three equal keys make triple DES the single one.
    return legacy.TripleDES(key * 3)


_ALGORITHMS: Final[dict[str, Callable[[bytes], BlockCipherAlgorithm]]] = {
    "aes": algorithms.AES,
    "bf": legacy.Blowfish,
    "camellia": legacy.Camellia,
    "cast5": legacy.CAST5,
    "des": _des,
    "des-ede3": legacy.TripleDES,
    "rc2": legacy.RC2,
    "seed": legacy.SEED,
    "sm4": algorithms.SM4,
}

_MODES: Final[dict[Mode, Callable[[bytes], modes.Mode]]] = {
    Mode.CBC: modes.CBC,
    Mode.CFB: legacy_modes.CFB,
    Mode.CFB8: legacy_modes.CFB8,
    Mode.OFB: legacy_modes.OFB,
    Mode.ECB: lambda iv: modes.ECB(),
}


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """A cipher in one mode; lengths in bytes.

    ``algorithm`` names the block cipher in the crypto library's table; ``block_size``
    is that of the cipher for CBC and ECB, which pad, and 1 for the others.
    """

    nid: int
    name: str
    algorithm: str
    mode: Mode
    key_length: int
    iv_length: int
    block_size: int
    aliases: tuple[str, ...] = ()

    @property
    def is_null(self) -> bool:
        return self.mode is Mode.NONE

    @property
    def key_block_size(self) -> int:
        """The exact length of a key block; the null cipher still has one byte."""
        return self.key_length + self.iv_length or 1

    def split(self, key_block: bytes) -> tuple[bytes, bytes]:
        """Return the key and the IV of a key block."""
        return key_block[: self.key_length], key_block[self.key_length :]

    def context(self, key_block: bytes) -> Cipher[Any] | LibraryCipher:
        """Return what makes encryptors and decryptors.

        UnsupportedAlgorithm, now or from those, if this machine has none such.
        """
        key, iv = self.split(key_block)
        build = _ALGORITHMS.get(self.algorithm)
        if build is None:
            return LibraryCipher(self.name, key, iv)
        return Cipher(build(key), _MODES[self.mode](iv))

    @property
    def usable(self) -> bool:
        """Tell whether the crypto library of this machine can work this cipher."""
        if self.is_null:
            return True
        try:
            self.context(bytes(self.key_block_size)).encryptor()
        except UnsupportedAlgorithm:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash function; ``size`` in bytes, ``algorithm`` is hashlib's name."""

    nid: int
    name: str
    algorithm: str
    size: int
    aliases: tuple[str, ...] = ()

    @property
    def is_null(self) -> bool:
        return self.size == 0

    def new(self, data: bytes = b"") -> _Hash:
        """Start hashing; ValueError if this machine lacks the function."""
        return hashlib.new(self.algorithm, data, usedforsecurity=False)

    @property
    def usable(self) -> bool:
        """Tell whether the crypto library of this machine can work this digest."""
        if self.is_null:
            return True
        try:
            self.new()
        except ValueError:
            return False
        return True


CIPHERS: Final = (
    CipherSuite(0, "none", "none", Mode.NONE, 0, 0, 1),
    CipherSuite(427, "aes-256-cbc", "aes", Mode.CBC, 32, 16, 16, ("aes256",)),
    CipherSuite(423, "aes-192-cbc", "aes", Mode.CBC, 24, 16, 16, ("aes192",)),
    CipherSuite(419, "aes-128-cbc", "aes", Mode.CBC, 16, 16, 16, ("aes128",)),
    CipherSuite(429, "aes-256-cfb", "aes", Mode.CFB, 32, 16, 1),
    CipherSuite(425, "aes-192-cfb", "aes", Mode.CFB, 24, 16, 1),
    CipherSuite(421, "aes-128-cfb", "aes", Mode.CFB, 16, 16, 1),
    CipherSuite(428, "aes-256-ofb", "aes", Mode.OFB, 32, 16, 1),
    CipherSuite(424, "aes-192-ofb", "aes", Mode.OFB, 24, 16, 1),
    CipherSuite(420, "aes-128-ofb", "aes", Mode.OFB, 16, 16, 1),
    CipherSuite(426, "aes-256-ecb", "aes", Mode.ECB, 32, 0, 16),
    CipherSuite(422, "aes-192-ecb", "aes", Mode.ECB, 24, 0, 16),
    CipherSuite(418, "aes-128-ecb", "aes", Mode.ECB, 16, 0, 16),
    CipherSuite(91, "bf-cbc", "bf", Mode.CBC, 16, 8, 8, ("bf", "blowfish")),
    CipherSuite(93, "bf-cfb", "bf", Mode.CFB, 16, 8, 1),
    CipherSuite(94, "bf-ofb", "bf", Mode.OFB, 16, 8, 1),
    CipherSuite(92, "bf-ecb", "bf", Mode.ECB, 16, 0, 8),
    CipherSuite(44, "des-ede3-cbc", "des-ede3", Mode.CBC, 24, 8, 8, ("des3",)),
    CipherSuite(108, "cast5-cbc", "cast5", Mode.CBC, 16, 8, 8, ("cast", "cast-cbc")),
    CipherSuite(
        751, "camellia-128-cbc", "camellia", Mode.CBC, 16, 16, 16, ("camellia128",)
    ),
    CipherSuite(
        752, "camellia-192-cbc", "camellia", Mode.CBC, 24, 16, 16, ("camellia192",)
    ),
    CipherSuite(
        753, "camellia-256-cbc", "camellia", Mode.CBC, 32, 16, 16, ("camellia256",)
    ),
    CipherSuite(653, "aes-128-cfb8", "aes", Mode.CFB8, 16, 16, 1),
    CipherSuite(655, "aes-256-cfb8", "aes", Mode.CFB8, 32, 16, 1),
    CipherSuite(31, "des-cbc", "des", Mode.CBC, 8, 8, 8, ("des",)),
    CipherSuite(37, "rc2-cbc", "rc2", Mode.CBC, 16, 8, 8, ("rc2",)),
    CipherSuite(777, "seed-cbc", "seed", Mode.CBC, 16, 16, 16, ("seed",)),
    CipherSuite(1066, "aria-128-cbc", "aria", Mode.CBC, 16, 16, 16, ("aria128",)),
    CipherSuite(1076, "aria-256-cbc", "aria", Mode.CBC, 32, 16, 16, ("aria256",)),
    CipherSuite(1134, "sm4-cbc", "sm4", Mode.CBC, 16, 16, 16, ("sm4",)),
    CipherSuite(654, "aes-192-cfb8", "aes", Mode.CFB8, 24, 16, 1),
    CipherSuite(1071, "aria-192-cbc", "aria", Mode.CBC, 24, 16, 16),
    CipherSuite(757, "camellia-128-cfb", "camellia", Mode.CFB, 16, 16, 1),
    CipherSuite(758, "camellia-192-cfb", "camellia", Mode.CFB, 24, 16, 1),
    CipherSuite(759, "camellia-256-cfb", "camellia", Mode.CFB, 32, 16, 1),
    CipherSuite(766, "camellia-128-ofb", "camellia", Mode.OFB, 16, 16, 1),
    CipherSuite(767, "camellia-192-ofb", "camellia", Mode.OFB, 24, 16, 1),
    CipherSuite(768, "camellia-256-ofb", "camellia", Mode.OFB, 32, 16, 1),
    CipherSuite(61, "des-ede3-cfb", "des-ede3", Mode.CFB, 24, 8, 1),
    CipherSuite(63, "des-ede3-ofb", "des-ede3", Mode.OFB, 24, 8, 1),
    CipherSuite(110, "cast5-cfb", "cast5", Mode.CFB, 16, 8, 1),
    CipherSuite(111, "cast5-ofb", "cast5", Mode.OFB, 16, 8, 1),
    CipherSuite(1137, "sm4-cfb", "sm4", Mode.CFB, 16, 16, 1),
    CipherSuite(1135, "sm4-ofb", "sm4", Mode.OFB, 16, 16, 1),
)

DIGESTS: Final = (
    Digest(0, "none", "none", 0),
    Digest(4, "md5", "md5", 16),
    Digest(64, "sha1", "sha1", 20),
    Digest(672, "sha256", "sha256", 32),
    Digest(673, "sha384", "sha384", 48),
    Digest(674, "sha512", "sha512", 64),
    Digest(675, "sha224", "sha224", 28),
    Digest(117, "ripemd160", "ripemd160", 20, ("ripemd", "rmd160")),
    Digest(1056, "blake2b512", "blake2b", 64),
    Digest(1057, "blake2s256", "blake2s", 32),
    Digest(1097, "sha3-256", "sha3_256", 32),
    Digest(1099, "sha3-512", "sha3_512", 64),
    Digest(1096, "sha3-224", "sha3_224", 28),
    Digest(1098, "sha3-384", "sha3_384", 48),
    Digest(1094, "sha512-224", "sha512_224", 28),
    Digest(1095, "sha512-256", "sha512_256", 32),
    Digest(1143, "sm3", "sm3", 32),
)

_RUNS_ON = "its key stream runs on, so one lost datagram breaks the tunnel"
_NEEDS_TAG = "a packet has no room for its authentication tag"

#: What real daemons accept by name and then fail to carry packets with.
_REFUSED: Final = (
    (re.compile(r"-(gcm|ccm|ocb)$|poly1305"), _NEEDS_TAG),
    (re.compile(r"-ctr$|^chacha20$|^rc4"), _RUNS_ON),
    (re.compile(r"-xts$"), "it is made for disk sectors, not for packets"),
    (re.compile(r"wrap"), "it is made for keys, not for packets"),
)

_CIPHER_NAMES: Final = {
    name: cipher for cipher in CIPHERS for name in (cipher.name, *cipher.aliases)
}
_CIPHER_NIDS: Final = {cipher.nid: cipher for cipher in CIPHERS}
_DIGEST_NAMES: Final = {
    name: digest for digest in DIGESTS for name in (digest.name, *digest.aliases)
}
_DIGEST_NIDS: Final = {digest.nid: digest for digest in DIGESTS}


def find_cipher(key: str | int) -> CipherSuite | None:
    """Return the cipher of that name (any case) or NID, None if there is none."""
    if isinstance(key, int):
        return _CIPHER_NIDS.get(key)
    return _CIPHER_NAMES.get(key.lower())


def find_digest(key: str | int) -> Digest | None:
    """Return the digest of that name (any case) or NID, None if there is none."""
    if isinstance(key, int):
        return _DIGEST_NIDS.get(key)
    return _DIGEST_NAMES.get(key.lower())


def refusal(name: str) -> str | None:
    """Return why a cipher that OpenSSL knows by this name cannot carry packets."""
    for pattern, reason in _REFUSED:
        if pattern.search(name.lower()):
            return reason
    return None


def meta_cipher_for(cipher: CipherSuite) -> int:
    """Return the NID of the meta connection's cipher: AES-CFB of a like key length."""
    if cipher.key_length <= 16:
        return 421
    return 425 if cipher.key_length <= 24 else 429


@dataclass(frozen=True, slots=True)
class Suite:
    """What a receiver asks of packets towards it; ``maclength`` in bytes.

    With the null digest ``maclength`` is announced all the same, but no MAC is sent.
    """

    cipher: CipherSuite
    digest: Digest
    maclength: int

    @classmethod
    def configured(cls, cipher: str, digest: str, maclength: int) -> Suite:
        """Make a suite of Cipher, Digest and MACLength; ConfigError if that is bad."""
        found = find_cipher(cipher)
        if found is None:
            reason = refusal(cipher)
            if reason is not None:
                raise ConfigError(f"Cipher {cipher} cannot be used: {reason}")
            raise ConfigError("Unrecognized cipher type!")
        hashed = find_digest(digest)
        if hashed is None:
            raise ConfigError("Unrecognized digest type!")
        if not hashed.is_null and maclength > hashed.size:
            raise ConfigError("MAC length exceeds size of digest!")
        if not hashed.is_null and maclength < 0:
            raise ConfigError("Bogus MAC length!")
        return cls(found, hashed, maclength)

    @property
    def encrypts(self) -> bool:
        """Tell whether packets are unreadable on the wire."""
        return not self.cipher.is_null

    @property
    def authenticates(self) -> bool:
        """Tell whether packets carry a MAC."""
        return not self.digest.is_null and self.maclength > 0

    @property
    def usable(self) -> bool:
        """Tell whether the crypto library of this machine can work this suite."""
        return self.cipher.usable and self.digest.usable

    def warnings(self) -> list[str]:
        """Return what an administrator should know about packets under this suite."""
        found = []
        if not self.encrypts:
            found.append(
                "Cipher = none: whoever is on their way can read the packets to us"
            )
        if not self.authenticates:
            cause = "Digest = none" if self.digest.is_null else "MACLength = 0"
            found.append(
                f"{cause}: anybody can forge and alter packets to us,"
                " and senders are known by their addresses only"
            )
        for part in (self.cipher, self.digest):
            if not part.usable:
                found.append(
                    f"{part.name} is not available on this machine:"
                    " packets to us have to travel over TCP"
                )
        return found
