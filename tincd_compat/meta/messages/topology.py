"""What is flooded about the mesh: whose subnets, and who is connected to whom."""

from __future__ import annotations

import re
from typing import ClassVar

from tincd_compat.addresses import Subnet
from tincd_compat.dataclass import dataclass
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
from tincd_compat.meta.messages.requests import Request


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
