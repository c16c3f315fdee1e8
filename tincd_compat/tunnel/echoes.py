"""MTU probes as echoes: how many are answered, and how long that takes.

The answer to a probe is the probe itself with its first byte set, and what follows its
header is random.  So an answer names the probe that it belongs to, whatever is lost,
late or asked twice.  Nothing is sent for the sake of a time.
"""

from __future__ import annotations

from typing import Final

from tincd_compat.roundtrip import RoundTrip

#: Where the random bytes of a probe begin, and how many of them tell probes apart.
_BEGIN: Final = 14
_END: Final = _BEGIN + 8
#: Probes whose answers are waited for; those of the last batches.
MAX_AWAITED: Final = 32


def mark(probe: bytes | bytearray) -> bytes:
    """Return what tells a probe, and the answer to it, from others.

    Our own answers of protocol 17.3 and up have it, too, in two pieces.
    """
    if probe[:1] == b"\2":
        return bytes(probe[_BEGIN : _BEGIN + 4] + probe[3:7])
    return bytes(probe[_BEGIN:_END])


class Echoes:
    """Our probes to one node since it became reachable; times in seconds."""

    def __init__(self) -> None:
        self.round_trip = RoundTrip()
        #: How many probes have left, and how many were answered.
        self.sent = self.answered = 0
        self.last_sent: float | None = None
        self.last_answer: float | None = None
        #: When probes left that have no answer yet, by their random bytes.
        self._awaited: dict[bytes, float] = {}

    def asked(self, probe: bytes, now: float, *, timed: bool = True) -> None:
        """A probe is sealed; ``timed`` unless it takes a way of its own."""
        self.sent += 1
        self.last_sent = now
        if not timed:
            return
        if len(self._awaited) >= MAX_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        self._awaited[mark(probe)] = now

    def heard(self, answer: bytes | bytearray, now: float) -> None:
        """An answer to a length that was asked; perhaps to a probe of long ago."""
        self.answered += 1
        self.last_answer = now
        left = self._awaited.pop(mark(answer), None)
        if left is not None:
            self.round_trip.add(max(0.0, now - left))

    def forget(self) -> None:
        """The node came or went: no time of before says anything."""
        self.sent = self.answered = 0
        self.last_sent = self.last_answer = None
        self._awaited.clear()
        self.round_trip.forget()
