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

Keys, numbers and the replay window are where packets are moved; both ends of a session
live as long as the session, through its rekeys.

Plain records are taken over TCP alone, where they always come: else anybody who can
forge an address could take part in the handshake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

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
from tincd_compat.crypto.sptps.recordcipher import TAG_SIZE
from tincd_compat.crypto.sptps.records import (
    HANDSHAKE,
    LAST_KIND,
    WORN,
    SptpsRecord,
    refused,
    used_up,
)
from tincd_compat.dataclass import dataclass

_NUMBER_SIZE: Final = 4


class RecordSealer(Protocol):
    """What makes datagrams, whatever keys the session goes through."""

    @property
    def number(self) -> int:
        """The number of the next datagram."""

    def rekey(self, key: bytes, /) -> None:
        """Seal with another key from now on."""

    def seal(self, kind: int, data: bytes, /) -> bytes | None:
        """Return the datagram of one record, None if there is no number for it."""


class RecordOpener(Protocol):
    """What opens datagrams, with one key or two."""

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""

    def expect(self, key: bytes, /) -> None:
        """Open what comes under another key, too."""

    def change(self) -> None:
        """Forget the old key with the next datagram under the newest."""

    def unseal(self, datagram: bytes, /) -> tuple[int, int, bytes] | None:
        """Return number, kind and data of a genuine record, whatever its number."""

    def admit(self, number: int, /) -> bool:
        """Pass a number through the replay window; False if it is not acceptable."""

    def reaches(self, number: int, /) -> bool:
        """Tell whether the window can tell if a number has been here."""


@dataclass(frozen=True, slots=True)
class Ends:
    """How both ends of a session are made, once it has keys of 32 bytes.

    ``sealer(key, number)`` numbers its datagrams from ``number`` on.
    """

    sealer: Callable[[bytes, int], RecordSealer]
    opener: Callable[[bytes], RecordOpener]


class Arrival(NamedTuple):
    """What a datagram was: a record of the application, or a reason for answers."""

    record: SptpsRecord | None
    #: Handshake records to be sent over TCP, in order.
    replies: tuple[bytes, ...]


class DatagramSession:
    """One side of a session in datagrams: datagrams in, records out, and back."""

    def __init__(self, terms: Terms, offers: Callable[[], Offer], ends: Ends) -> None:
        self._handshake = SptpsHandshake(terms, offers)
        self._ends = ends
        #: Both ends; None before the peer has signed.
        self.sealer: RecordSealer | None = None
        self.opener: RecordOpener | None = None
        #: The numbers of our next plain record and of the peer's.
        self._number = self._expected = 0
        #: The number of the peer's last encrypted handshake record.
        self._last_handshake = 0

    @property
    def state(self) -> HandshakeState:
        """The state of the handshake."""
        return self._handshake.state

    @property
    def worn(self) -> bool:
        """Tell whether the session has had so many records that it should end."""
        if self.sealer is None or self.opener is None:
            return False
        return max(self.sealer.number, self.opener.highest) >= WORN

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
        if self.sealer is None:
            raise ValueError("there are no keys yet")
        if not 0 <= kind <= LAST_KIND:
            raise ValueError("the application has no such records")
        return _sealed(self.sealer, kind, data)

    def receive(self, datagram: bytes, *, over_tcp: bool) -> Arrival:
        """Open a datagram; PeerError, and no change, unless it is a genuine new one.

        ``over_tcp`` tells that it came over meta connections, in order.
        """
        opener = self.opener
        if opener is None:
            return Arrival(None, self._receive_plain(datagram, over_tcp))
        if len(datagram) <= _NUMBER_SIZE + TAG_SIZE:
            raise refused("a too short SPTPS datagram")
        record = opener.unseal(datagram)
        if record is None:
            raise refused("a forged SPTPS datagram")
        number, kind, data = record
        if kind < HANDSHAKE:
            _admit(opener, number)
            return Arrival(SptpsRecord(kind, data), ())
        if kind != HANDSHAKE:
            raise refused(f"a SPTPS record of kind {kind}")
        self._admit_handshake(opener, number, over_tcp)
        return Arrival(None, self._perform(self._handshake.receive(data)))

    def _receive_plain(self, datagram: bytes, over_tcp: bool) -> tuple[bytes, ...]:
        """Take a record of the first handshake."""
        if not over_tcp:
            raise refused("a SPTPS datagram before there are keys")
        number = int.from_bytes(datagram[:_NUMBER_SIZE])
        if len(datagram) <= _NUMBER_SIZE or number != self._expected:
            raise refused("a plain SPTPS record out of order")
        if datagram[_NUMBER_SIZE] != HANDSHAKE:
            raise refused("a plain SPTPS record before the handshake")
        effects = self._handshake.receive(datagram[_NUMBER_SIZE + 1 :])
        self._expected += 1
        return self._perform(effects)

    def _admit_handshake(
        self, opener: RecordOpener, number: int, over_tcp: bool
    ) -> None:
        """Tell a new handshake record from one that has been here."""
        if number <= self._last_handshake:
            raise refused("a replayed SPTPS handshake record")
        if not over_tcp or opener.reaches(number):
            _admit(opener, number)
        self._last_handshake = number

    def _perform(self, effects: tuple[Effect, ...]) -> tuple[bytes, ...]:
        said = []
        for effect in effects:
            match effect:
                case Say(data):
                    said.append(self._say(data))
                case SealWith(key):
                    self._seal_with(key)
                case Expect(key):
                    self._expect(key)
                case Changed():
                    assert self.opener is not None
                    self.opener.change()
        return tuple(said)

    def _seal_with(self, key: bytes) -> None:
        if self.sealer is None:
            self.sealer = self._ends.sealer(key, self._number)
        else:
            self.sealer.rekey(key)

    def _expect(self, key: bytes) -> None:
        if self.opener is None:
            self.opener = self._ends.opener(key)
        else:
            self.opener.expect(key)

    def _say(self, data: bytes) -> bytes:
        """Return a handshake record under the outgoing key of this moment."""
        if self.sealer is not None:
            return _sealed(self.sealer, HANDSHAKE, data)
        number = self._number
        self._number += 1
        return number.to_bytes(_NUMBER_SIZE) + bytes([HANDSHAKE]) + data


def _sealed(sealer: RecordSealer, kind: int, data: bytes) -> bytes:
    datagram = sealer.seal(kind, data)
    if datagram is None:
        raise used_up()
    return datagram


def _admit(opener: RecordOpener, number: int) -> None:
    """Pass the number of a genuine datagram through the replay window."""
    if not opener.admit(number):
        raise refused("a SPTPS datagram that is late, replayed or far ahead")
