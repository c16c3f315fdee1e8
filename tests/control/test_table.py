"""The table of messages has a row for each class that says something of the mesh."""

from __future__ import annotations

from typing import Final

from tests.control.world import World
from tincd_compat.control.table import Settle
from tincd_compat.meta.messages import (
    MESSAGES,
    AddEdge,
    AnsKey,
    Message,
    ReqKey,
    Request,
)

#: Requests of the handshake, of the connection, and those that carry packets.
WITHOUT: Final = {
    *(request for request in Request if request <= Request.ACK),
    *(Request.PING, Request.PONG, Request.PACKET),
}


def test_every_message_about_the_mesh_has_a_rule() -> None:
    told = {kind.request for kind in World().table}
    assert told == {kind.request for kind in MESSAGES.values()} - WITHOUT


def test_what_comes_before_a_message() -> None:
    """Added edges could hide losses; keys must not take paths that are broken."""
    first: dict[type[Message], Settle] = {
        kind: row.first for kind, row in World().table.items()
    }
    assert first.pop(AddEdge) is Settle.LOSSES
    assert first.pop(ReqKey) is first.pop(AnsKey) is Settle.DETOURS
    assert set(first.values()) == {Settle.NOTHING}
