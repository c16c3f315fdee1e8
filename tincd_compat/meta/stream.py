"""Bytes to lines and packet bodies, and back: the framing of a meta connection.

What arrives is a sequence of lines, each ended by LF, of which a PACKET line announces
a body of raw bytes behind it.  From the LF of the peer's METAKEY on everything is
encrypted, and the last plain byte and the first encrypted one often share a segment;
hence bytes are decrypted either when they arrive or, for those behind that LF, when
decryption is switched on, and never twice.

The buffer offers: append at the end, take a line or N bytes from the front, each in
time proportional to the bytes.  A bytearray drops its front without moving the rest,
and the search for LF goes on where it stopped, so that a peer sending single bytes
costs no more than one sending segments.

What leaves is encrypted in the order of queueing, but only when it is taken: the cipher
works on many lines at once, where one line costs it as much as a hundred.  Until then a
line that goes to many peers is there once for all of them.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from tincd_compat.crypto.streamciphers import StreamCipher
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import MAX_LINE, MAX_PACKET_BODY

#: A PACKET line as every tincd writes it; other spellings are parsed as any line.
_PACKET: Final = re.compile(rb"17 ([1-9][0-9]{0,3})\n")


class MetaStream:
    """Both directions of the byte stream under a meta connection."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._searched = 0
        self._body_length = 0
        self._output = bytearray()
        self._unencrypted: deque[bytes] = deque()
        self._unencrypted_size = 0
        self._decryptor: StreamCipher | None = None
        self._encryptor: StreamCipher | None = None

    # Input.

    def receive_data(self, data: bytes) -> None:
        """Take what arrived; PeerError if the cipher must not decrypt any more."""
        if self._decryptor is not None:
            data = self._decryptor.update(data)
        self._input += data

    def start_decryption(self, cipher: StreamCipher) -> None:
        """Decrypt everything behind the lines taken so far."""
        self._decryptor = cipher
        self._input[:] = cipher.update(bytes(self._input))
        self._searched = 0

    @property
    def decrypting(self) -> bool:
        return self._decryptor is not None

    @property
    def in_body(self) -> bool:
        """Whether the next bytes are a packet body and not a line."""
        return self._body_length > 0

    def expect_body(self, length: int) -> None:
        """Treat the next ``length`` bytes as a packet body; 0 is no body at all."""
        self._body_length = length

    def next_line(self) -> bytes | None:
        """Take a line without its LF, or None if it is not complete yet."""
        end = self._input.find(b"\n", self._searched, MAX_LINE)
        if end < 0:
            self._searched = len(self._input)
            self.check_overflow()
            return None
        return self._take(end, skip=1)

    def next_body(self) -> bytes | None:
        """Take the packet body, or None if it is not complete yet.

        A body too long for tincd's receive buffer ends the connection, as there.
        """
        length = self._body_length
        if length > MAX_LINE:
            self.check_overflow()
        if length > min(len(self._input), MAX_LINE):
            return None
        self._body_length = 0
        return self._take(length)

    def next_packets(self, limit: int) -> list[bytes]:
        """Take the PACKETs at the front, so many at most, whose bodies are all here.

        The packets end at anything else, which :meth:`next_line` and :meth:`next_body`
        judge.  The result is that of calling these two.
        """
        packets: list[bytes] = []
        taken, length, available = 0, self._body_length, len(self._input)
        with memoryview(self._input) as view:
            while len(packets) < limit:
                end = taken + length
                if length > MAX_PACKET_BODY or end > available:
                    break
                if length:
                    packets.append(bytes(view[taken:end]))
                    taken, length = end, 0
                line = _PACKET.match(view, taken)
                if line is None:
                    break
                taken, length = line.end(), int(line[1])
                # The match holds the view, and the view the buffer.
                del line
        self._body_length = length
        if taken:
            del self._input[:taken]
            self._searched = 0
        return packets

    def check_overflow(self) -> None:
        """PeerError if more is waiting than one line or body may have."""
        if len(self._input) >= MAX_LINE:
            raise PeerError("Metadata read buffer overflow for {peer}")

    def take_rest(self) -> tuple[bytes, bytes]:
        """Take all that has come and all that is queued, for another stream."""
        received = self._take(len(self._input))
        return received, self.data_to_send()

    def _take(self, length: int, skip: int = 0) -> bytes:
        taken = bytes(self._input[:length])
        del self._input[: length + skip]
        self._searched = 0
        return taken

    # Output.

    def start_encryption(self, cipher: StreamCipher) -> None:
        """Encrypt what is queued from now on."""
        self._encrypt()
        self._encryptor = cipher

    @property
    def encrypting(self) -> bool:
        return self._encryptor is not None

    @property
    def queued(self) -> int:
        """Bytes that wait to be taken."""
        return len(self._output) + self._unencrypted_size

    def send(self, *parts: bytes) -> None:
        """Queue bytes; PeerError if the cipher must not encrypt any more."""
        if self._encryptor is None:
            self._output += b"".join(parts)
        else:
            size = sum(map(len, parts))
            self._encryptor.reserve(size)
            self._unencrypted += parts
            self._unencrypted_size += size

    def send_line(self, line: bytes) -> None:
        """Queue a line without its LF; PeerError as above."""
        self.send(line, b"\n")

    def send_packets(self, frames: Sequence[bytes | bytearray]) -> None:
        """Queue frames as PACKETs; PeerError as above."""
        parts: list[bytes | bytearray] = []
        for frame in frames:
            parts += (b"17 %d\n" % len(frame), frame)
        self.send(b"".join(parts))

    def _encrypt(self, size: float = math.inf) -> None:
        """Encrypt so many bytes, or a few more."""
        if self._encryptor is None:
            return
        parts: list[bytes] = []
        while self._unencrypted and size > 0:
            parts.append(self._unencrypted.popleft())
            size -= len(parts[-1])
        if parts:
            data = b"".join(parts)
            self._unencrypted_size -= len(data)
            self._output += self._encryptor.update_reserved(data)

    def data_to_send(self, limit: int | None = None) -> bytes:
        """Take what is queued, no more bytes than the limit."""
        self._encrypt(math.inf if limit is None else limit - len(self._output))
        data = bytes(self._output[:limit])
        del self._output[:limit]
        return data

    def discard(self) -> None:
        """Forget what waits in either direction."""
        self._input.clear()
        self._output.clear()
        self._unencrypted.clear()
        self._unencrypted_size = 0
        self._searched = 0
