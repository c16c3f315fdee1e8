"""Frames to SPTPS datagrams and back, a train at a time, in both directions.

::

    record   = kind (1 byte) || data
    datagram = number (32 bits, big-endian) || E(record) || tag of 16 bytes
    on UDP   = destination's ID || author's ID || datagram    towards minor 4 and up

(protocol 17.7, tinc 1.1 behaviour)

A session in datagrams has two keys, one for each direction.  Whoever has them makes one
:class:`SptpsSealer` and one :class:`SptpsOpener` of a session, and keeps both through
its rekeys: counters, numbers and the replay window go on, and the pumps, which work
with the compiled objects, need not hear of it.

* Frames are given and returned with their Ethernet headers.  Without switching they
  travel as kind 0 without, else as kind 2.  A frame of EtherType 0 is a probe, kind 4.
* Compressed records and those of the handshake are for the caller: ``seal(kind, data)``
  makes them, and ``open_train`` returns kind and data.
* Handshake records count as all others, and travel over TCP, where data can overtake
  them.  So they are opened with :meth:`SptpsOpener.unseal`, which leaves the window
  alone, and judged with ``reaches`` and ``admit``.
* Rekey: :meth:`SptpsOpener.expect` when the peer has signed, :meth:`SptpsSealer.rekey`
  behind our ACK, :meth:`SptpsOpener.change` at the ACK of the peer.
"""

from __future__ import annotations

from collections.abc import Sequence

from tincd_compat._fast import core
from tincd_compat.crypto.replay import DEFAULT_WINDOW
from tincd_compat.crypto.sptps.datagram import Ends
from tincd_compat.crypto.sptps.records import LIMIT
from tincd_compat.tunnel.codec import DROPS, fall_back
from tincd_compat.tunnel.sptpspure import (
    FIRST_NUMBER,
    PureSptpsOpener,
    PureSptpsSealer,
    SptpsOpened,
)
from tincd_compat.tunnel.traffic import Traffic


def _sealer(
    key: bytes, switching: bool, number: int
) -> core.SptpsSealer | PureSptpsSealer:
    """Make the fastest sealer there is."""
    if core is not None:
        try:
            return core.SptpsSealer(key, switching, number)
        except ValueError as error:
            fall_back("chacha20", "poly1305", str(error))
    return PureSptpsSealer(key, switching, number)


def _opener(
    key: bytes, switching: bool, window_bytes: int
) -> core.SptpsOpener | PureSptpsOpener:
    if core is not None:
        try:
            return core.SptpsOpener(key, switching, window_bytes)
        except ValueError as error:
            fall_back("chacha20", "poly1305", str(error))
    return PureSptpsOpener(key, switching, window_bytes)


class SptpsSealer:
    """Makes the datagrams of a session, numbered from ``number`` on; a key of 32 bytes.

    ``ids`` are those of destination and author, twelve bytes, or none.
    """

    def __init__(
        self, key: bytes, *, switching: bool, number: int = FIRST_NUMBER
    ) -> None:
        self._train = _sealer(key, switching, number)
        self.rekey = self._train.rekey
        self.seal = self._train.seal
        self.seal_train = self._train.seal_train

    @property
    def number(self) -> int:
        """The number of the next datagram."""
        return self._train.number

    @property
    def exhausted(self) -> bool:
        """Tell whether there is no number left in this session."""
        return self.number >= LIMIT

    @property
    def sent(self) -> Traffic:
        """The frames that were sealed uncompressed, probes among them."""
        return Traffic(self._train.packets_sealed, self._train.bytes_sealed)

    @property
    def compiled(self) -> core.SptpsSealer | None:
        """The compiled sealer; None if Python seals."""
        train = self._train
        return None if isinstance(train, PureSptpsSealer) else train


class SptpsOpener:
    """Opens the datagrams of a session, without IDs in front; keys of 32 bytes."""

    def __init__(
        self, key: bytes, *, switching: bool, window_bytes: int = DEFAULT_WINDOW
    ) -> None:
        train = self._train = _opener(key, switching, window_bytes)
        self.expect, self.change = train.expect, train.change
        self.matches, self.unseal = train.matches, train.unseal
        self.admit, self.reaches = train.admit, train.reaches

    @property
    def highest(self) -> int:
        """The highest number accepted so far."""
        return self._train.highest

    @property
    def received(self) -> Traffic:
        """The frames that came uncompressed and were accepted, probes among them."""
        return Traffic(self._train.packets_opened, self._train.bytes_opened)

    @property
    def heard(self) -> float:
        """When a pump has last accepted a datagram, in seconds of its clock, or 0."""
        train = self._train
        return 0.0 if isinstance(train, PureSptpsOpener) else train.heard / 1000

    @property
    def compiled(self) -> core.SptpsOpener | None:
        """The compiled opener; None if Python opens."""
        train = self._train
        return None if isinstance(train, PureSptpsOpener) else train

    def open_train(self, datagrams: Sequence[bytes]) -> list[SptpsOpened]:
        """Open datagrams in the order of their arrival; one result for each."""
        train = self._train
        if isinstance(train, PureSptpsOpener):
            return train.open_train(datagrams)
        return [_opened(*fields) for fields in train.open_train(datagrams)]


def session_ends(*, switching: bool, window_bytes: int = DEFAULT_WINDOW) -> Ends:
    """Return how the ends of sessions are made, of what is fastest here."""

    def sealer(key: bytes, number: int) -> SptpsSealer:
        return SptpsSealer(key, switching=switching, number=number)

    def opener(key: bytes) -> SptpsOpener:
        return SptpsOpener(key, switching=switching, window_bytes=window_bytes)

    return Ends(sealer, opener)


def _opened(
    frame: bytes,
    length: int,
    drop: int,
    seqno: int,
    last: int,
    strays: int,
    lost: int,
    kind: int,
) -> SptpsOpened:
    return SptpsOpened(frame, length, DROPS[drop], seqno, last, strays, lost, kind)
