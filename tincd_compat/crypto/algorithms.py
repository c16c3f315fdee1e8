"""Packet ciphers and digests, and which library of this machine works them.

Crypto libraries are asked whether they can work a cipher or a digest: see ``usable``.
Some ciphers cannot carry packets anywhere: tincd takes them by name, seals a packet or
two, and ends up with everything on TCP.  Such a cipher is announced as configured, and
no packet is sealed with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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

from tincd_compat.crypto.library import LibraryCipher, LibraryHash
from tincd_compat.dataclass import dataclass

if TYPE_CHECKING:
    from hashlib import _Hash


class CipherMode(Enum):
    """How a cipher is applied to a packet."""

    NONE = "none"
    CBC = "cbc"
    CFB = "cfb"
    CFB1 = "cfb1"
    CFB8 = "cfb8"
    OFB = "ofb"
    ECB = "ecb"
    XTS = "xts"
    #: ChaCha20 from the block where its AEAD has it start, for every packet.
    STREAM = "stream"
    #: A cipher that carries no packets.
    UNFIT = "unfit"


def _des(key: bytes) -> BlockCipherAlgorithm:
    # Three equal keys make triple DES the single one.
    return legacy.TripleDES(key * 3)


def _des_with_two_keys(key: bytes) -> BlockCipherAlgorithm:
    return legacy.TripleDES(key + key[:8])


#: Block ciphers of the Python package: name to what makes one of a key.
ALGORITHMS: Final[dict[str, Callable[[bytes], BlockCipherAlgorithm]]] = {
    "aes": algorithms.AES,
    "bf": legacy.Blowfish,
    "camellia": legacy.Camellia,
    "cast5": legacy.CAST5,
    "des": _des,
    "des-ede": _des_with_two_keys,
    "des-ede3": legacy.TripleDES,
    "rc2": legacy.RC2,
    "seed": legacy.SEED,
    "sm4": algorithms.SM4,
}

_MODES: Final[dict[CipherMode, Callable[[bytes], modes.Mode]]] = {
    CipherMode.CBC: modes.CBC,
    CipherMode.CFB: legacy_modes.CFB,
    CipherMode.CFB8: legacy_modes.CFB8,
    CipherMode.OFB: legacy_modes.OFB,
    CipherMode.ECB: lambda iv: modes.ECB(),
    CipherMode.XTS: modes.XTS,
}

#: The first block of an AEAD's key stream is for its tag.
_SECOND_BLOCK: Final = (1).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """A cipher in one mode; lengths in bytes.

    ``algorithm`` names the cipher in the table of the Python package, and is empty
    where that lacks the cipher or the mode; ``block_size`` is that of the cipher for
    CBC and ECB, which pad, and 1 for the others.  ``unfit`` is why no packet can be
    carried.
    """

    nid: int
    name: str
    algorithm: str
    mode: CipherMode
    key_length: int
    iv_length: int
    block_size: int
    unfit: str = ""

    @property
    def is_null(self) -> bool:
        return self.mode is CipherMode.NONE

    @property
    def key_block_size(self) -> int:
        """The exact length of a key block; the null cipher still has one byte."""
        return self.key_length + self.iv_length or 1

    @property
    def shortest(self) -> int:
        """The shortest plaintext that can be encrypted as it is."""
        return 16 if self.mode is CipherMode.XTS else 0

    def split(self, key_block: bytes) -> tuple[bytes, bytes]:
        """Return the key and the IV of a key block."""
        return key_block[: self.key_length], key_block[self.key_length :]

    def context(self, key_block: bytes) -> Cipher[Any] | LibraryCipher:
        """Return what makes encryptors and decryptors.

        UnsupportedAlgorithm, now or from those, if this machine has none such.
        """
        if self.unfit:
            raise UnsupportedAlgorithm(f"{self.name}: {self.unfit}")
        key, iv = self.split(key_block)
        if self.mode is CipherMode.STREAM:
            return Cipher(algorithms.ChaCha20(key, _SECOND_BLOCK + iv), None)
        build = ALGORITHMS.get(self.algorithm)
        if build is None:
            return LibraryCipher(self.name, key, iv)
        return Cipher(build(key), _MODES[self.mode](iv))

    @property
    def usable(self) -> bool:
        """Tell whether the crypto libraries of this machine can work this cipher."""
        if self.is_null:
            return True
        try:
            # XTS refuses two equal halves of a key.
            self.context(bytes(range(self.key_block_size))).encryptor()
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
    unfit: str = ""

    @property
    def is_null(self) -> bool:
        return self.size == 0

    def new(self, data: bytes = b"") -> _Hash | LibraryHash:
        """Start hashing; UnsupportedAlgorithm if this machine lacks the function."""
        try:
            return hashlib.new(self.algorithm, data, usedforsecurity=False)
        except ValueError:
            return LibraryHash(self.name, data)

    @property
    def usable(self) -> bool:
        """Tell whether the crypto libraries of this machine can work this digest."""
        if self.is_null:
            return True
        if self.unfit:
            return False
        try:
            self.new()
        except UnsupportedAlgorithm:
            return False
        return True
