"""The stream ciphers and digests of the meta connection, by OpenSSL's numbers (NIDs).

Each direction is one continuous stream: no padding, no MAC, never restarted.  Only
modes that turn a block cipher into a byte stream make sense here, so ECB, CBC and GCM
are refused although a C daemon would try them; no tincd 1.0 announces one of these by
itself.  Blowfish and SHA1 are what daemons before 1.0.30 announce.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tincd_compat import logs
from tincd_compat.errors import PeerError

#: The digest this side announces, and thus the one that proves the peer's identity.
SHA256: Final = 672


class BudgetExceeded(PeerError):
    """A stream has carried as much as its cipher safely can."""

    logger: ClassVar[logging.Logger] = logs.meta
    severity: ClassVar[int] = logging.ERROR


class StreamCipher:
    """One direction of the stream, with the number of bytes it may still carry."""

    def __init__(
        self, transform: Callable[[bytes], bytes], budget: int, action: str
    ) -> None:
        self._transform = transform
        self._budget = budget
        self._action = action

    def update(self, data: bytes) -> bytes:
        """Encrypt or decrypt the next bytes; BudgetExceeded when it were too many."""
        self.reserve(len(data))
        return self._transform(data)

    def reserve(self, length: int) -> None:
        """Count bytes that :meth:`update_reserved` gets; BudgetExceeded as above."""
        if length > self._budget:
            raise BudgetExceeded(f"Byte limit exceeded for {self._action} {{peer}}")
        self._budget -= length

    def update_reserved(self, data: bytes) -> bytes:
        """Encrypt or decrypt the next of the bytes that have been counted."""
        return self._transform(data)


@dataclass(frozen=True, slots=True)
class MetaCipher:
    """A stream cipher; lengths in bytes."""

    algorithm: Callable[[bytes], BlockCipherAlgorithm]
    mode: Callable[[bytes], CFB | OFB | CTR]
    key_length: int
    iv_length: int

    @property
    def budget(self) -> int:
        """Bytes per direction: repeated blocks become likely beyond (Sweet32)."""
        return 1 << (4 * self.iv_length - 1)

    def encryptor(self, block: bytes) -> StreamCipher:
        """Start our direction; ValueError if ``block`` is too short for this cipher."""
        context = self._cipher(block).encryptor()
        return StreamCipher(context.update, self.budget, "encryption of data to")

    def decryptor(self, block: bytes) -> StreamCipher:
        """Start the peer's direction; ValueError as above."""
        context = self._cipher(block).decryptor()
        return StreamCipher(context.update, self.budget, "decryption of data from")

    def _cipher(self, block: bytes) -> Cipher[CFB | OFB | CTR]:
        """Take the key from the end of the block and the IV from in front of it."""
        split = len(block) - self.key_length
        start = split - self.iv_length
        if start < 0:
            raise ValueError("RSA key too short for the cipher")
        try:
            return Cipher(self.algorithm(block[split:]), self.mode(block[start:split]))
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error


#: Key length is OpenSSL's default of 16 bytes for Blowfish.
CIPHERS: Final = {
    93: MetaCipher(Blowfish, CFB, 16, 8),
    94: MetaCipher(Blowfish, OFB, 16, 8),
    420: MetaCipher(AES, OFB, 16, 16),
    421: MetaCipher(AES, CFB, 16, 16),
    424: MetaCipher(AES, OFB, 24, 16),
    425: MetaCipher(AES, CFB, 24, 16),
    428: MetaCipher(AES, OFB, 32, 16),
    429: MetaCipher(AES, CFB, 32, 16),
    904: MetaCipher(AES, CTR, 16, 16),
    905: MetaCipher(AES, CTR, 24, 16),
    906: MetaCipher(AES, CTR, 32, 16),
}

#: hashlib's names; which of them exist depends on the OpenSSL underneath.
DIGESTS: Final = {
    4: "md5",
    64: "sha1",
    114: "md5-sha1",
    117: "ripemd160",
    672: "sha256",
    673: "sha384",
    674: "sha512",
    675: "sha224",
    1056: "blake2b",
    1057: "blake2s",
    1094: "sha512_224",
    1095: "sha512_256",
    1096: "sha3_224",
    1097: "sha3_256",
    1098: "sha3_384",
    1099: "sha3_512",
    1143: "sm3",
}


def digest(nid: int, data: bytes) -> bytes | None:
    """Return the digest of ``data``, or None if there is no such digest here."""
    name = DIGESTS.get(nid)
    if name is None:
        return None
    try:
        return hashlib.new(name, data, usedforsecurity=False).digest()
    except ValueError:
        return None


def digest_size(nid: int) -> int | None:
    """Return the length of a digest in bytes, or None if there is no such digest."""
    empty = digest(nid, b"")
    return None if empty is None else len(empty)
