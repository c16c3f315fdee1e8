"""What the two ends of a connection say before they believe each other."""

from __future__ import annotations

import re
from dataclasses import field
from typing import ClassVar

from tincd_compat.dataclass import dataclass
from tincd_compat.meta.fields import (
    HEX,
    INT,
    MINOR,
    TEXT,
    int32,
    pattern,
    split_fields,
    text,
    uint32,
)
from tincd_compat.meta.messages.requests import Request


@dataclass(frozen=True, slots=True)
class Id:
    """``0 NAME VERSION`` or, from tinc 1.1, ``0 NAME VERSION.MINOR``.

    tinc 1.0 looks at the leading integer of the version alone, and says no more.
    """

    request: ClassVar[Request] = Request.ID
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT, INT, MINOR)
    name: str
    version: int
    minor: int | None = None

    @classmethod
    def parse(cls, line: bytes) -> Id:
        name, version, minor = split_fields(cls._format, line, "ID")
        # No reduction to 32 bits: 4294967313 is not version 17.
        return cls(text(name), int(version[:32]), int(minor[:9]) if minor else None)

    def encode(self) -> bytes:
        minor = "" if self.minor is None else f".{self.minor}"
        return f"0 {self.name} {self.version}{minor}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class MetaKey:
    """``1 CIPHER DIGEST MACLENGTH COMPRESSION HEX``: the key of the sender's stream."""

    request: ClassVar[Request] = Request.METAKEY
    _format: ClassVar[re.Pattern[bytes]] = pattern(INT, INT, INT, INT, TEXT)
    cipher: int
    digest: int
    maclength: int
    compression: int
    key: str = field(repr=False)

    @classmethod
    def parse(cls, line: bytes) -> MetaKey:
        *numbers, key = split_fields(cls._format, line, "METAKEY")
        cipher, digest, maclength, compression = (int32(number) for number in numbers)
        return cls(cipher, digest, maclength, compression, text(key))

    def encode(self) -> bytes:
        numbers = f"{self.cipher} {self.digest} {self.maclength} {self.compression}"
        return f"1 {numbers} {self.key}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class Challenge:
    """``2 HEX``: random bytes, as many as the receiver's modulus has."""

    request: ClassVar[Request] = Request.CHALLENGE
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT)
    data: str

    @classmethod
    def parse(cls, line: bytes) -> Challenge:
        (data,) = split_fields(cls._format, line, "CHALLENGE")
        return cls(text(data))

    def encode(self) -> bytes:
        return f"2 {self.data}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class ChalReply:
    """``3 HEX``: the digest of the challenge received."""

    request: ClassVar[Request] = Request.CHAL_REPLY
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT)
    digest: str

    @classmethod
    def parse(cls, line: bytes) -> ChalReply:
        (digest,) = split_fields(cls._format, line, "CHAL_REPLY")
        return cls(text(digest))

    def encode(self) -> bytes:
        return f"3 {self.digest}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class Ack:
    """``4 PORT WEIGHT OPTIONS``: the end of the handshake."""

    request: ClassVar[Request] = Request.ACK
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT, INT, HEX)
    port: str
    weight: int
    options: int

    @classmethod
    def parse(cls, line: bytes) -> Ack:
        port, weight, options = split_fields(cls._format, line, "ACK")
        return cls(text(port), int32(weight), uint32(options))

    def encode(self) -> bytes:
        return f"4 {self.port} {self.weight} {self.options:x}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class KeyAck:
    """``4 KEY``: in place of ACK, the sender's Ed25519 key in 43 digits (tinc 1.1)."""

    request: ClassVar[Request] = Request.ACK
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT)
    key: str

    @classmethod
    def parse(cls, line: bytes) -> KeyAck:
        (key,) = split_fields(cls._format, line, "ACK")
        return cls(text(key))

    def encode(self) -> bytes:
        return f"4 {self.key}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class TermReq:
    """``7``: the sender has the receiver's Ed25519 key and ends the connection."""

    request: ClassVar[Request] = Request.TERMREQ

    @classmethod
    def parse(cls, line: bytes) -> TermReq:
        return cls()

    def encode(self) -> bytes:
        return b"7"
