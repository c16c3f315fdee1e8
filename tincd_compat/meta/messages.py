"""The requests of protocol 17 as values, one frozen dataclass each.

Parsing follows the rules of C's scanf, which every tincd 1.0 applies: any run of white
space between fields, numbers end at the first character that cannot belong to them,
and whatever follows the last field is ignored (newer peers append fields).  Whoever
forwards a line forwards the received bytes, never a new encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final, TypeAlias

from tincd_compat.addresses import Subnet
from tincd_compat.errors import PeerError
from tincd_compat.meta.fields import (
    HEX,
    INT,
    TEXT,
    int32,
    node_name,
    pattern,
    read_subnet,
    split_fields,
    text,
    uint32,
)

#: Longest line a tincd 1.0 accepts, LF included (its receive buffer).
MAX_LINE: Final = 2176
#: Largest PACKET body that is delivered (tinc's MAXSIZE).
MAX_PACKET: Final = 1661


class Request(IntEnum):
    """Request numbers; 5 to 7 exist in name only and end a connection."""

    ID = 0
    METAKEY = 1
    CHALLENGE = 2
    CHAL_REPLY = 3
    ACK = 4
    STATUS = 5
    ERROR = 6
    TERMREQ = 7
    PING = 8
    PONG = 9
    ADD_SUBNET = 10
    DEL_SUBNET = 11
    ADD_EDGE = 12
    DEL_EDGE = 13
    KEY_CHANGED = 14
    REQ_KEY = 15
    ANS_KEY = 16
    PACKET = 17


@dataclass(frozen=True, slots=True)
class Id:
    """``0 NAME VERSION``; only the leading integer of VERSION counts."""

    request: ClassVar[Request] = Request.ID
    _format: ClassVar[re.Pattern[bytes]] = pattern(TEXT, INT)
    name: str
    version: int

    @classmethod
    def parse(cls, line: bytes) -> Id:
        name, version = split_fields(cls._format, line, "ID")
        # No reduction to 32 bits: 4294967313 is not version 17.
        return cls(text(name), int(version[:32]))

    def encode(self) -> bytes:
        return f"0 {self.name} {self.version}".encode("latin-1")


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
class AddSubnet:
    """``10 NONCE OWNER SUBNET``"""

    request: ClassVar[Request] = Request.ADD_SUBNET
    _format: ClassVar[re.Pattern[bytes]] = pattern(HEX, TEXT, TEXT)
    nonce: int
    owner: str
    subnet: Subnet

    @classmethod
    def parse(cls, line: bytes) -> AddSubnet:
        nonce, owner, subnet = split_fields(cls._format, line, "ADD_SUBNET")
        name = node_name(owner, "ADD_SUBNET")
        return cls(uint32(nonce), name, read_subnet(subnet, "ADD_SUBNET"))

    def encode(self) -> bytes:
        return f"10 {self.nonce:x} {self.owner} {self.subnet}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class DelSubnet:
    """``11 NONCE OWNER SUBNET``"""

    request: ClassVar[Request] = Request.DEL_SUBNET
    _format: ClassVar[re.Pattern[bytes]] = pattern(HEX, TEXT, TEXT)
    nonce: int
    owner: str
    subnet: Subnet

    @classmethod
    def parse(cls, line: bytes) -> DelSubnet:
        nonce, owner, subnet = split_fields(cls._format, line, "DEL_SUBNET")
        name = node_name(owner, "DEL_SUBNET")
        return cls(uint32(nonce), name, read_subnet(subnet, "DEL_SUBNET"))

    def encode(self) -> bytes:
        return f"11 {self.nonce:x} {self.owner} {self.subnet}".encode("latin-1")


def _edge_ends(source: bytes, target: bytes, request: str) -> tuple[str, str]:
    ends = node_name(source, request), node_name(target, request)
    if ends[0] == ends[1]:
        raise PeerError(f"Got bad {request} from {{peer}}: invalid name")
    return ends


@dataclass(frozen=True, slots=True)
class AddEdge:
    """``12 NONCE FROM TO ADDRESS PORT OPTIONS WEIGHT``; the address is where TO is.

    ``address`` and ``port`` are the peer's text: whether they are numeric is for the
    rules in control to judge.
    """

    request: ClassVar[Request] = Request.ADD_EDGE
    _format: ClassVar[re.Pattern[bytes]] = pattern(
        HEX, TEXT, TEXT, TEXT, TEXT, HEX, INT
    )
    nonce: int
    source: str
    target: str
    address: str
    port: str
    options: int
    weight: int

    @classmethod
    def parse(cls, line: bytes) -> AddEdge:
        nonce, source, target, address, port, options, weight = split_fields(
            cls._format, line, "ADD_EDGE"
        )
        ends = _edge_ends(source, target, "ADD_EDGE")
        place = text(address), text(port)
        return cls(uint32(nonce), *ends, *place, uint32(options), int32(weight))

    def encode(self) -> bytes:
        ends = f"{self.source} {self.target} {self.address} {self.port}"
        line = f"12 {self.nonce:x} {ends} {self.options:x} {self.weight}"
        return line.encode("latin-1")


@dataclass(frozen=True, slots=True)
class DelEdge:
    """``13 NONCE FROM TO``"""

    request: ClassVar[Request] = Request.DEL_EDGE
    _format: ClassVar[re.Pattern[bytes]] = pattern(HEX, TEXT, TEXT)
    nonce: int
    source: str
    target: str

    @classmethod
    def parse(cls, line: bytes) -> DelEdge:
        nonce, source, target = split_fields(cls._format, line, "DEL_EDGE")
        return cls(uint32(nonce), *_edge_ends(source, target, "DEL_EDGE"))

    def encode(self) -> bytes:
        return f"13 {self.nonce:x} {self.source} {self.target}".encode("latin-1")


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


@dataclass(frozen=True, slots=True)
class ReqKey:
    """``15 FROM TO [compress:METHOD,...]``: FROM wants the key for packets towards TO.

    ``methods`` are the compression methods beyond those of tinc 1.0 that FROM can seal
    with.  The token may stand anywhere among those behind TO; the others are ignored.
    """

    request: ClassVar[Request] = Request.REQ_KEY
    _format: ClassVar[re.Pattern[bytes]] = re.compile(
        pattern(TEXT, TEXT).pattern
        + rb"(?:(?:\s++\S++)*?\s++compress:([a-z0-9,]{1,64}+)(?!\S))?+"
    )
    source: str
    target: str
    methods: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: bytes) -> ReqKey:
        source, target, methods = split_fields(cls._format, line, "REQ_KEY")
        ends = node_name(source, "REQ_KEY"), node_name(target, "REQ_KEY")
        return cls(*ends, tuple(text(methods).split(",")) if methods else ())

    def encode(self) -> bytes:
        token = f" compress:{','.join(self.methods)}" if self.methods else ""
        return f"15 {self.source} {self.target}{token}".encode("latin-1")


@dataclass(frozen=True, slots=True)
class AnsKey:
    """``16 FROM TO HEX CIPHER DIGEST MACLENGTH COMPRESSION [ADDRESS PORT]``.

    "Use this key for packets to FROM."  ``address`` and ``port`` are None when absent.
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


