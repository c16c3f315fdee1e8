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
    """

    def __init__(self, lifetime: float, limit: int = MAX_SEEN) -> None:
        self.lifetime = lifetime
        self._limit = limit
        self._times: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, line: bytes, now: float, since: float = float("-inf")) -> bool:
        """Remember a line; False if it is known already, from ``since`` on."""
        digest = blake2b(line, digest_size=16).digest()
        then = self._times.get(digest)
        if then is not None:
            if then >= since:
                return False
            # Taken out, so that the order of entries stays the order of time.
            del self._times[digest]
        if len(self._times) >= self._limit:
            del self._times[next(iter(self._times))]
        self._times[digest] = now
        return True

    def expire(self, now: float) -> None:
        """Forget lines older than the lifetime."""
        # Insertion order is order of time: the walk ends at the first young one.
        old = []
        for digest, then in self._times.items():
            if now - then <= self.lifetime:
                break
            old.append(digest)
        for digest in old:
            del self._times[digest]
