"""The cipher of records: ChaCha20 and Poly1305 as OpenSSH puts them together.

The nonce is the record's number, block 0 of the key stream gives the key of the tag,
and the tag is that of the ciphertext alone: the AEAD of RFC 8439 pads and adds lengths,
and so has another tag.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

TAG_SIZE: Final = 16
#: Bytes of a block of the key stream, and how many of the first make the tag's key.
_BLOCK: Final = bytes(64)
_TAG_KEY: Final = 32
#: The nonce in front of the number: block counter, and the upper half of the number.
_NONCE_HEAD: Final = bytes(12)


class RecordCipher:
    """One key of one direction; its context is kept and started again per record.

    A context is not made for two threads.
    """

    __slots__ = ("_reset", "_update", "key")

    def __init__(self, key: bytes) -> None:
        #: The key, 32 bytes, for whoever works the same records elsewhere.
        self.key = key
        context = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
        self._update = context.update
        self._reset = context.reset_nonce

    def seal(self, number: int, text: bytes) -> bytes:
        """Return ciphertext and tag of ``text``; no number may be used twice."""
        self._reset(_NONCE_HEAD + number.to_bytes(4))
        stream = self._update(_BLOCK + text)
        sealed = stream[64:]
        return sealed + Poly1305.generate_tag(stream[:_TAG_KEY], sealed)

    def open(self, number: int, body: bytes) -> bytes | None:
        """Return the text of ciphertext and tag, None unless the tag is right."""
        if len(body) < TAG_SIZE:
            return None
        sealed, tag = body[:-TAG_SIZE], body[-TAG_SIZE:]
        self._reset(_NONCE_HEAD + number.to_bytes(4))
        stream = self._update(_BLOCK + sealed)
        right = Poly1305.generate_tag(stream[:_TAG_KEY], sealed)
        return stream[64:] if hmac.compare_digest(right, tag) else None
