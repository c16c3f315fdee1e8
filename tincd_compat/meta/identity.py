"""Identities of the two sides of a handshake: names, keys and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tincd_compat.crypto.sptps.edwards import VerifyingKey
    from tincd_compat.meta.sptps import Sptps

from tincd_compat.dataclass import dataclass


class RawPrivateKey(Protocol):
    """Our RSA key, of which only the modulus length in bytes matters here."""

    @property
    def size(self) -> int: ...


class RawPublicKey(Protocol):
    """The peer's RSA key: modulus length in bytes and bits, and the bare operation."""

    @property
    def size(self) -> int: ...

    @property
    def bits(self) -> int: ...

    def encrypt(self, block: bytes) -> bytes:
        """Return ``block ** e mod n`` in exactly ``size`` bytes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our own identity; ``meta_cipher`` is the number of our stream's cipher.

    ``options`` are our own flags, used where no host file is read.
    """

    name: str
    private_key: RawPrivateKey
    port: str
    meta_cipher: int
    options: int = 0
    #: What protocol 17.7 needs of us; None without an Ed25519 key.
    sptps: Sptps | None = None


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """The peer's identity by hosts/NAME: key, fixed weight, our options for the link.

    Only --bypass-security does without a key.
    """

    public_key: RawPublicKey | None
    weight: int | None
    options: int
    #: The peer's key for protocol 17.7, as far as we have one ourselves.
    ed25519: VerifyingKey | None = None
