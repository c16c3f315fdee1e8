"""What concerns one connection alone: whether it lives, and packets over TCP."""

from __future__ import annotations

import re
from typing import ClassVar

from tincd_compat.dataclass import dataclass
from tincd_compat.meta.fields import INT, pattern, split_fields
from tincd_compat.meta.messages.requests import Request


@dataclass(frozen=True, slots=True)
class Ping:
    """``8``"""

    request: ClassVar[Request] = Request.PING

    @classmethod
    def parse(cls, line: bytes) -> Ping:
        return cls()

    def encode(self) -> bytes:
        return b"8"


@dataclass(frozen=True, slots=True)
class Pong:
    """``9``"""

    request: ClassVar[Request] = Request.PONG

    @classmethod
    def parse(cls, line: bytes) -> Pong:
        return cls()

    def encode(self) -> bytes:
        return b"9"


@dataclass(frozen=True, slots=True)
class Packet:
    """``17 LENGTH``, followed by that many raw bytes behind the LF."""

    request: ClassVar[Request] = Request.PACKET
    _format: ClassVar[re.Pattern[bytes]] = pattern(INT)
    length: int

    @classmethod
    def parse(cls, line: bytes) -> Packet:
        (length,) = split_fields(cls._format, line, "PACKET")
        # The field is an unsigned 16-bit number in tincd.
        return cls(int(length[:32]) & 0xFFFF)

    def encode(self) -> bytes:
        return f"17 {self.length}".encode("latin-1")
