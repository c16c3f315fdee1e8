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

import functools
import logging
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from tincd_compat import logs
from tincd_compat._fast import core
from tincd_compat.crypto import library
from tincd_compat.crypto.replay import DEFAULT_WINDOW
from tincd_compat.crypto.suites import Suite
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.drops import Drop, Opened
from tincd_compat.tunnel.pure import LAST_SEQUENCE, PureOpener, PureSealer
from tincd_compat.tunnel.traffic import NOTHING, Traffic

__all__ = [
    "DROPS",
    "LAST_SEQUENCE",
    "Drop",
    "Opened",
    "Opener",
    "Sealer",
    "log_train",
    "unusable",
]

#: A received number above this makes us renew our key.
MAX_SEQNO: Final = 0x40000000
#: Refusals as the compiled half numbers them.
DROPS: Final = (
    None,
    Drop.TOO_SHORT,
    Drop.UNAUTHENTICATED,
    Drop.UNDECRYPTABLE,
    Drop.LATE,
    Drop.FUTURE,
)


def _suite_for_core(
    suite: Suite,
) -> tuple[str | None, str | None, int, int, int, int]:
    cipher, digest = suite.cipher, suite.digest
    return (
        None if cipher.is_null else cipher.name,
        None if digest.is_null else digest.name,
        cipher.key_length,
        cipher.iv_length,
        cipher.block_size,
        suite.maclength,
    )


def _sealer(suite: Suite, key_block: bytes) -> core.Sealer | PureSealer:
    """Make the fastest sealer there is for the suite."""
    if core is not None:
        try:
            return core.Sealer(*_suite_for_core(suite), key_block)
        except ValueError as error:
            fall_back(suite.cipher.name, suite.digest.name, str(error))
    return PureSealer(suite, key_block)


def _opener(
    suite: Suite, key_block: bytes, window_bytes: int
) -> core.Opener | PureOpener:
    if core is not None:
        try:
            return core.Opener(*_suite_for_core(suite), key_block, window_bytes)
        except ValueError as error:
            fall_back(suite.cipher.name, suite.digest.name, str(error))
    return PureOpener(suite, key_block, window_bytes)


@functools.cache
def fall_back(cipher: str, digest: str, reason: str) -> None:
    """Tell, once for each suite, that only Python works its packets on this machine.

    OpenSSL of the system may lack what the Python package brings along.  Before 3.0.3
    it gets every MAC but the first wrong that a kept context makes.
    """
    line = "Packets with %s and %s go the Python way: %s"
    logs.always.warning(line, cipher, digest, reason)


def _opened(
    frame: bytes, length: int, drop: int, seqno: int, last: int, strays: int, lost: int
) -> Opened:
    return Opened(frame, length, DROPS[drop], seqno, last, strays, lost)


def unusable(suite: Suite, level: int) -> str | None:
    """Return why packets cannot be sealed on this machine, or None if they can."""
    parts = (("cipher", suite.cipher), ("digest", suite.digest))
    for kind, part in parts:
        if part.unfit:
            return f"the {kind} {part.name} cannot carry packets"
        if not part.usable:
            return f"the {kind} {part.name} is not available"
    if not compression.available(level):
        return f"compression level {level} is not available"
    return None


def cryptography(suite: Suite) -> str:
    """Return what works this suite on this machine, in words for the log."""
    if core is None:
        # Other nodes' suites come later, perhaps inside another root directory.
        library.load()
    instructions = () if core is None else core.features.split(", ")
    used: list[str] = []
    if suite.encrypts:
        is_aes_cbc = re.fullmatch("aes-[0-9]+-cbc", suite.cipher.name) is not None
        by_hand = is_aes_cbc and "AES-NI" in instructions
        used.append("AES-NI" if by_hand else "OpenSSL")
    if suite.authenticates:
        if core is None or suite.digest.name != "sha256":
            used.append("OpenSSL")
        else:
            used.append("SHA-NI" if "SHA-NI" in instructions else "portable SHA-256")
    return ", ".join(dict.fromkeys(used)) or "no cryptography"


