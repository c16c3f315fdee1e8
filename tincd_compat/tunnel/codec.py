"""Frames to datagrams and back, a train at a time.

::

    body       = the frame, compressed if the receiver wants that
    plaintext  = seqno (32 bits, big-endian) || body
    ciphertext = E(plaintext), or the plaintext if the cipher is null
    datagram   = ciphertext || first bytes of HMAC(whole key block, ciphertext)

The receiver dictates everything: a :class:`Sealer` works with the key the peer handed
out, an :class:`Opener` with the one we handed out.  Opening goes backwards and stops
at the first thing that is wrong: MAC, decryption, replay window, decompression.
Nothing on this path raises: what is refused comes back as a :class:`Drop`.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from tincd_compat import logs
from tincd_compat.tunnel import ciphers, compression
from tincd_compat.tunnel.ciphers import SEQNO_SIZE
from tincd_compat.tunnel.replay import DEFAULT_WINDOW, ReplayWindow, Verdict
from tincd_compat.tunnel.suites import Digest, Suite

#: The number field ends here; receivers ask for a new key at a quarter of it.
LAST_SEQUENCE: Final = 0xFFFFFFFF
#: A received number above this makes us renew our key.
MAX_SEQNO: Final = 0x40000000


class Drop(Enum):
    """Why a datagram is refused."""

    TOO_SHORT = "too short"
    UNAUTHENTICATED = "unauthenticated"
    UNDECRYPTABLE = "undecryptable"
    LATE = "late or replayed"
    FUTURE = "far in the future"
    UNCOMPRESSABLE = "uncompressable"


class Opened(NamedTuple):
    """A datagram after opening.

    ``length`` is that of the body as received, ``last`` the highest number before it.
    ``strays`` counts the packets dropped in a row for FUTURE; ``lost`` the numbers that
    are given up because this packet was accepted.
    """

    frame: bytes
    length: int = 0
    drop: Drop | None = None
    seqno: int = 0
    last: int = 0
    strays: int = 0
    lost: int = 0


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


def unusable(suite: Suite, level: int) -> str | None:
    """Return why packets cannot be sealed on this machine, or None if they can."""
    if not suite.cipher.usable:
        return f"the cipher {suite.cipher.name} is not available"
    if not suite.digest.usable:
        return f"the digest {suite.digest.name} is not available"
    if not compression.available(level):
        return f"compression level {level} is not available"
    return None


class Sealer:
    """Makes datagrams towards a peer, numbered from 1.

    Raises ValueError if this machine cannot work the suite or the compression level.
    """

    def __init__(self, suite: Suite, key_block: bytes, level: int = 0) -> None:
        reason = unusable(suite, level)
        if reason is not None:
            raise ValueError(reason)
        #: The number of the last datagram.
        self.sequence = 0
        self._encrypt = ciphers.encryptor(suite.cipher, key_block).encrypt_train
        self._mac = _mac(suite, key_block)
        self._level = level

    @property
    def exhausted(self) -> bool:
        """Tell whether there is no number left under this key."""
        return self.sequence >= LAST_SEQUENCE

    def seal_train(self, frames: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return one datagram for each frame, in order.

        The list is shorter than ``frames`` only when the numbers run out.
        """
        first = self.sequence + 1
        bodies = frames[: LAST_SEQUENCE - self.sequence]
        if self._level:
            bodies = [compression.compress(self._level, frame) for frame in bodies]
        self.sequence += len(bodies)
        train = self._encrypt(first, bodies)
        if self._mac is None:
            return train
        tag = self._mac.tag
        return [sealed + tag(sealed) for sealed in train]


class Opener:
    """Opens datagrams from a peer, sealed with the key block we gave it.

    Raises ValueError if this machine cannot work the suite.  A compression level it
    cannot work is no error: the peer's packets are then dropped one by one, its probes
    among them, and it falls back to TCP.
    """

    def __init__(
        self,
        suite: Suite,
        key_block: bytes,
        level: int = 0,
        window_bytes: int = DEFAULT_WINDOW,
    ) -> None:
        reason = unusable(suite, 0)
        if reason is not None:
            raise ValueError(reason)
        self._decrypt = ciphers.decryptor(suite.cipher, key_block).decrypt_train
        self._mac = _mac(suite, key_block)
        self._level = level
        self._window = ReplayWindow(window_bytes)
        # The configured MAC length counts here even when no MAC is sent.
        self._shortest = SEQNO_SIZE + suite.maclength

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return self._window.highest

    @property
    def needs_rekey(self) -> bool:
        """Tell whether the peer's numbers are so high that it needs a new key."""
        return self._window.highest > MAX_SEQNO

    @property
    def authenticates(self) -> bool:
        """Tell whether there is a MAC by which a datagram can be matched at all."""
        return self._mac is not None

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
        """Pass a decrypted packet through the replay window and decompress it."""
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
        frame = plain[SEQNO_SIZE:]
        if self._level:
            unpacked = compression.decompress(self._level, frame)
            if unpacked is None:
                return Opened(b"", length, Drop.UNCOMPRESSABLE, seqno, last)
            frame = unpacked
        return Opened(frame, length, None, seqno, last, 0, lost)


def log_train(train: Iterable[Opened], peer: object) -> None:
    """Log what was refused or lost; ``peer`` renders as ``NODE (HOST)``."""
    for opened in train:
        if opened.drop is not None or opened.lost:
            _log(opened, peer)


def _log(opened: Opened, peer: object) -> None:
    log = logs.traffic.log
    skipped = opened.seqno - opened.last - 1
    match opened.drop:
        case None:
            log(logging.WARNING, "Lost %d packets from %s", opened.lost, peer)
        case Drop.TOO_SHORT:
            log(logging.DEBUG, "Got too short packet from %s", peer)
        case Drop.UNAUTHENTICATED:
            log(logging.DEBUG, "Got unauthenticated packet from %s", peer)
        case Drop.UNDECRYPTABLE:
            log(logging.DEBUG, "Error decrypting packet from %s: bad decrypt", peer)
        case Drop.UNCOMPRESSABLE:
            log(logging.ERROR, "Error while uncompressing packet from %s", peer)
        case Drop.FUTURE:
            log(
                logging.WARNING,
                "Packet from %s is %d seqs in the future, dropped (%d)",
                *(peer, skipped, opened.strays),
            )
        case Drop.LATE:
            log(
                logging.WARNING,
                "Got late or replayed packet from %s, seqno %d, last received %d",
                *(peer, opened.seqno, opened.last),
            )
