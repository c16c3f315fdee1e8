"""The requests of protocol 17 as values, one frozen dataclass each.

Parsing follows the rules of C's scanf, which every tincd 1.0 applies: any run of white
space between fields, numbers end at the first character that cannot belong to them,
and whatever follows the last field is ignored (newer peers append fields).  Whoever
forwards a line forwards the received bytes, never a new encoding.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from tincd_compat.errors import PeerError
from tincd_compat.meta.messages.authentication import (
    Ack,
    Challenge,
    ChalReply,
    Id,
    KeyAck,
    MetaKey,
    TermReq,
)
from tincd_compat.meta.messages.keys import AnsKey, KeyChanged, KeyForm, ReqKey
from tincd_compat.meta.messages.link import Packet, Ping, Pong
from tincd_compat.meta.messages.requests import (
    MAX_LINE,
    MAX_PACKET_BODY,
    Request,
    request_number,
)
from tincd_compat.meta.messages.topology import AddEdge, AddSubnet, DelEdge, DelSubnet

__all__ = [
    "MAX_LINE",
    "MAX_PACKET_BODY",
    "MESSAGES",
    "Ack",
    "AddEdge",
    "AddSubnet",
    "AnsKey",
    "ChalReply",
    "Challenge",
    "DelEdge",
    "DelSubnet",
    "Id",
    "KeyAck",
    "KeyChanged",
    "KeyForm",
    "Message",
    "MetaKey",
    "Packet",
    "Ping",
    "Pong",
    "ReqKey",
    "Request",
    "TermReq",
    "parse",
    "request_number",
]

Message: TypeAlias = (
    Id
    | MetaKey
    | Challenge
    | ChalReply
    | Ack
    | KeyAck
    | TermReq
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

#: The requests that have a handler in tinc 1.0, by number.
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


def parse(line: bytes) -> Message:
    """Parse one line without its LF; PeerError for anything tincd would not accept."""
    cls = MESSAGES.get(request_number(line))
    if cls is None:
        raise PeerError("Unknown request from {peer}")
    return cls.parse(line)
