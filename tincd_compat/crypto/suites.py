"""Suites: the cipher, digest and MAC length that a receiver asks of packets towards it.

Ciphers and digests are found by name, in any case, and by OpenSSL's number (NID).
"""

from __future__ import annotations

from typing import Final

from tincd_compat.crypto.algorithms import CipherMode, CipherSuite, Digest
from tincd_compat.crypto.nids import CIPHER_ALIASES, CIPHERS, DIGEST_ALIASES, DIGESTS
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

__all__ = [
    "CIPHERS",
    "DIGESTS",
    "CipherMode",
    "CipherSuite",
    "Digest",
    "Suite",
    "find_cipher",
    "find_digest",
    "meta_cipher_for",
]

_CIPHER_NAMES: Final = {cipher.name: cipher for cipher in CIPHERS}
_CIPHER_NIDS: Final = {cipher.nid: cipher for cipher in CIPHERS}
_DIGEST_NAMES: Final = {digest.name: digest for digest in DIGESTS}
_DIGEST_NIDS: Final = {digest.nid: digest for digest in DIGESTS}


def find_cipher(key: str | int) -> CipherSuite | None:
    """Return the cipher of that name (any case) or NID, None if there is none."""
    if isinstance(key, int):
        return _CIPHER_NIDS.get(key)
    name = key.lower()
    return _CIPHER_NAMES.get(CIPHER_ALIASES.get(name, name))


def find_digest(key: str | int) -> Digest | None:
    """Return the digest of that name (any case) or NID, None if there is none."""
    if isinstance(key, int):
        return _DIGEST_NIDS.get(key)
    name = key.lower()
    return _DIGEST_NAMES.get(DIGEST_ALIASES.get(name, name))


def meta_cipher_for(cipher: CipherSuite) -> int:
    """Return the NID of the meta connection's cipher: AES-CFB of a like key length."""
    if cipher.key_length <= 16:
        return 421
    return 425 if cipher.key_length <= 24 else 429


@dataclass(frozen=True, slots=True)
class Suite:
    """The demands of a receiver on packets towards it; ``maclength`` in bytes.

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
                reason = "is not available on this machine"
                if part.unfit:
                    reason = f"cannot carry packets: {part.unfit}"
                found.append(
                    f"{part.name} {reason}; packets to us have to travel over TCP"
                )
        return found
