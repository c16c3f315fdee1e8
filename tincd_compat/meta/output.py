"""Requests and frames on their way to one peer: encoded, counted, logged and queued."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import MAX_LINE, Message, Packet, Request
from tincd_compat.meta.outbox import Outbox
from tincd_compat.meta.wording import PeerLabel, log_request, logs_requests

if TYPE_CHECKING:
    from tincd_compat.meta.recordstream import RecordStream
    from tincd_compat.meta.stream import MetaStream


class MetaOutput:
    """The sending half of a meta connection, in front of its stream.

    Methods that queue something return
    False if that is impossible: the line is too long for a peer, the cipher is
    exhausted, or :meth:`close` was called.
    """

    def __init__(self, stream: MetaStream | RecordStream, peer: PeerLabel) -> None:
        self._outbox = Outbox(stream)
        self._peer = peer
        self._closed = False
        #: Requests that were queued for the peer, without lines to everyone.
        self.sent: Counter[Request] = Counter()
        #: Bytes that were taken for the socket, as they are on the wire.
        self.bytes_taken = 0

    @property
    def error(self) -> PeerError | None:
        """The error that the cipher is exhausted, if it is."""
        return self._outbox.error

    @property
    def queued(self) -> int:
        """Bytes that wait to be taken, without the part of a dump not made yet."""
        return self._outbox.queued

    @property
    def empty(self) -> bool:
        """Whether :meth:`take` would return nothing."""
        return self._outbox.empty

    def request(self, request: Request, line: bytes) -> bool:
        """Queue the line of a request; PING and PONG pass a dump."""
        self._log(request, line)
        self.sent[request] += 1
        ahead = request in (Request.PING, Request.PONG)
        return self._fits(line) and self._queue(line, ahead=ahead)

    def line(self, line: bytes) -> bool:
        """Queue a line that is neither logged nor counted as a request."""
        return self._fits(line) and self._queue(line)

    def packet(self, frame: bytes) -> bool:
        """Queue a frame; nothing can get between its header and its body."""
        header = Packet(len(frame)).encode()
        self._log(Request.PACKET, header)
        self.sent[Request.PACKET] += 1
        return self._queue_packets((frame,))

    def packets(self, frames: Sequence[bytes | bytearray]) -> bool:
        """Queue frames, none between the header and the body of another."""
        if logs_requests():
            return all(self.packet(bytes(frame)) for frame in frames)
        self.sent[Request.PACKET] += len(frames)
        return self._queue_packets(frames)

    def dump(self, messages: Iterator[Message]) -> None:
        """Queue a dump, each message of it made when the peer can take it."""
        self._outbox.begin_dump(self._encoded(messages))

    def take(self, limit: int | None = None) -> bytes:
        """Take what is queued, encrypted as it has to be; no more than the limit."""
        data = self._outbox.take(limit)
        self.bytes_taken += len(data)
        if data and logs.meta.isEnabledFor(logging.DEBUG):
            logs.meta.debug("Flushing %d bytes to %s", len(data), self._peer)
        return data

    def go_on(self, stream: RecordStream) -> None:
        """Send on another stream, which has taken what was queued on the last."""
        self._outbox.stream = stream

    def close(self) -> None:
        """Forget what the stream does not have yet, and queue nothing any more."""
        self._closed = True
        self._outbox.clear()

    def _encoded(self, messages: Iterator[Message]) -> Iterator[bytes]:
        for message in messages:
            line = message.encode()
            self._log(message.request, line)
            self.sent[message.request] += 1
            if self._fits(line):
                yield line

    def _fits(self, line: bytes) -> bool:
        """Tell whether a peer could take a line; log it if not."""
        if len(line) < MAX_LINE:
            return True
        logs.always.error(
            "Output buffer overflow while sending request to %s", self._peer
        )
        return False

    def _queue(self, line: bytes, *, ahead: bool = False) -> bool:
        if self._closed:
            return False
        self._log_size(len(line) + 1)
        return (self._outbox.put_ahead if ahead else self._outbox.put)(line)

    def _queue_packets(self, frames: Sequence[bytes | bytearray]) -> bool:
        if self._closed:
            return False
        if logs.meta.isEnabledFor(logging.DEBUG):
            self._log_size(sum(len(f"17 {len(f)}\n") + len(f) for f in frames))
        return self._outbox.put_packets(frames)

    def _log_size(self, size: int) -> None:
        if logs.meta.isEnabledFor(logging.DEBUG):
            logs.meta.debug("Sending %d bytes of metadata to %s", size, self._peer)

    def _log(self, request: Request, line: bytes) -> None:
        if logs_requests():
            log_request("Sending %s to %s", request, str(self._peer), line)
