"""The Python half of the codec: numbers, ciphers, MACs and the replay window.

Compression is the codec's business for both halves: this one knows nothing of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat.crypto import packetciphers
from tincd_compat.crypto.packetciphers import SEQNO_SIZE
from tincd_compat.crypto.replay import ReplayWindow, Verdict
from tincd_compat.crypto.suites import Digest, Suite
from tincd_compat.tunnel.drops import Drop, Opened

#: The number field ends here; receivers ask for a new key at a quarter of it.
LAST_SEQUENCE: Final = 0xFFFFFFFF

_UNAUTHENTICATED: Final = Opened(b"", drop=Drop.UNAUTHENTICATED)
# Half the price of the class itself.
_opened: Final[Callable[[type[Opened], tuple[object, ...]], Opened]] = tuple.__new__


class Mac:
    """A truncated HMAC with both of its key states saved.

    The steps stand in each place that works packets, since a call for each is felt,
    above all by a packet alone.
    """

    __slots__ = ("inner", "length", "outer")

    def __init__(self, digest: Digest, key: bytes, length: int) -> None:
        block = digest.new().block_size
        if len(key) > block:
            key = digest.new(key).digest()
        padded = key.ljust(block, b"\0")
        #: Functions that return a hash in the state behind the key, to be fed.
        self.inner = digest.new(bytes(byte ^ 0x36 for byte in padded)).copy
        self.outer = digest.new(bytes(byte ^ 0x5C for byte in padded)).copy
        self.length = length

    def append(self, train: Sequence[bytes]) -> list[bytes]:
        """Return the ciphertexts of a train with their tags."""
        new_inner, new_outer, length = self.inner, self.outer, self.length
        tagged = []
        for data in train:
            inner, outer = new_inner(), new_outer()
            inner.update(data)
            outer.update(inner.digest())
            tagged.append(data + outer.digest()[:length])
        return tagged

    def strip(self, train: Sequence[bytes]) -> list[bytes | None]:
        """Return ciphertexts without their tags, None for those whose tag is wrong."""
        new_inner, new_outer, length = self.inner, self.outer, self.length
        equal = hmac.compare_digest
        stripped: list[bytes | None] = []
        for data in train:
            sealed = data[:-length]
            inner, outer = new_inner(), new_outer()
            inner.update(sealed)
            outer.update(inner.digest())
            right = equal(data[-length:], outer.digest()[:length])
            stripped.append(sealed if right else None)
        return stripped


def _mac(suite: Suite, key_block: bytes) -> Mac | None:
    if not suite.authenticates:
        return None
    return Mac(suite.digest, key_block, suite.maclength)


class PureSealer:
    """Numbers, encrypts and authenticates bodies."""

    def __init__(self, suite: Suite, key_block: bytes) -> None:
        #: The number of the last datagram: so many were sealed.
        self.sequence = 0
        #: Bytes of their bodies.
        self.bytes_sealed = 0
        encryptor = packetciphers.encryptor(suite.cipher, key_block)
        self._encrypt = encryptor.encrypt_train
        self._encrypt_one = encryptor.encrypt
        self._mac = _mac(suite, key_block)

    def seal_train(self, bodies: Sequence[bytes | bytearray]) -> list[bytes]:
        """Return one datagram for each body; there must be numbers left for them."""
        first = self.sequence + 1
        self.sequence += len(bodies)
        self.bytes_sealed += sum(map(len, bodies))
        train = self._encrypt(first, bodies)
        if self._mac is None:
            return train
        return self._mac.append(train)

    def seal(self, body: bytes | bytearray) -> bytes | None:
        """Return the datagram of one body, None if there is no number left for it."""
        number = self.sequence + 1
        if number > LAST_SEQUENCE:
            return None
        self.sequence = number
        self.bytes_sealed += len(body)
        data, mac = self._encrypt_one(number, body), self._mac
        if mac is None:
            return data
        inner, outer = mac.inner(), mac.outer()
        inner.update(data)
        outer.update(inner.digest())
        return data + outer.digest()[: mac.length]


class PureOpener:
    """Checks the MAC and the number of datagrams, and decrypts them."""

    def __init__(self, suite: Suite, key_block: bytes, window_bytes: int) -> None:
        decryptor = packetciphers.decryptor(suite.cipher, key_block)
        self._decrypt = decryptor.decrypt_train
        self._decrypt_one = decryptor.decrypt
        self._mac = _mac(suite, key_block)
        self._window = ReplayWindow(window_bytes)
        # The configured MAC length counts here even when no MAC is sent.
        self._shortest = SEQNO_SIZE + suite.maclength
        #: Datagrams that were accepted, and bytes of their bodies.
        self.packets_opened = self.bytes_opened = 0
        #: When :meth:`open` has last accepted one, by its caller; 0 for never.
        self.heard = 0.0

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return self._window.highest

    def matches(self, datagram: bytes) -> bool:
        """Tell whether this peer sealed the datagram; never true without a MAC."""
        if self._mac is None or len(datagram) < self._shortest:
            return False
        return self._mac.strip([datagram])[0] is not None

    def open_train(self, datagrams: Sequence[bytes]) -> list[Opened]:
        """Open datagrams in the order of their arrival; one result for each."""
        if min(map(len, datagrams), default=0) < self._shortest:
            return [self._open_or_drop(datagram) for datagram in datagrams]
        sealed = datagrams if self._mac is None else self._mac.strip(datagrams)
        genuine = [data for data in sealed if data is not None]
        plain = self._decrypt(genuine)
        run = None if len(genuine) < len(datagrams) else self._admit_run(plain)
        if run is not None:
            return run
        rest = iter(plain)
        return [
            _UNAUTHENTICATED if data is None else self._admit(next(rest))
            for data in sealed
        ]

    def open(self, datagram: bytes, now: float) -> bytes | None:
        """Return the body of a genuine datagram that follows the last one.

        None for any other, which :meth:`open_train` is to judge: it has not been here.
        """
        if len(datagram) < self._shortest:
            return None
        mac = self._mac
        if mac is not None:
            tag = datagram[-mac.length :]
            datagram = datagram[: -mac.length]
            inner, outer = mac.inner(), mac.outer()
            inner.update(datagram)
            outer.update(inner.digest())
            if not hmac.compare_digest(tag, outer.digest()[: mac.length]):
                return None
        plain = self._decrypt_one(datagram)
        if plain is None or len(plain) < SEQNO_SIZE:
            return None
        if not self._window.follows(int.from_bytes(plain[:SEQNO_SIZE])):
            return None
        self.packets_opened += 1
        self.heard = now
        self.bytes_opened += len(plain) - SEQNO_SIZE
        return plain[SEQNO_SIZE:]

    def _open_or_drop(self, datagram: bytes) -> Opened:
        if len(datagram) < self._shortest:
            return Opened(b"", drop=Drop.TOO_SHORT)
        return self.open_train([datagram])[0]

    def _admit_run(self, plain: Sequence[bytes | None]) -> list[Opened] | None:
        """Admit packets that follow each other and the last one; None if they do not.

        That is what nearly every train looks like.
        """
        number = self._window.highest
        total = 0
        run = []
        for data in plain:
            number += 1
            if data is None or len(data) < SEQNO_SIZE:
                return None
            if int.from_bytes(data[:SEQNO_SIZE]) - number:
                return None
            length = len(data) - SEQNO_SIZE
            total += length
            fields = (data[SEQNO_SIZE:], length, None, number, number - 1, 0, 0)
            run.append(_opened(Opened, fields))
        self._window.advance(len(run))
        self.packets_opened += len(run)
        self.bytes_opened += total
        return run

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
        self.packets_opened += 1
        self.bytes_opened += length
        return Opened(plain[SEQNO_SIZE:], length, None, seqno, last, 0, lost)
