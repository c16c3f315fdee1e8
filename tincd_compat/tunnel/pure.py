"""The Python half of the codec: numbers, ciphers, MACs and the replay window.

It knows nothing of compression, which is the codec's business for both halves.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from tincd_compat.tunnel import ciphers
from tincd_compat.tunnel.ciphers import SEQNO_SIZE
from tincd_compat.tunnel.drops import Drop, Opened
from tincd_compat.tunnel.replay import ReplayWindow, Verdict
from tincd_compat.tunnel.suites import Digest, Suite


class Mac:
    """A truncated HMAC with both of its key states saved."""

    __slots__ = ("_inner", "_outer", "length")

    def __init__(self, digest: Digest, key: bytes, length: int) -> None:
        block = digest.new().block_size
        if len(key) > block:
            key = digest.new(key).digest()
        padded = key.ljust(block, b"\0")
        self._inner = digest.new(bytes(byte ^ 0x36 for byte in padded))
        self._outer = digest.new(bytes(byte ^ 0x5C for byte in padded))
        self.length = length

    def tag(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()[: self.length]


def _mac(suite: Suite, key_block: bytes) -> Mac | None:
    if not suite.authenticates:
        return None
    return Mac(suite.digest, key_block, suite.maclength)


class PureSealer:
    """Numbers, encrypts and authenticates bodies."""

    def __init__(self, suite: Suite, key_block: bytes) -> None:
        #: The number of the last datagram.
        self.sequence = 0
        self._encrypt = ciphers.encryptor(suite.cipher, key_block).encrypt_train
        self._mac = _mac(suite, key_block)

    def seal_train(self, bodies: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return one datagram for each body; there must be numbers left for them."""
        first = self.sequence + 1
        self.sequence += len(bodies)
        train = self._encrypt(first, bodies)
        if self._mac is None:
            return train
        tag = self._mac.tag
        return [sealed + tag(sealed) for sealed in train]


class PureOpener:
    """Checks the MAC and the number of datagrams, and decrypts them."""

    def __init__(self, suite: Suite, key_block: bytes, window_bytes: int) -> None:
        self._decrypt = ciphers.decryptor(suite.cipher, key_block).decrypt_train
        self._mac = _mac(suite, key_block)
        self._window = ReplayWindow(window_bytes)
        # The configured MAC length counts here even when no MAC is sent.
        self._shortest = SEQNO_SIZE + suite.maclength

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return self._window.highest

    def matches(self, datagram: bytes) -> bool:
        """Tell whether this peer sealed the datagram; never true without a MAC."""
        return self._mac is not None and not isinstance(self._verified(datagram), Drop)

    def open_train(self, datagrams: Sequence[bytes]) -> list[Opened]:
        """Open datagrams in the order of their arrival; one result for each."""
        verified = [self._verified(datagram) for datagram in datagrams]
        genuine = [data for data in verified if not isinstance(data, Drop)]
        plain = iter(self._decrypt(genuine))
        return [
            Opened(b"", drop=data)
            if isinstance(data, Drop)
            else self._admit(next(plain))
            for data in verified
        ]

    def _verified(self, datagram: bytes) -> bytes | Drop:
        """Return the ciphertext of a datagram whose MAC is right."""
        if len(datagram) < self._shortest:
            return Drop.TOO_SHORT
        mac = self._mac
        if mac is None:
            return datagram
        sealed = datagram[: -mac.length]
        if hmac.compare_digest(datagram[-mac.length :], mac.tag(sealed)):
            return sealed
        return Drop.UNAUTHENTICATED

    def _admit(self, plain: bytes | None) -> Opened:
        """Pass a decrypted packet through the replay window."""
        if plain is None:
            return Opened(b"", drop=Drop.UNDECRYPTABLE)
        length = len(plain) - SEQNO_SIZE
        if length < 0:
            return Opened(b"", drop=Drop.TOO_SHORT)
        seqno = int.from_bytes(plain[:SEQNO_SIZE])
        window = self._window
        last = window.highest
        verdict = window.check(seqno)
        lost = 0
        if verdict is not Verdict.ACCEPT:
            if verdict is Verdict.LATE:
                return Opened(b"", length, Drop.LATE, seqno, last)
            if verdict is Verdict.FUTURE:
                return Opened(b"", length, Drop.FUTURE, seqno, last, window.strays)
            lost = seqno - last - 1
        return Opened(plain[SEQNO_SIZE:], length, None, seqno, last, 0, lost)
