"""The past requests: a flooded line that comes back is not handled twice."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

#: Lines remembered at most; the oldest are dropped first.  A state dump of a mesh of
#: 1000 nodes has about 8000 lines.
MAX_SEEN: Final = 65536


class SeenRequests:
    """Lines of the last ``lifetime`` seconds (PingInterval), whoever sent them.

    Digests are kept instead of lines, so the limit on their number limits memory too.
    With each goes the node it is about: a tincd 1.0 that was killed and starts again
    repeats its "random" nonces, and what it says then must not pass for old.
    """

    def __init__(self, lifetime: float, limit: int = MAX_SEEN) -> None:
        self.lifetime = lifetime
        self._limit = limit
        self._times: dict[bytes, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, line: bytes, now: float, about: str = "") -> bool:
        """Remember a line about a node; False if it is known already."""
        digest = blake2b(line, digest_size=16).digest()
        if digest in self._times:
            return False
        if len(self._times) >= self._limit:
            del self._times[next(iter(self._times))]
        self._times[digest] = (now, about)
        return True

    def forget(self, about: str) -> None:
        """Forget the lines about a node, which has just connected anew.

        Old copies that are still under way to us are then handled, and passed on, once
        more.  That ends: they are remembered again, and a copy changes nothing.
        """
        known = [digest for digest, entry in self._times.items() if entry[1] == about]
        for digest in known:
            del self._times[digest]

    def expire(self, now: float) -> None:
        """Forget lines older than the lifetime."""
        # Insertion order is order of time: the walk ends at the first young one.
        old = []
        for digest, (then, _) in self._times.items():
            if now - then <= self.lifetime:
                break
            old.append(digest)
        for digest in old:
            del self._times[digest]
