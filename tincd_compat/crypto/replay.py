"""The replay window of one direction of one tunnel.

:class:`ReplayWindow` has the rules of tinc 1.0, :class:`SptpsWindow` those of SPTPS.
With R the highest number accepted so far and W the number of packets the window spans
(eight for each byte of ReplayWindow), a packet numbered S that has passed its MAC is

* accepted if S = R + 1;
* far in the future if S >= R + W: the first few in a row are dropped, in case they are
  strays; then the sender is believed, and nothing older than S is acceptable any more;
* late if S <= R: accepted only if it is less than W behind and was skipped, once;
* accepted otherwise, and the numbers R + 1 to S - 1 count as skipped.

Numbers are 32 bits wide and do not wrap: the receiver renews the key at 2**30.  Number
0 is never valid, since the first packet under a key carries 1.

SPTPS (protocol 17.7, tinc 1.1 behaviour) differs in two points: the far future begins
one number later, and who is believed there may still be followed by the W - 1 numbers
before it.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final

#: Default of ReplayWindow, in bytes.
DEFAULT_WINDOW: Final = 16


class Verdict(Enum):
    """The judgement of a packet."""

    ACCEPT = "accept"
    #: Accept it, and give up what was skipped.
    RESUME = "resume"
    LATE = "late"
    FUTURE = "future"


class ReplayWindow:
    """Remembers which numbers may still come; ``window_bytes`` 0 accepts everything."""

    __slots__ = ("_missing", "_patience", "_span", "highest", "strays")

    #: Numbers behind R + W that are not yet the far future.
    _margin: ClassVar[int] = 0
    #: How the numbers before a far one are marked when it is believed.
    _passed: ClassVar[bytes] = b"\0"

    def __init__(self, window_bytes: int, highest: int = 0) -> None:
        self.highest = highest
        #: How many packets from the far future were dropped in a row.
        self.strays = 0
        self._span = 8 * window_bytes
        self._patience = window_bytes // 4
        # One byte for each number modulo W: 1 = skipped, may still come.
        self._missing = bytearray(self._span)

    def check(self, seqno: int) -> Verdict:
        """Judge a packet and remember that it came, if it is accepted."""
        if not self._span:
            self.highest = max(self.highest, seqno)
            return Verdict.ACCEPT
        verdict = Verdict.ACCEPT
        if seqno != self.highest + 1:
            verdict = self._judge(seqno)
            if verdict is Verdict.LATE or verdict is Verdict.FUTURE:
                return verdict
        if seqno > self.highest:
            self.highest = seqno
        self.strays = 0
        self._missing[seqno % self._span] = 0
        return verdict

    def follows(self, seqno: int) -> bool:
        """Accept the number behind the highest; False, and no more, for another."""
        if seqno != self.highest + 1:
            return False
        self.highest = seqno
        if self._span:
            self.strays = 0
            self._missing[seqno % self._span] = 0
        return True

    def advance(self, count: int) -> None:
        """Accept the next ``count`` numbers, as :meth:`check` would one by one."""
        first = self.highest + 1
        self.highest += count
        if not self._span or not count:
            return
        self.strays = 0
        if count >= self._span:
            self._missing = bytearray(self._span)
        else:
            self._mark(first, first + count, b"\0")

    def _judge(self, seqno: int) -> Verdict:
        """Judge a packet that is not the next one, and note what it leaves out."""
        span, highest = self._span, self.highest
        if seqno <= highest:
            fresh = seqno > highest - span and self._missing[seqno % span]
            return Verdict.ACCEPT if fresh else Verdict.LATE
        if seqno < highest + span + self._margin:
            # Numbers that are left out may still come.
            self._mark(highest + 1, seqno, b"\1")
            return Verdict.ACCEPT
        if self.strays < self._patience:
            self.strays += 1
            return Verdict.FUTURE
        self._missing = bytearray(self._passed * span)
        return Verdict.RESUME

    def _mark(self, first: int, end: int, mark: bytes) -> None:
        """Mark the numbers from ``first`` up to, not including, ``end``."""
        span, missing = self._span, self._missing
        start, stop = first % span, end % span
        if start < stop:
            missing[start:stop] = mark * (stop - start)
        else:
            missing[start:] = mark * (span - start)
            missing[:stop] = mark * stop


class SptpsWindow(ReplayWindow):
    """The window of SPTPS datagrams, whose encrypted records are numbered from 2.

    The two plain records of the first handshake have the numbers 0 and 1.
    """

    __slots__ = ()

    _margin = 1
    _passed = b"\1"

    def __init__(self, window_bytes: int, highest: int = 1) -> None:
        super().__init__(window_bytes, highest)

    def reaches(self, seqno: int) -> bool:
        """Tell whether the window can tell if a number has been here."""
        span, highest = self._span, self.highest
        return not span or highest - span < seqno <= highest + span
