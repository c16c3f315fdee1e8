"""What is to be said to a peer, in its order, until it can be written.

A new connection begins with a dump of all that we know, which may be many times what a
socket takes.  Its lines are made when there is room for them, of what is true by then.
What else is said meanwhile waits behind the dump, since the peer can make sense of it
only with what the dump says: who the nodes are, and last of all our edge to the peer.
It may be older than what the dump has said, but whatever has changed since the dump
began is among it, with the latest word last; so both agree in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tincd_compat.errors import PeerError
from tincd_compat.meta.stream import MetaStream

#: Bytes of a dump that are made at a time: a millisecond of work.
PIECE: Final = 8192


class Outbox:
    """Puts bytes on a stream, until its cipher must not encrypt any more."""

    def __init__(self, stream: MetaStream) -> None:
        #: That the cipher is exhausted; nothing is put on the stream from then on.
        self.error: PeerError | None = None
        self._stream = stream
        self._dump: Iterator[bytes] | None = None
        self._behind: list[bytes] = []
        self._behind_size = 0

    @property
    def queued(self) -> int:
        """Bytes that wait, not counting what of a dump has not been made yet."""
        return self._stream.queued + self._behind_size

    @property
    def empty(self) -> bool:
        """Whether there is nothing that could be taken, nor will be without a word."""
        return self._dump is None and not self.queued

    def put(self, *parts: bytes) -> bool:
        """Queue bytes, if there is a dump behind that; False if that is impossible."""
        if self._dump is None:
            return self.put_ahead(*parts)
        self._behind += parts
        self._behind_size += sum(map(len, parts))
        return True

    def put_ahead(self, *parts: bytes) -> bool:
        """Queue bytes that need not wait for the rest of a dump; False as above."""
        if self.error is not None:
            return False
        try:
            self._stream.send(*parts)
        except PeerError as error:
            self.error = error
            self.clear()
        return self.error is None

    def begin_dump(self, lines: Iterator[bytes]) -> None:
        """Queue lines without their LFs that are made as they are taken."""
        self._dump = lines

    def take(self, limit: int | None) -> bytes:
        """Take what is queued, no more bytes than the limit, and nothing if empty."""
        if self._dump is not None:
            self._make(self._dump)
        return self._stream.data_to_send(limit)

    def _make(self, lines: Iterator[bytes]) -> None:
        """Make a piece of the dump; what has waited for its end comes behind that."""
        while self._stream.queued < PIECE:
            line = next(lines, None)
            if line is None:
                behind = self._behind
                self.clear()
                self.put(*behind)
                break
            if not self.put_ahead(line, b"\n"):
                break

    def clear(self) -> None:
        """Forget what is not on the stream yet."""
        self._dump = None
        self._behind, self._behind_size = [], 0
