"""Keys for packets: asking for one, giving one, taking all back."""

from __future__ import annotations

import re
from dataclasses import field
from enum import IntEnum
from typing import ClassVar, Final

from tincd_compat.dataclass import dataclass
from tincd_compat.errors import PeerError
from tincd_compat.meta.fields import (
    HEX,
    INT,
    TEXT,
    int32,
    node_name,
    pattern,
    split_fields,
    text,
    uint32,
)
from tincd_compat.meta.messages.requests import Request


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """``14 NONCE ORIGIN``: the packet keys that ORIGIN handed out are void."""

    request: ClassVar[Request] = Request.KEY_CHANGED
    _format: ClassVar[re.Pattern[bytes]] = pattern(HEX, TEXT)
    nonce: int
    origin: str

    @classmethod
    def parse(cls, line: bytes) -> KeyChanged:
        nonce, origin = split_fields(cls._format, line, "KEY_CHANGED")
        return cls(uint32(nonce), node_name(origin, "KEY_CHANGED"))

    def encode(self) -> bytes:
        return f"14 {self.nonce:x} {self.origin}".encode("latin-1")


class KeyForm(IntEnum):
    """What a REQ_KEY with a fourth field is about (tinc 1.1 behaviour)."""

    #: FROM begins a session: its KEX as datagram.
    SESSION = 15
    #: FROM asks for the Ed25519 public key of TO.
    ASK_PUBLIC_KEY = 19
    #: FROM gives its own, in 43 digits.
    PUBLIC_KEY = 20
    #: A datagram of the session with data, which did not go by UDP.
    DATAGRAM = 21


_WITH_PAYLOAD: Final = (KeyForm.SESSION, KeyForm.PUBLIC_KEY, KeyForm.DATAGRAM)
#: What ANS_KEY has in place of cipher, digest and MAC length when it carries a record.
_NO_SUITE: Final = -1


@dataclass(frozen=True, slots=True)
class ReqKey:
    """``15 FROM TO [FORM [PAYLOAD]] [compress:METHOD,...]``: FROM asks TO about keys.

    Without a form, FROM wants the key for packets towards TO.  The forms of protocol
    17.7 (tinc 1.1 behaviour) are in :class:`KeyForm`: three of them have a payload in
    tinc's base64.  A form that nobody knows is kept as a number, for whoever ignores
    it.

    ``methods`` are the compression methods beyond those of tinc 1.0 that FROM can seal
    with.  The token may stand anywhere among those behind TO; the others are ignored.
    """

    request: ClassVar[Request] = Request.REQ_KEY
    _format: ClassVar[re.Pattern[bytes]] = re.compile(
        pattern(TEXT, TEXT).pattern
        + rb"(?=(?:\s++([+-]?+\d++)(?:\s++(\S{1,2048}+)(?!\S))?+)?+)"
        + rb"(?:(?:\s++\S++)*?\s++compress:([a-z0-9,]{1,64}+)(?!\S))?+"
    )
    source: str
    target: str
    methods: tuple[str, ...] = ()
    form: int = 0
    payload: str = field(default="", repr=False)

    @classmethod
    def parse(cls, line: bytes) -> ReqKey:
        source, target, number, payload, methods = split_fields(
            cls._format, line, "REQ_KEY"
        )
        ends = node_name(source, "REQ_KEY"), node_name(target, "REQ_KEY")
        form = 0 if number is None else int32(number)
        return cls(
            *ends,
            tuple(text(methods).split(",")) if methods else (),
            form,
            text(payload) if payload and form in _WITH_PAYLOAD else "",
        )

    def encode(self) -> bytes:
        line = f"15 {self.source} {self.target}"
        if self.form:
            line += f" {self.form:d}"
        if self.payload:
            line += f" {self.payload}"
        if self.methods:
            line += f" compress:{','.join(self.methods)}"
        return line.encode("latin-1")


@dataclass(frozen=True, slots=True)
class AnsKey:
    """``16 FROM TO HEX CIPHER DIGEST MACLENGTH COMPRESSION [ADDRESS PORT]``.

    "Use this key for packets to FROM."  ``address`` and ``port`` are None when absent.
    Between nodes that have sessions (protocol 17.7) the key is a handshake record as
    datagram, in tinc's base64, and there is no suite: three times -1.
    """

    request: ClassVar[Request] = Request.ANS_KEY
    _format: ClassVar[re.Pattern[bytes]] = re.compile(
        pattern(TEXT, TEXT, TEXT, INT, INT, INT, INT).pattern
        + rb"(?:\s++(\S{1,2048}+)\s++(\S{1,2048}+))?+"
    )
    source: str
    target: str
    key: str = field(repr=False)
    cipher: int
    digest: int
    maclength: int
    compression: int
    address: str | None = None
    port: str | None = None

    @classmethod
    def of_session(cls, source: str, target: str, record: str) -> AnsKey:
        """Return what carries a handshake record, and asks for no compression."""
        return cls(source, target, record, _NO_SUITE, _NO_SUITE, _NO_SUITE, 0)

    @classmethod
    def parse(cls, line: bytes) -> AnsKey:
        match = cls._format.match(line)
        if match is None:
            raise PeerError("Got bad ANS_KEY from {peer}")
        _, source, target, key, *numbers, address, port = match.groups()
        ends = node_name(source, "ANS_KEY"), node_name(target, "ANS_KEY")
        cipher, digest, maclength, compression = (int32(number) for number in numbers)
        return cls(
            *ends,
            text(key),
            cipher,
            digest,
            maclength,
            compression,
            None if address is None else text(address),
            None if port is None else text(port),
        )

    def encode(self) -> bytes:
        suite = f"{self.cipher} {self.digest} {self.maclength} {self.compression}"
        line = f"16 {self.source} {self.target} {self.key} {suite}"
        if self.address is not None:
            line += f" {self.address} {self.port}"
        return line.encode("latin-1")
