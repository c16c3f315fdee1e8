"""Our side of protocol 17.7: the Ed25519 key, and the sessions that begin with it.

This module loads the cryptography of the protocol.  A daemon without an Ed25519 key
does not import it.
"""

from __future__ import annotations

from collections.abc import Callable

from tincd_compat.crypto.sptps.derivation import meta_label
from tincd_compat.crypto.sptps.edwards import SigningKey, VerifyingKey
from tincd_compat.crypto.sptps.handshake import Offer, Terms
from tincd_compat.crypto.sptps.keytext import parse_public, public_text
from tincd_compat.crypto.sptps.stream import StreamSession
from tincd_compat.meta.recordstream import RecordStream
from tincd_compat.meta.steps import Role


class Sptps:
    """Our Ed25519 key at work; ``random_bytes(n)`` returns n fresh random bytes."""

    def __init__(
        self, name: str, key: SigningKey, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._name = name
        self._key = key
        self._random_bytes = random_bytes

    @property
    def public_text(self) -> str:
        """The 43 digits of our public key."""
        return public_text(self._key.public)

    @staticmethod
    def read_key(text: str) -> VerifyingKey | None:
        """Return the key that 43 digits stand for; None if they stand for none."""
        try:
            return parse_public(text)
        except ValueError:
            return None

    def begin(
        self, role: Role, peer: str, key: VerifyingKey, received: bytes, unsent: bytes
    ) -> RecordStream:
        """Begin the session of a link behind the IDs of both sides."""
        initiator = role is Role.INITIATOR
        names = (self._name, peer) if initiator else (peer, self._name)
        terms = Terms(initiator, self._key, key, meta_label(*names))
        session = StreamSession(terms, lambda: Offer.fresh(self._random_bytes))
        return RecordStream(session, peer, received, unsent)
