"""A session on a byte stream, as on meta connections.

::

    plain      be16 n || kind || data                      until the peer has signed
    encrypted  be16 n || E(kind || data) || tag of 16      afterwards

n counts the data alone.  Both sides count records; the number is not sent.  Bytes that
are in no record may stand between two, if the records before say so.  (tinc 1.1
behaviour)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tincd_compat.crypto.sptps.edwards import SIGNATURE_SIZE
from tincd_compat.crypto.sptps.handshake import (
    KEX_SIZE,
    Changed,
    Effect,
    Expect,
    HandshakeState,
    Offer,
    Say,
    SealWith,
    SptpsHandshake,
    Terms,
)
from tincd_compat.crypto.sptps.recordcipher import TAG_SIZE, RecordCipher
from tincd_compat.crypto.sptps.records import (
    HANDSHAKE,
    LAST_KIND,
    WORN,
    SptpsRecord,
    checked_number,
    refused,
)
from tincd_compat.errors import Fault

#: The longest data of a record.
LONGEST: Final = 0xFFFF
_LENGTH_SIZE: Final = 2
#: How much of what has been read may stay in front of what has not.
_SLACK: Final = 1 << 16


class StreamSession:
    """One side of a session on a stream: bytes in, records out, and back.

    After a PeerError nothing more is to be fed in: the connection is to be dropped.
    """

    def __init__(self, terms: Terms, offers: Callable[[], Offer]) -> None:
        self._handshake = SptpsHandshake(terms, offers)
        self._outgoing: RecordCipher | None = None
        self._incoming: RecordCipher | None = None
        #: The key that the peer will use after its ACK.
        self._expected: RecordCipher | None = None
        #: The numbers of the next records.
        self._sent = self._received = 0
        self._output: list[bytes] = []
        self._input = bytearray()
        #: Bytes of the input that have been read.
        self._read = 0

    @property
    def state(self) -> HandshakeState:
        """The state of the handshake."""
        return self._handshake.state

    @property
    def encrypted(self) -> bool:
        """Tell whether the peer has proved who it is, and there are keys."""
        return self._outgoing is not None

    @property
    def worn(self) -> bool:
        """Tell whether the session has had so many records that it should end."""
        return max(self._sent, self._received) >= WORN

    def begin(self) -> None:
        """Begin the handshake; ValueError while one is under way."""
        self._perform(self._handshake.begin())

    def send(self, kind: int, data: bytes) -> None:
        """Add a record of the application to the output.

        ValueError without keys or for what no record can carry, PeerError if the
        session has had too many records.
        """
        if self._outgoing is None:
            raise ValueError("there are no keys yet")
        if not 0 <= kind <= LAST_KIND or len(data) > LONGEST:
            raise ValueError("no record can carry that")
        self._seal(kind, data)

    def send_raw(self, data: bytes) -> None:
        """Add bytes to the output that are in no record."""
        self._output.append(data)

    def take_output(self) -> bytes:
        """Return the bytes to be sent, once, in order."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        if self._read > _SLACK:
            del self._input[: self._read]
            self._read = 0
        self._input += data

    def take_raw(self, size: int) -> bytes | None:
        """Return the next ``size`` bytes as they came, None until they are there."""
        end = self._read + size
        if len(self._input) < end:
            return None
        data = bytes(self._input[self._read : end])
        self._advance(end)
        return data

    def next_record(self) -> SptpsRecord | None:
        """Return the next record of the application, None until it is there.

        Handshake records on the way are answered.  PeerError for what is not a record.
        """
        while (text := self._next_text()) is not None:
            kind, data = text[0], text[1:]
            if kind < HANDSHAKE:
                return SptpsRecord(kind, data)
            if kind != HANDSHAKE:
                raise refused(f"a SPTPS record of kind {kind}")
            self._perform(self._handshake.receive(data))
        return None

    def _next_text(self) -> bytes | None:
        """Return kind and data of the next record, None until it is there."""
        start = self._read + _LENGTH_SIZE
        size = int.from_bytes(self._input[self._read : start])
        if len(self._input) < start:
            return None
        cipher = self._incoming
        if cipher is None and size not in (KEX_SIZE, SIGNATURE_SIZE):
            # Nobody has to be waited for who has not proved anything.
            raise refused(f"a plain SPTPS record of {size} bytes")
        end = start + 1 + size + (0 if cipher is None else TAG_SIZE)
        if len(self._input) < end:
            return None
        body = bytes(self._input[start:end])
        self._advance(end)
        number = checked_number(self._received)
        self._received += 1
        if cipher is not None:
            text = cipher.open(number, body)
            if text is None:
                raise refused("a forged SPTPS record", Fault.WRONG_KEY)
            return text
        if body[0] != HANDSHAKE:
            raise refused("a plain SPTPS record before the handshake")
        return body

    def _advance(self, end: int) -> None:
        """Forget the input up to ``end``, at once if that is all."""
        self._read = end
        if end == len(self._input):
            self._input.clear()
            self._read = 0

    def _perform(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Say(data):
                    self._seal(HANDSHAKE, data)
                case SealWith(key):
                    self._outgoing = RecordCipher(key)
                case Expect(key):
                    self._expected = RecordCipher(key)
                case Changed():
                    self._incoming, self._expected = self._expected, None

    def _seal(self, kind: int, data: bytes) -> None:
        number = checked_number(self._sent)
        self._sent += 1
        text = bytes([kind]) + data
        body = text if self._outgoing is None else self._outgoing.seal(number, text)
        self._output.append(len(data).to_bytes(_LENGTH_SIZE) + body)