class Sealer:
    """Makes datagrams towards a peer, numbered from 1.

    Raises ValueError if this machine cannot work the suite or the compression level.
    """

    def __init__(self, suite: Suite, key_block: bytes, level: int = 0) -> None:
        reason = unusable(suite, level)
        if reason is not None:
            raise ValueError(reason)
        self._train = _sealer(suite, key_block)
        self._compress = compression.compressor(level) if level else None
        #: Bytes of frames before they were packed.
        self._packed = 0

    @property
    def sequence(self) -> int:
        """The number of the last datagram."""
        return self._train.sequence

    @sequence.setter
    def sequence(self, number: int) -> None:
        self._train.sequence = number

    @property
    def sent(self) -> Traffic:
        """What was sealed."""
        packed = self._compress is not None
        size = self._packed if packed else self._train.bytes_sealed
        return Traffic(self._train.sequence, size)

    @property
    def compiled(self) -> core.Sealer | None:
        """The compiled sealer; None if compression or a Python cipher is involved."""
        if isinstance(self._train, PureSealer) or self._compress is not None:
            return None
        return self._train

    @property
    def pure(self) -> PureSealer | None:
        """The Python sealer; None if compression or compiled code is involved."""
        if isinstance(self._train, PureSealer) and self._compress is None:
            return self._train
        return None

    @property
    def exhausted(self) -> bool:
        """Tell whether there is no number left under this key."""
        return self.sequence >= LAST_SEQUENCE

    def seal_train(self, frames: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return one datagram for each frame, in order.

        The list is shorter than ``frames`` only when the numbers run out.
        """
        bodies = frames[: LAST_SEQUENCE - self.sequence]
        if self._compress is not None:
            self._packed += sum(map(len, bodies))
            bodies = [self._compress(frame) for frame in bodies]
        return self._train.seal_train(bodies)


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
        # Most keys that a node asks for are never used by it.
        self._make = partial(_opener, suite, key_block, window_bytes)
        self._made: PureOpener | core.Opener | None = None
        self._authenticates = suite.authenticates
        self._decompress = compression.decompressor(level) if level else None
        #: Bytes of frames behind their unpacking.
        self._unpacked = 0
        #: The function that unpacks a body, None if bodies are frames.
        self.unpack = None if self._decompress is None else self._unpack

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return 0 if self._made is None else self._made.highest

    @property
    def received(self) -> Traffic:
        """The traffic that was accepted, by trains or by packets that came alone."""
        made = self._made
        if made is None:
            return NOTHING
        packed = self._decompress is not None
        size = self._unpacked if packed else made.bytes_opened
        return Traffic(made.packets_opened, size)

    @property
    def heard(self) -> float:
        """When a datagram was last accepted past :meth:`open_train`, 0 for never.

        In seconds of the clock of whoever moves packets in that way.
        """
        made = self._made
        if made is None:
            return 0.0
        return made.heard if isinstance(made, PureOpener) else made.heard / 1000

    @property
    def _train(self) -> PureOpener | core.Opener:
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def compiled(self) -> core.Opener | None:
        """The compiled opener, which does not unpack; None if Python opens them."""
        opener = self._train
        return None if isinstance(opener, PureOpener) else opener

    @property
    def pure(self) -> PureOpener | None:
        """The Python opener; None if compression or compiled code is involved."""
        opener = self._train
        if isinstance(opener, PureOpener) and self.unpack is None:
            return opener
        return None

    @property
    def needs_rekey(self) -> bool:
        """Tell whether the peer's numbers are so high that it needs a new key."""
        return self.highest > MAX_SEQNO

    @property
    def authenticates(self) -> bool:
        """Tell whether there is a MAC by which a datagram can be matched at all."""
        return self._authenticates

    def _unpack(self, body: bytes) -> bytes | None:
        """Return the frame of a packed body, None for one that is broken."""
        assert self._decompress is not None
        frame = self._decompress(body)
        self._unpacked += 0 if frame is None else len(frame)
        return frame

    def matches(self, datagram: bytes) -> bool:
        """Tell whether this peer sealed the datagram; never true without a MAC."""
        return self._train.matches(datagram)

    def open_train(self, datagrams: Sequence[bytes]) -> list[Opened]:
        """Open datagrams in the order of their arrival; one result for each."""
        opener = self._train
        if isinstance(opener, PureOpener):
            train = opener.open_train(datagrams)
        else:
            train = [_opened(*fields) for fields in opener.open_train(datagrams)]
        unpack = self.unpack
        if unpack is not None:
            train = [_decompressed(opened, unpack) for opened in train]
        return train


def _decompressed(opened: Opened, unpack: compression.Decompressor) -> Opened:
    if opened.drop is not None:
        return opened
    frame = unpack(opened.frame)
    if frame is None:
        return opened._replace(frame=b"", drop=Drop.UNCOMPRESSABLE, lost=0)
    return opened._replace(frame=frame)


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
