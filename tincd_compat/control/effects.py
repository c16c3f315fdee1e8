"""Effects of the rules: small values, performed by the daemon in list order.

The rules themselves change the mesh only.  "The source" is the connection whose message
or event produced the effects.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from tincd_compat.addresses import Subnet
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import AnsKey, Message, ReqKey, Request

if TYPE_CHECKING:
    from tincd_compat.crypto.sptps.datagram import DatagramSession
    from tincd_compat.crypto.sptps.edwards import VerifyingKey
    from tincd_compat.crypto.sptps.records import SptpsRecord


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the received line to every active connection except the source."""

    line: bytes
    request: Request


@dataclass(frozen=True, slots=True)
class Announce:
    """Send a message of ours to every active connection."""

    message: Message


@dataclass(frozen=True, slots=True)
class Reply:
    """Send a message to the source."""

    message: Message


@dataclass(frozen=True, slots=True)
class Relay:
    """Send a line over the connection of the next hop towards ``node``."""

    node: Node
    line: bytes


@dataclass(frozen=True, slots=True)
class SendKey:
    """Make a new key for ``node`` and send it as ANS_KEY towards it."""

    node: Node


@dataclass(frozen=True, slots=True)
class KeyRequested:
    """``node`` wants a key for packets to us, and says what it can seal with."""

    node: Node
    message: ReqKey


@dataclass(frozen=True, slots=True)
class KeyReceived:
    """``node`` says which key packets to it shall use; the tunnel judges the rest."""

    node: Node
    message: AnsKey


@dataclass(frozen=True, slots=True)
class KeyVoid:
    """``node`` has discarded the keys it handed out: stop using ours at once."""

    node: Node


@dataclass(frozen=True, slots=True)
class SendTowards:
    """Send a message of ours over the connection of the next hop towards ``node``."""

    node: Node
    message: Message


@dataclass(frozen=True, slots=True)
class SessionReady:
    """Packets for ``node`` go through this session now, and ask for a compression."""

    node: Node
    session: DatagramSession
    compression: int


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """``node`` has sent a record of its session over meta connections."""

    node: Node
    record: SptpsRecord


@dataclass(frozen=True, slots=True)
class KeyLearned:
    """The mesh says that ``node`` has this public key: keep it."""

    node: Node
    key: VerifyingKey


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """Somebody on the way has seen ``node`` at this UDP address."""

    node: Node
    host: str
    port: str


@dataclass(frozen=True, slots=True)
class SubnetUp:
    """A reachable node got a subnet: run subnet-up."""

    node: Node
    subnet: Subnet


@dataclass(frozen=True, slots=True)
class SubnetDown:
    """A reachable node lost a subnet: run subnet-down."""

    node: Node
    subnet: Subnet


@dataclass(frozen=True, slots=True)
class GraphChanged:
    """Edges have come or gone; a ``loss`` has cut nodes off, or may have.

    ``flips`` has the nodes whose reachability changed.  Graph runs may be put off and
    merged, as they only make paths shorter.  But after a loss without flips the graph
    has to run before edges are added or keys are handled: a node that goes and comes
    back must lose its keys.  A ``detour`` cuts no node off, but paths lead over an edge
    that has gone, which must not stay so for long.
    """

    loss: bool
    detour: bool = False
    flips: Flips | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CheckReverse:
    """After the run, hand ``node`` to :meth:`Gossip.withdraw_reverse`."""

    node: Node


@dataclass(frozen=True, slots=True)
class NodeForgotten:
    """``node`` has left the tables for good: drop its tunnel."""

    node: Node


Effect: TypeAlias = (
    Forward
    | Announce
    | Reply
    | Relay
    | SendKey
    | KeyRequested
    | KeyReceived
    | KeyVoid
    | SendTowards
    | SessionReady
    | SessionRecord
    | KeyLearned
    | AddressSeen
    | SubnetUp
    | SubnetDown
    | GraphChanged
    | CheckReverse
    | NodeForgotten
)
