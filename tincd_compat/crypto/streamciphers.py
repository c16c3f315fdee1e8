"""The stream ciphers and digests of the meta connection, by OpenSSL's numbers (NIDs).

Each direction is one continuous stream: no padding, no MAC, never restarted.  Only
modes that turn a block cipher into a byte stream make sense here, so ECB, CBC and GCM
are refused although a C daemon would try them; no tincd 1.0 announces one of these by
itself.  Blowfish and SHA1 are what daemons before 1.0.30 announce.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar, Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tincd_compat import logs
from tincd_compat.crypto.algorithms import ALGORITHMS, CipherSuite
from tincd_compat.crypto.nids import CIPHERS as SUITES
from tincd_compat.crypto.suites import find_digest
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import PeerError

StreamMode: TypeAlias = CFB | OFB | CTR

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


#: Modes that turn a block cipher into a byte stream, by the end of a suite's name.
_MODES: Final[dict[str, Callable[[bytes], StreamMode]]] = {
    "cfb": CFB,
    "ctr": CTR,
    "ofb": OFB,
}
#: Ciphers of these names carry meta connections.
_FAMILIES: Final = ("aes", "bf")


@dataclass(frozen=True, slots=True)
class MetaCipher:
    """A stream cipher: the suite of that number, used without a restart."""

    suite: CipherSuite

    @property
    def budget(self) -> int:
        """Bytes per direction: repeated blocks become likely beyond (Sweet32)."""
        return 1 << (4 * self.suite.iv_length - 1)

    def encryptor(self, block: bytes) -> StreamCipher:
        """Start our direction; ValueError if ``block`` is too short for this cipher."""
        context = self._cipher(block).encryptor()
        return StreamCipher(context.update, self.budget, "encryption of data to")

    def decryptor(self, block: bytes) -> StreamCipher:
        """Start the peer's direction; ValueError as above."""
        context = self._cipher(block).decryptor()
        return StreamCipher(context.update, self.budget, "decryption of data from")

    def _cipher(self, block: bytes) -> Cipher[StreamMode]:
        """Take the key from the end of the block and the IV from in front of it."""
        split = len(block) - self.suite.key_length
        start = split - self.suite.iv_length
        if start < 0:
            raise ValueError("RSA key too short for the cipher")
        family, mode = _family_and_mode(self.suite)
        try:
            algorithm = ALGORITHMS[family](block[split:])
            return Cipher(algorithm, _MODES[mode](block[start:split]))
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error


def _family_and_mode(suite: CipherSuite) -> tuple[str, str]:
    """Return ``aes`` and ``ctr`` of ``aes-256-ctr``."""
    family, _, rest = suite.name.partition("-")
    return family, rest.rpartition("-")[2]


def _is_stream(suite: CipherSuite) -> bool:
    family, mode = _family_and_mode(suite)
    return family in _FAMILIES and mode in _MODES


#: Stream ciphers by number.
CIPHERS: Final = {suite.nid: MetaCipher(suite) for suite in SUITES if _is_stream(suite)}


def digest(nid: int, data: bytes) -> bytes | None:
    """Return the digest of ``data``, or None if there is no such digest here."""
    found = find_digest(nid)
    if found is None or found.is_null or not found.usable:
        return None
    return found.new(data).digest()


def digest_name(nid: int) -> str | None:
    """Return OpenSSL's name of a digest, or None if there is no such digest here."""
    found = find_digest(nid)
    return None if found is None else found.name


def digest_size(nid: int) -> int | None:
    """Return the length of a digest in bytes, or None if there is no such digest."""
    empty = digest(nid, b"")
    return None if empty is None else len(empty)
