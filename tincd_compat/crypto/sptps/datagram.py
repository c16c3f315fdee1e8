"""A session in datagrams, as between two nodes.

::

    plain      be32 number || kind || data                    until the peer has signed
    encrypted  be32 number || E(kind || data) || tag of 16    afterwards

Data travels by UDP, handshake records in REQ_KEY and ANS_KEY over TCP.  So data can
overtake them, and two rules of tinc 1.1 are relaxed, on the side of the receiver alone:

* From when the new key can be known, until a datagram under it and the ACK have come,
  both keys open datagrams.
* A handshake record that came over TCP may be outside of the replay window, if its
  number is above that of every handshake record before.

Plain records are taken over TCP alone, where they always come: else anybody who can
forge an address could take part in the handshake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tincd_compat.crypto.replay import DEFAULT_WINDOW, SptpsWindow, Verdict
from tincd_compat.crypto.sptps.handshake import (
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

_NUMBER_SIZE: Final = 4


class Arrival(NamedTuple):
    """What a datagram was: a record of the application, or a reason for answers."""

    record: SptpsRecord | None
    #: Handshake records to be sent over TCP, in order.
    replies: tuple[bytes, ...]


class DatagramSession:
    """One side of a session in datagrams: datagrams in, records out, and back."""

    def __init__(
        self,
        terms: Terms,
        offers: Callable[[], Offer],
        window_bytes: int = DEFAULT_WINDOW,
    ) -> None:
        self._handshake = SptpsHandshake(terms, offers)
        #: The key of the datagrams that we make; None before the peer has signed.
        self.outgoing: RecordCipher | None = None
        #: The keys of datagrams that may arrive: that of the last one first, then the
        #: other one.
        self.incoming: list[RecordCipher] = []
        #: The number of the next datagram that we make.
        self.number = 0
        #: The numbers of the datagrams that have arrived under keys.
        self.window = SptpsWindow(window_bytes)
        #: The key that the peer has or will have changed to, until nothing is left to
        #: come under the one before.
        self._newest: RecordCipher | None = None
        self._changed = False
        #: The number of the next plain record of the peer.
        self._expected = 0
        #: The number of the peer's last encrypted handshake record.
        self._last_handshake = 0

    @property
    def state(self) -> HandshakeState:
        """The state of the handshake."""
        return self._handshake.state

    @property
    def worn(self) -> bool:
        """Tell whether the session has had so many records that it should end."""
        return max(self.number, self.window.highest) >= WORN

    def begin(self) -> tuple[bytes, ...]:
        """Begin the handshake or a rekey; ValueError while one is under way.

        Returns the records to be sent over TCP.
        """
        return self._perform(self._handshake.begin())

    def seal(self, kind: int, data: bytes) -> bytes:
        """Return the datagram of a record of the application.

        ValueError without keys or for a kind that is not the application's, PeerError
        if the session has had too many records.
        """
        if self.outgoing is None:
            raise ValueError("there are no keys yet")
        if not 0 <= kind <= LAST_KIND:
            raise ValueError("the application has no such records")
        return self._seal(kind, data)

    def receive(self, datagram: bytes, *, over_tcp: bool) -> Arrival:
        """Open a datagram; PeerError, and no change, unless it is a genuine new one.

        ``over_tcp`` tells that it came over meta connections, in order.
        """
        number = int.from_bytes(datagram[:_NUMBER_SIZE])
        if not self.incoming:
            return Arrival(None, self._receive_plain(number, datagram, over_tcp))
        checked_number(number)
        text = self._open(number, datagram[_NUMBER_SIZE:])
        kind, data = text[0], text[1:]
        if kind < HANDSHAKE:
            self._admit(number)
            return Arrival(SptpsRecord(kind, data), ())
        if kind != HANDSHAKE:
            raise refused(f"a SPTPS record of kind {kind}")
        self._admit_handshake(number, over_tcp)
        return Arrival(None, self._perform(self._handshake.receive(data)))

    def _receive_plain(
        self, number: int, datagram: bytes, over_tcp: bool
    ) -> tuple[bytes, ...]:
        """Take a record of the first handshake."""
        if not over_tcp:
            raise refused("a SPTPS datagram before there are keys")
        if len(datagram) <= _NUMBER_SIZE or number != self._expected:
            raise refused("a plain SPTPS record out of order")
        if datagram[_NUMBER_SIZE] != HANDSHAKE:
            raise refused("a plain SPTPS record before the handshake")
        effects = self._handshake.receive(datagram[_NUMBER_SIZE + 1 :])
        self._expected += 1
        return self._perform(effects)

    def _open(self, number: int, body: bytes) -> bytes:
        """Return kind and data of a datagram that is sealed with either key."""
        if len(body) <= TAG_SIZE:
            raise refused("a too short SPTPS datagram")
        for index, cipher in enumerate(self.incoming):
            text = cipher.open(number, body)
            if text is not None:
                if index:
                    self.incoming.reverse()
                self._retire()
                return text
        raise refused("a forged SPTPS datagram")

    def _retire(self) -> None:
        """Forget the old key once the peer uses the new one, and has said so."""
        if self._changed and self.incoming[0] is self._newest:
            del self.incoming[1:]

    def _admit(self, number: int) -> None:
        """Pass a genuine datagram through the replay window."""
        verdict = self.window.check(number)
        if verdict is Verdict.LATE:
            raise refused("a late or replayed SPTPS datagram")
        if verdict is Verdict.FUTURE:
            raise refused("a SPTPS datagram from the far future")

    def _admit_handshake(self, number: int, over_tcp: bool) -> None:
        """Tell a new handshake record from one that has been here."""
        if number <= self._last_handshake:
            raise refused("a replayed SPTPS handshake record")
        if over_tcp and not self.window.reaches(number):
            self._last_handshake = number
            return
        self._admit(number)
        self._last_handshake = number

    def _perform(self, effects: tuple[Effect, ...]) -> tuple[bytes, ...]:
        said = []
        for effect in effects:
            match effect:
                case Say(data):
                    said.append(self._seal(HANDSHAKE, data))
                case SealWith(key):
                    self.outgoing = RecordCipher(key)
                case Expect(key):
                    self._newest, self._changed = RecordCipher(key), False
                    # Three keys can never be in use: what leads to a new one comes
                    # under the last, and then none before that is left.
                    self.incoming = [*self.incoming[:1], self._newest]
                case Changed():
                    self._changed = True
                    self._retire()
        return tuple(said)

    def _seal(self, kind: int, data: bytes) -> bytes:
        number = checked_number(self.number)
        self.number += 1
        text = bytes([kind]) + data
        body = text if self.outgoing is None else self.outgoing.seal(number, text)
        return number.to_bytes(_NUMBER_SIZE) + body