Message: TypeAlias = (
    Id
    | MetaKey
    | Challenge
    | ChalReply
    | Ack
    | Ping
    | Pong
    | AddSubnet
    | DelSubnet
    | AddEdge
    | DelEdge
    | KeyChanged
    | ReqKey
    | AnsKey
    | Packet
)

#: The requests that have a handler, by number.
MESSAGES: Final[dict[int, type[Message]]] = {
    cls.request: cls
    for cls in (
        Id,
        MetaKey,
        Challenge,
        ChalReply,
        Ack,
        Ping,
        Pong,
        AddSubnet,
        DelSubnet,
        AddEdge,
        DelEdge,
        KeyChanged,
        ReqKey,
        AnsKey,
        Packet,
    )
}

_NUMBER = re.compile(INT)


def request_number(line: bytes) -> int:
    """Return the number a line starts with; PeerError if it does not start with one."""
    match = _NUMBER.match(line)
    if match is None:
        raise PeerError("Bogus data received from {peer}")
    return int(match[1][:32])


def parse(line: bytes) -> Message:
    """Parse one line without its LF; PeerError for anything tincd would not accept."""
    cls = MESSAGES.get(request_number(line))
    if cls is None:
        raise PeerError("Unknown request from {peer}")
    return cls.parse(line)
