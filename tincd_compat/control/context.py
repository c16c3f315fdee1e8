"""The context of the rules for edges and subnets: mesh, policy, limits, warnings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.control.effects import Effect, Forward
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.meta.messages import Request

#: Different warnings about misbehaving peers per tick; then silence is announced.
MAX_NOTICES: Final = 32
#: Letters of a node's name: its host file has that name, and no file has a longer one.
MAX_NAME: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipPolicy:
    """The settings that decide which messages are believed and passed on."""

    strict_subnets: bool = False
    tunnel_server: bool = False
    mac_expire: float = 600.0

    @property
    def strict(self) -> bool:
        """Only subnets in our own host files count; TunnelServer implies it."""
        return self.strict_subnets or self.tunnel_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of what others tell is kept.  tincd knows no limit.

    The defaults are far above any mesh that works and far below what exhausts memory:
    meshes of some 1000 nodes with some 10 000 edges have been reported.  Who fills a
    table shuts out what comes after it, and that need not be its own.  So no node has
    more than ``of_one`` edges or subnets, and whoever is linked to us and tells of
    itself has room for ``own`` of each, however full the table is.

    ``letters`` are those of the names in both tables, twenty for each entry of full
    ones.  So all that a mesh can make us say to a neighbour is less than may wait for
    it, and nobody is given up for a line that takes its time.
    """

    nodes: int = 16_384
    edges: int = 131_072
    subnets: int = 131_072
    of_one: int = 16_384
    own: int = 256
    letters: int = 6 << 20


@dataclass(frozen=True, slots=True)
class Envelope:
    """One received line: from which neighbour, and what logs name that connection by.

    ``peer`` is made a text when a line of the log is.  ``in_dump``: the line is part of
    what that neighbour knew when the connection began.
    """

    line: bytes
    source: Node
    peer: object
    now: float
    in_dump: bool = False

    def field(self, index: int) -> str:
        """The text of one field as received, for logs."""
        return self.line.split()[index].decode("latin-1")


class WarningLimit:
    """Rate limit for warnings that peers can provoke."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def warn(self, subject: str, text: str, *arguments: object) -> None:
        """Log a warning unless this subject had one since the last :meth:`renew`."""
        if subject in self._given or len(self._given) > MAX_NOTICES:
            logs.suppressed.add(logs.always, logging.WARNING)
            return
        self._given.add(subject)
        if len(self._given) > MAX_NOTICES:
            logs.suppressed.add(logs.always, logging.WARNING)
            logs.always.warning("Not logging further warnings about peers for now")
        else:
            logs.always.warning(text, *arguments)

    def renew(self) -> None:
        self._given.clear()


class Context:
    """The mesh with the policy and limits under which messages may change it.

    All edges and nodes that messages bring in or take out pass through here.
    """

    def __init__(
        self, mesh: Mesh, policy: GossipPolicy, limits: Limits, nonce: Callable[[], int]
    ) -> None:
        self.mesh = mesh
        self.policy = policy
        self.limits = limits
        self.nonce = nonce
        self.notices = WarningLimit()
        self._edges = sum(len(node.edges) for node in mesh.nodes.values())
        self._letters_of_edges = sum(map(_letters, mesh.edges()))

    def node(self, name: str, envelope: Envelope) -> Node | None:
        """Return the node of that name, new if need be; None if there is no room.

        A name that no node can have is refused here and not where lines are read: the
        neighbour that passes it on is not to blame.
        """
        node = self.mesh.nodes.get(name)
        if node is not None:
            return node
        if len(name) > MAX_NAME:
            text = "Ignoring a node from %s whose name has %d letters"
            self.notices.warn("limit names", text, envelope.peer, len(name))
            return None
        count = len(self.mesh.nodes)
        if count >= self.limits.nodes:
            self._refuse("nodes", count, envelope)
            return None
        return self.mesh.get_or_add(name)

    @property
    def edges_full(self) -> bool:
        return self._is_full(self._edges, self.limits.edges)

    def _is_full(self, count: int, limit: int) -> bool:
        letters = self._letters_of_edges + self.mesh.subnets.letters
        return count >= limit or letters >= self.limits.letters

    def room_for_edge(self, source: Node, envelope: Envelope) -> bool:
        """Tell whether a node may have one more edge; log the refusal if not."""
        counts = self._edges, self.limits.edges, len(source.edges)
        return self._room("edges", *counts, source, envelope)

    def room_for_subnet(self, owner: Node, envelope: Envelope) -> bool:
        """Tell whether a node may have one more subnet; log the refusal if not."""
        subnets = self.mesh.subnets
        counts = len(subnets), self.limits.subnets, subnets.count(owner)
        return self._room("subnets", *counts, owner, envelope)

    @property
    def room_to_learn(self) -> bool:
        """Tell whether there is room for one more subnet of this node."""
        subnets, limits = self.mesh.subnets, self.limits
        full = self._is_full(len(subnets), limits.subnets)
        most = limits.own if full else limits.of_one
        return subnets.count(self.mesh.myself) < most

    def _room(
        self,
        what: str,
        total: int,
        limit: int,
        its: int,
        subject: Node,
        envelope: Envelope,
    ) -> bool:
        if its >= self.limits.of_one:
            self._refuse(f"{what} of {subject.name}", its, envelope)
            return False
        is_own = envelope.source is subject and its < self.limits.own
        if is_own or not self._is_full(total, limit):
            return True
        self._refuse(what, total, envelope)
        return False

    def _refuse(self, what: str, count: int, envelope: Envelope) -> None:
        text = "Ignoring new %s from %s, already knowing %d"
        self.notices.warn(f"limit {what}", text, what, envelope.peer, count)

    def add_edge(
        self,
        source: Node,
        target: Node,
        address: SocketAddress,
        options: int,
        weight: int,
    ) -> Edge:
        known = target.name in source.edges
        edge = self.mesh.add_edge(source, target, address, options, weight)
        if not known:
            self._edges += 1
            self._letters_of_edges += _letters(edge)
        return edge

    def remove_edge(self, edge: Edge) -> None:
        self._edges -= 1
        self._letters_of_edges -= _letters(edge)
        self.mesh.remove_edge(edge)


def _letters(edge: Edge) -> int:
    return len(edge.source.name) + len(edge.target.name)


def forward(request: Request, envelope: Envelope) -> Effect:
    """Pass the received bytes on and log that as tincd does."""
    if logs.meta.isEnabledFor(logging.DEBUG):
        text = envelope.line.decode("latin-1")
        logs.meta.debug("Forwarding %s from %s: %s", request.name, envelope.peer, text)
    else:
        logs.protocol.debug("Forwarding %s from %s", request.name, envelope.peer)
    return Forward(envelope.line, request)
