"""The table of messages: what has to be settled before each of them, and its rule.

A message without a row, as PING and PONG, changes nothing of the mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from tincd_compat.control.context import Envelope
from tincd_compat.control.effects import Effect
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.meta.messages import (
    AddEdge,
    AddSubnet,
    AnsKey,
    DelEdge,
    DelSubnet,
    KeyChanged,
    Message,
    ReqKey,
)


class Settle(Enum):
    """What the graph may have put off that a message depends on."""

    NOTHING = "nothing"
    #: Nodes that only a run finds to be cut off: an added edge could hide that.
    LOSSES = "losses"
    #: Paths over edges that have gone: a key must not take one.
    DETOURS = "detours"


#: Changes the mesh as a message says; returns what is left to do.
Rule: TypeAlias = Callable[[Any, Envelope], list[Effect]]


class MessageRow(NamedTuple):
    """What is done about the messages of one class."""

    first: Settle
    rule: Rule


def message_table(
    gossip: Gossip, exchange: KeyExchange
) -> Mapping[type[Message], MessageRow]:
    """Return the rows by class of message."""
    return {
        AddSubnet: MessageRow(Settle.NOTHING, gossip.add_subnet),
        DelSubnet: MessageRow(Settle.NOTHING, gossip.delete_subnet),
        AddEdge: MessageRow(Settle.LOSSES, gossip.add_edge),
        DelEdge: MessageRow(Settle.NOTHING, gossip.delete_edge),
        KeyChanged: MessageRow(Settle.NOTHING, gossip.key_changed),
        ReqKey: MessageRow(Settle.DETOURS, exchange.request),
        AnsKey: MessageRow(Settle.DETOURS, exchange.answer),
    }
