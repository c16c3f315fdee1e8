"""The queue of messages to a peer, until they can be written.

A new connection begins with a dump of all that we know, which may be many times what a
socket takes.  The lines of the dump are made when there is room for them, from the
tables of that moment.  Other messages wait behind the dump, since the peer needs its
nodes, and last of all our edge to the peer, to make sense of them.  Such a message may
be older than a line of the dump, but every change since the beginning of the dump is
among these messages, the latest last, so both sides agree in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat.errors import PeerError

if TYPE_CHECKING:
    from tincd_compat.meta.recordstream import RecordStream
    from tincd_compat.meta.stream import MetaStream

#: Bytes of a dump that are made at a time: a millisecond of work.
PIECE: Final = 8192


#: A line without its LF, or frames that go as PACKETs.
_Entry: TypeAlias = bytes | list[bytes]


class Outbox:
    """A queue in front of a stream, until its cipher must not encrypt any more."""

    def __init__(self, stream: MetaStream | RecordStream) -> None:
        #: The error that the cipher is exhausted; it ends the stream.
        self.error: PeerError | None = None
        #: What is queued goes to this stream.
        self.stream = stream
        self._dump: Iterator[bytes] | None = None
        self._behind: list[_Entry] = []
        self._behind_size = 0

    @property
    def queued(self) -> int:
        """Bytes that wait, without the part of a dump that has not been made yet."""
        return self.stream.queued + self._behind_size

    @property
    def empty(self) -> bool:
        """Whether nothing can be taken, now or later, without a further message."""
        return self._dump is None and not self.queued

    def put(self, line: bytes) -> bool:
        """Queue a line without its LF; False if that is impossible.

        If there is a dump, the line goes behind that.
        """
        if self._dump is None:
            return self._queue(line)
        self._behind.append(line)
        self._behind_size += len(line) + 1
        return True

    def put_ahead(self, line: bytes) -> bool:
        """Queue a line that need not wait for the rest of a dump; False as above."""
        return self._queue(line)

    def put_packets(self, frames: Sequence[bytes | bytearray]) -> bool:
        """Queue frames as PACKETs, in the place of a line; False as above."""
        if self._dump is None:
            return self._queue(frames)
        self._behind.append([bytes(frame) for frame in frames])
        self._behind_size += sum(map(len, frames))
        return True

    def _queue(self, entry: bytes | Sequence[bytes | bytearray]) -> bool:
        if self.error is not None:
            return False
        try:
            if isinstance(entry, bytes):
                self.stream.send_line(entry)
            else:
                self.stream.send_packets(entry)
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
        return self.stream.data_to_send(limit)

    def _make(self, lines: Iterator[bytes]) -> None:
        """Make a piece of the dump; at its end come the messages that have waited."""
        while self.stream.queued < PIECE:
            line = next(lines, None)
            if line is None:
                behind = self._behind
                self.clear()
                for entry in behind:
                    self._queue(entry)
                break
            if not self._queue(line):
                break

    def clear(self) -> None:
        """Forget what is not on the stream yet."""
        self._dump = None
        self._behind, self._behind_size = [], 0
