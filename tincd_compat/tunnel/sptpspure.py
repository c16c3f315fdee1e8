"""The Python half of the SPTPS codec: numbers, records and the replay window.

The compiled half (``_fast/sptps.h``) does the same to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tincd_compat.crypto.replay import SptpsWindow, Verdict
from tincd_compat.crypto.sptps.derivation import NODE_ID_SIZE
from tincd_compat.crypto.sptps.recordcipher import TAG_SIZE, RecordCipher
from tincd_compat.crypto.sptps.records import HANDSHAKE, LIMIT
from tincd_compat.tunnel.drops import Drop

#: The kind of a record with data is the sum of these.
PACKET: Final = 0
COMPRESSED: Final = 1
FRAME: Final = 2
PROBE: Final = 4
#: What carries a frame, and what only Python sees to.
_PLAIN: Final = (PACKET, FRAME, PROBE)
_ODD: Final = (PACKET | COMPRESSED, FRAME | COMPRESSED, HANDSHAKE)

SEQNO_SIZE: Final = 4
#: What a datagram has beside the data of its record, without the IDs of two nodes.
OVERHEAD: Final = SEQNO_SIZE + 1 + TAG_SIZE
#: The number of the first datagram behind the two plain ones of the first handshake.
FIRST_NUMBER: Final = 2
_IDS_SIZES: Final = (0, 2 * NODE_ID_SIZE)

_ETHERNET: Final = 14
_TYPE: Final = slice(12, 14)
_NO_TYPE: Final = bytes(2)
#: The Ethernet header of a packet that came without, by the first digit of the packet.
_LINKS: Final = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}


class SptpsOpened(NamedTuple):
    """A datagram after opening, with the fields of ``Opened`` and the record's kind.

    ``frame`` is that of kinds 0, 2 and 4, with its Ethernet header, and the data of
    others: of compressed records and of the handshake.  ``length`` is its length, or
    that of the data where it is refused; then ``frame`` is empty.
    """

    frame: bytes
    length: int = 0
    drop: Drop | None = None
    seqno: int = 0
    last: int = 0
    strays: int = 0
    lost: int = 0
    kind: int = 0


def frame_of(kind: int, data: bytes, *, switching: bool) -> bytes | None:
    """Return the frame in the data of an uncompressed record; None if it has none.

    A frame of EtherType 0 comes as a probe or not at all, or it would pass for one.
    """
    if kind == PACKET:
        link = _LINKS.get(data[0] >> 4) if data and not switching else None
        return None if link is None else link + data
    if kind not in _PLAIN or len(data) < _ETHERNET:
        return None
    return data if (data[_TYPE] == _NO_TYPE) == (kind == PROBE) else None


def _checked(ids: bytes) -> bytes:
    if len(ids) not in _IDS_SIZES:
        raise ValueError("two IDs have 12 bytes")
    return ids


class PureSptpsSealer:
    """Numbers and seals records, whatever keys the session goes through."""

    def __init__(self, key: bytes, switching: bool, number: int = FIRST_NUMBER) -> None:
        #: The number of the next datagram.
        self.number = number
        #: Frames that were sealed, probes among them, and their bytes.
        self.packets_sealed = self.bytes_sealed = 0
        self._switching = switching
        self._cipher = RecordCipher(key)

    def rekey(self, key: bytes) -> None:
        """Seal with another key from now on."""
        self._cipher = RecordCipher(key)

    def seal(
        self, kind: int, data: bytes | bytearray, ids: bytes = b""
    ) -> bytes | None:
        """Return the datagram of one record, None if there is no number for it."""
        _checked(ids)
        number = self.number
        if number >= LIMIT:
            return None
        self.number += 1
        if kind in _PLAIN:
            self.packets_sealed += 1
            self.bytes_sealed += len(data) + (0 if kind else _ETHERNET)
        body = self._cipher.seal(number, bytes((kind,)) + data)
        return ids + number.to_bytes(SEQNO_SIZE) + body

    def seal_train(
        self, frames: Sequence[bytes | bytearray], ids: bytes = b""
    ) -> list[bytes]:
        """Return one datagram for each frame; fewer only when the numbers run out."""
        if min(map(len, frames), default=_ETHERNET) < _ETHERNET:
            raise ValueError("frame too short")
        sealed = (self.seal(*self._record(frame), ids) for frame in frames)
        return [datagram for datagram in sealed if datagram is not None]

    def _record(self, frame: bytes | bytearray) -> tuple[int, bytes | bytearray]:
        if frame[_TYPE] == _NO_TYPE:
            return PROBE, frame
        return (FRAME, frame) if self._switching else (PACKET, frame[_ETHERNET:])


class PureSptpsOpener:
    """Checks tag and number of datagrams and decrypts them, with one key or two."""

    def __init__(self, key: bytes, switching: bool, window_bytes: int) -> None:
        self._switching = switching
        self._newest = RecordCipher(key)
        # The key that has fitted last, then the other one.
        self._ciphers = [self._newest]
        self._changed = False
        self._window = SptpsWindow(window_bytes)
        #: Frames that were accepted, probes among them, and their bytes.
        self.packets_opened = self.bytes_opened = 0

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return self._window.highest

    def expect(self, key: bytes) -> None:
        """Open what comes under another key, too."""
        self._newest, self._changed = RecordCipher(key), False
        self._ciphers[1:] = [self._newest]

    def change(self) -> None:
        """Forget the old key with the next datagram under the newest."""
        self._changed = True
        self._retire()

    def _retire(self) -> None:
        if self._changed and self._ciphers[0] is self._newest:
            del self._ciphers[1:]

    def matches(self, datagram: bytes) -> bool:
        """Tell whether the tag is right under one of the keys."""
        number, body = self._parts(datagram)
        return len(datagram) >= OVERHEAD and any(
            cipher.open(number, body) is not None for cipher in self._ciphers
        )

    def unseal(self, datagram: bytes) -> tuple[int, int, bytes] | None:
        """Return number, kind and data of a genuine record, whatever its number."""
        number, body = self._parts(datagram)
        if len(datagram) < OVERHEAD or number >= LIMIT:
            return None
        text = self._decrypt(number, body)
        return None if text is None else (number, text[0], text[1:])

    def admit(self, number: int) -> bool:
        """Pass a number through the replay window; False if it is not acceptable."""
        return self._window.check(number) not in (Verdict.LATE, Verdict.FUTURE)

    def reaches(self, number: int) -> bool:
        """Tell whether the window can tell if a number has been here."""
        return self._window.reaches(number)

    def open_train(self, datagrams: Sequence[bytes]) -> list[SptpsOpened]:
        """Open datagrams in the order of their arrival; one result for each."""
        return [self._open(datagram) for datagram in datagrams]

    def _open(self, datagram: bytes) -> SptpsOpened:
        if len(datagram) < OVERHEAD:
            return SptpsOpened(b"", drop=Drop.TOO_SHORT)
        number, body = self._parts(datagram)
        text = self._decrypt(number, body)
        if text is None:
            return SptpsOpened(b"", drop=Drop.UNAUTHENTICATED)
        return self._admit(number, text[0], text[1:])

    @staticmethod
    def _parts(datagram: bytes) -> tuple[int, bytes]:
        return int.from_bytes(datagram[:SEQNO_SIZE]), datagram[SEQNO_SIZE:]

    def _decrypt(self, number: int, body: bytes) -> bytes | None:
        """Return kind and data of a record that either key has sealed."""
        for index, cipher in enumerate(self._ciphers):
            text = cipher.open(number, body)
            if text is not None:
                if index:
                    self._ciphers.reverse()
                self._retire()
                return text
        return None

    def _admit(self, number: int, kind: int, data: bytes) -> SptpsOpened:
        """Pass a record through the replay window, and see what it is."""
        window = self._window
        last, length = window.highest, len(data)
        verdict = window.check(number) if number < LIMIT else Verdict.FUTURE
        if verdict is Verdict.LATE:
            return SptpsOpened(b"", length, Drop.LATE, number, last, kind=kind)
        if verdict is Verdict.FUTURE:
            strays = window.strays
            return SptpsOpened(
                b"", length, Drop.FUTURE, number, last, strays, kind=kind
            )
        lost = number - last - 1 if verdict is Verdict.RESUME else 0
        frame = frame_of(kind, data, switching=self._switching)
        if frame is not None:
            self.packets_opened += 1
            self.bytes_opened += len(frame)
        elif kind in _ODD:
            frame = data
        drop = Drop.UNDECRYPTABLE if frame is None else None
        frame = frame or b""
        length = len(frame) if drop is None else length
        return SptpsOpened(frame, length, drop, number, last, 0, lost, kind)
