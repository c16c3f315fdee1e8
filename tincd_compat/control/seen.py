"""The past requests: a flooded line that comes back is not handled twice."""

from __future__ import annotations

from hashlib import blake2b
from itertools import islice
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

    def add(self, line: bytes, now: float) -> bool:
        """Remember a line; False if it is known already."""
        digest = _digest(line)
        if digest in self._times:
            return False
        if len(self._times) >= self._limit:
            self._make_room()
        self._times[digest] = now
        return True

    def _make_room(self) -> None:
        # Many at a time: a dictionary finds its first entry by walking past all that
        # have been deleted in front of it.
        for digest in list(islice(self._times, max(1, self._limit // 16))):
            del self._times[digest]

    def renew(self, line: bytes, now: float, since: float) -> bool:
        """Take a known line for new if it was last heard before ``since``."""
        digest = _digest(line)
        if self._times[digest] >= since:
            return False
        # Taken out first, so that the order of entries stays the order of time.
        del self._times[digest]
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
        if len(old) > len(self._times):
            # A dictionary keeps the room of what was deleted from it.
            self._times = dict(self._times)


def _digest(line: bytes) -> bytes:
    return blake2b(line, digest_size=16).digest()
