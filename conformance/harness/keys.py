"""RSA keys for the nodes, made once per run and used again by every case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: As many as the largest case has nodes, and one more for an impostor.
KEYS_PER_RUN: Final = 5

_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves as PEM text in the PKCS#1 form that tincd writes."""

    private: str
    public: str


class KeyStore:
    """Key pairs in a directory, by number from 0."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fill(self) -> None:
        """Make all the keys of a run."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for number in range(KEYS_PER_RUN):
            key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
            private, public = self._paths(number)
            private.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                )
            )
            public.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
                )
            )

    def pair(self, number: int) -> KeyPair:
        private, public = self._paths(number)
        return KeyPair(private.read_text(), public.read_text())

    def _paths(self, number: int) -> tuple[Path, Path]:
        stem = self._directory / f"key{number}"
        return stem.with_suffix(".priv"), stem.with_suffix(".pub")
