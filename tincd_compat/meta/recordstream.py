"""Lines and packets in records of SPTPS: the framing of a link of protocol 17.7.

The stream has the methods of :class:`~tincd_compat.meta.stream.MetaStream`.  One
request is one record, its LF included; a PACKET is the record of its line and then one
of the bare frame.  A peer's record with several lines counts for the first of them,
since whoever forwarded the others would say them in its own name.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

from collections.abc import Sequence

from tincd_compat.crypto.sptps.stream import StreamSession
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import MAX_LINE
from tincd_compat.meta.negotiation import lacks_our_key

#: The kind of every record of a link.
_KIND = 0
#: What a METAKEY begins with; a record of that length begins no session.
_METAKEY = b"1 "


class RecordStream:
    """Both directions of a link whose session has just begun.

    ``received`` is what came behind the peer's ID, ``unsent`` what has to leave before
    the session's first record.
    """

    def __init__(
        self, session: StreamSession, name: str, received: bytes, unsent: bytes
    ) -> None:
        self._session = session
        self._name = name
        self._output = bytearray(unsent)
        self._body_length = 0
        self._head = b""
        session.begin()
        self._take_output()
        self.receive_data(received)

    @property
    def ready(self) -> bool:
        """Whether the peer has proved its key, and requests can be sent."""
        return self._session.encrypted

    # Input.

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if len(self._head) < len(_METAKEY):
            self._head += data[: len(_METAKEY)]
        self._session.feed(data)

    @property
    def decrypting(self) -> bool:
        return self.ready

    @property
    def in_body(self) -> bool:
        """Whether the next record is a packet body and not a line."""
        return self._body_length > 0

    def expect_body(self, length: int) -> None:
        """Treat the next record as a packet body; 0 is no body at all."""
        self._body_length = length

    def next_line(self) -> bytes | None:
        """Take a line without its LF, or None if it is not complete yet.

        Records of the session's handshake on the way are answered.
        """
        data = self._next()
        if data is None:
            return None
        line, _, _ = data.partition(b"\n")
        if len(line) >= MAX_LINE:
            raise PeerError("Metadata read buffer overflow for {peer}")
        return line

    def next_body(self) -> bytes | None:
        """Take the packet body, or None if it is not complete yet."""
        data = self._next()
        if data is None:
            return None
        if len(data) != self._body_length:
            raise PeerError("Got bad PACKET from {peer}: its record has another length")
        self._body_length = 0
        return data

    def next_packets(self, limit: int) -> list[bytes]:
        """Take no packets: each is taken as a line and its body."""
        return []

    def check_overflow(self) -> None:
        """Nothing to check: a session takes each record as soon as it is whole."""

    def _next(self) -> bytes | None:
        try:
            record = self._session.next_record()
        except PeerError:
            if not self.ready and self._head[: len(_METAKEY)] == _METAKEY:
                raise lacks_our_key(self._name) from None
            raise
        finally:
            self._take_output()
        return None if record is None else record.data

    # Output.

    @property
    def encrypting(self) -> bool:
        return self.ready

    @property
    def queued(self) -> int:
        """Bytes that wait to be taken."""
        return len(self._output)

    def send_line(self, line: bytes) -> None:
        """Queue a line without its LF; PeerError if the session is used up."""
        self._session.send(_KIND, line + b"\n")
        self._take_output()

    def send_packets(self, frames: Sequence[bytes | bytearray]) -> None:
        """Queue frames as PACKETs; PeerError as above."""
        for frame in frames:
            self._session.send(_KIND, b"17 %d\n" % len(frame))
            self._session.send(_KIND, bytes(frame))
        self._take_output()

    def data_to_send(self, limit: int | None = None) -> bytes:
        """Take what is queued, no more bytes than the limit."""
        data = bytes(self._output[:limit])
        del self._output[:limit]
        return data

    def discard(self) -> None:
        """Forget what waits to be sent; nothing is taken from the input any more."""
        self._output.clear()

    def _take_output(self) -> None:
        self._output += self._session.take_output()
