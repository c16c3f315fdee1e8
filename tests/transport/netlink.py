"""Netlink messages as Linux 6 sends them, for the watch and for what it knows."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final

LINK, ADDR, ROUTE = 16, 20, 24
DONE: Final = 3
UP: Final = 0x1 | 0x40 | 0x10000


def message(
    kind: int, head: bytes, *attributes: tuple[int, bytes], asked: bool = False
) -> bytes:
    """Return a message; ``asked``: as part of the answer to what was asked for."""
    body = head
    for number, value in attributes:
        text = struct.pack("=HH", 4 + len(value), number) + value
        body += text + bytes(-len(text) % 4)
    question = {LINK: 18, ADDR: 22, ROUTE: 26}.get(kind & ~3, 0) if asked else 0
    flags = 2 if asked else 0
    return struct.pack("=IHHII", 16 + len(body), kind, flags, question, 0) + body


def link(
    index: int,
    *,
    flags: int = UP,
    mtu: int = 1500,
    gone: bool = False,
    family: int = socket.AF_UNSPEC,
    asked: bool = False,
) -> bytes:
    head = struct.pack("=BxHiII", family, 1, index, flags, 0)
    return message(LINK + gone, head, (4, struct.pack("=I", mtu)), asked=asked)


def address(
    index: int,
    text: str,
    *,
    lifetime: int = 300,
    flags: int = 0,
    length: int = 24,
    peer: str | None = None,
    gone: bool = False,
    asked: bool = False,
) -> bytes:
    """Return what is said of an address, with a ``peer`` at the other end or without.

    Of IPv6 the kernel says twice only what has one.
    """
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    packed = socket.inet_pton(family, text)
    places = [(1, packed if peer is None else socket.inet_pton(family, peer))]
    if family == socket.AF_INET or peer is not None:
        places.append((2, packed))
    return message(
        ADDR + gone,
        struct.pack("=BBBBI", family, length, flags & 0xFF, 0, index),
        *places,
        (6, struct.pack("=IIII", lifetime, lifetime, 0, 0)),
        (8, struct.pack("=I", flags)),
        asked=asked,
    )


def route(
    text: str | None,
    index: int,
    via: str = "10.0.0.254",
    *,
    sort: int = 1,
    flags: int = 0,
    metric: int = 0,
    length: int = 24,
    source: str | None = None,
    tos: int = 0,
    table: int = 254,
    short: bool = False,
    family: int = socket.AF_INET,
    more: Sequence[tuple[int, bytes]] = (),
    gone: bool = False,
    asked: bool = False,
) -> bytes:
    """Return what is said of a route; ``more`` are further attributes.

    A ``short`` one names its table in its head only, which has room for small numbers.
    """
    length = 0 if text is None else length
    head = struct.pack(
        *("=BBBBBBBBI", family, length, 24 if source else 0, tos),
        *(table if table < 256 else 252, 3, 0, sort, flags),
    )
    attributes = [
        *(() if short else ((15, struct.pack("=I", table)),)),
        *(((2, socket.inet_aton(source)),) if source else ()),
        *more,
        (6, struct.pack("=I", metric)),
        (5, socket.inet_aton(via)),
        (4, struct.pack("=I", index)),
    ]
    if text is not None:
        attributes.append((1, socket.inet_aton(text)))
    return message(ROUTE + gone, head, *attributes, asked=asked)


def done() -> bytes:
    return message(DONE, bytes(4), asked=True)
