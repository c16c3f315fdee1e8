"""Round-trip times: smoothed as TCP smooths them (RFC 6298), and the last one."""

from __future__ import annotations


class RoundTrip:
    """Seconds from a question to its answer; each is None until one is known."""

    __slots__ = ("last", "smoothed", "variation")

    def __init__(self) -> None:
        self.last: float | None = None
        self.smoothed: float | None = None
        #: By how much single times differ from the smoothed one.
        self.variation: float | None = None

    def add(self, seconds: float) -> None:
        """Take one more time into account."""
        self.last = seconds
        if self.smoothed is None or self.variation is None:
            self.smoothed, self.variation = seconds, seconds / 2
            return
        difference = abs(self.smoothed - seconds)
        self.variation += (difference - self.variation) / 4
        self.smoothed += (seconds - self.smoothed) / 8

    def forget(self) -> None:
        """Nothing is known any more: the way is another one."""
        self.last = self.smoothed = self.variation = None
