"""KEY_CHANGED, REQ_KEY and ANS_KEY: routing of their lines, and when our keys expire.

REQ_KEY and ANS_KEY travel hop by hop over meta connections and are not flooded.  A
tincd 1.0 crashes on a REQ_KEY from a node it has never reached, so none is passed on
for an origin that is not reachable here.  The graph has to be up to date when these
messages are handled.

Nodes that have sessions with us (protocol 17.7) get no keys and give none: their lines
go to :mod:`.sessions`.  A tinc 1.1 aborts on a REQ_KEY without a form from a node that
it has a session with, so none is sent or passed on between two of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from tincd_compat import logs, options
from tincd_compat.control.context import Envelope
from tincd_compat.control.effects import (
    Announce,
    Effect,
    KeyReceived,
    KeyRequested,
    Relay,
    SendKey,
)
from tincd_compat.mesh.node import Edge, Mesh, Node
from tincd_compat.meta.messages import MAX_LINE, AnsKey, KeyChanged, ReqKey
from tincd_compat.options import PMTU_DISCOVERY

if TYPE_CHECKING:
    from tincd_compat.control.sessions import NodeSessions

#: Part of KeyExpire by which a key may end early.  Nodes that were started together
#: would otherwise all renew their keys in the same second, for ever.
MAX_JITTER: Final = 0.1
#: Fields of an ANS_KEY without an address.
_PLAIN_ANS_KEY = 8


class KeyExchange:
    """Routes key messages and tells when our keys are to be renewed.

    ``udp_confirmed`` says whether packets are known to reach a node by UDP: only then
    an address seen here is worth telling it.  ``jitter`` draws from 0 to 1.  Times are
    monotonic seconds.  ``opens`` says whether this machine can open what is sealed for
    us: else all has to come over TCP.  ``sessions`` is None in a daemon without an
    Ed25519 key.
    """

    def __init__(
        self,
        mesh: Mesh,
        *,
        tunnel_server: bool,
        udp_confirmed: Callable[[Node], bool],
        nonce: Callable[[], int],
        key_expire: float,
        now: float,
        jitter: Callable[[], float] = lambda: 0.0,
        opens: bool = True,
        sessions: NodeSessions | None = None,
    ) -> None:
        self._mesh = mesh
        self._tunnel_server = tunnel_server
        self._udp_confirmed = udp_confirmed
        self._nonce = nonce
        self._key_expire = key_expire
        self._jitter = jitter
        self._opens = opens
        self.sessions = sessions
        self.expires_at = now + self.lifetime()

    def request(self, message: ReqKey, envelope: Envelope) -> list[Effect]:
        """Handle REQ_KEY: note it if it is for us, else pass it on."""
        ends = self._ends(message, envelope.peer)
        if ends is None:
            return []
        origin, destination = ends
        if destination is not self._mesh.myself:
            return self._relay_request(message, envelope, origin, destination)
        if self.sessions is None:
            return [KeyRequested(origin, message)]
        if origin.has_sessions:
            return self.sessions.requested(origin, message, envelope.now)
        if not message.form:
            return [KeyRequested(origin, message)]
        text = "Ignoring REQ_KEY of form %d from %s, with which we have no sessions"
        logs.protocol.warning(text, message.form, origin.label)
        return []

    def _relay_request(
        self, message: ReqKey, envelope: Envelope, origin: Node, destination: Node
    ) -> list[Effect]:
        """Pass a REQ_KEY on, unless it would end the daemon that it is for."""
        if self.sessions is not None and not message.form:
            minors = (options.minor(node.options) for node in (origin, destination))
            if min(minors) >= options.Minor.SESSIONS:
                text = "Not passing on REQ_KEY from %s to %s, which have sessions"
                logs.protocol.warning(text, origin.name, destination.name)
                return []
        return [Relay(destination, envelope.line)]

    def answer(self, message: AnsKey, envelope: Envelope) -> list[Effect]:
        """Handle ANS_KEY: take the key if it is for us, else pass it on."""
        ends = self._ends(message, envelope.peer)
        if ends is None:
            return []
        origin, destination = ends
        if destination is self._mesh.myself:
            if self.sessions is not None and origin.has_sessions:
                return self.sessions.answered(origin, message, envelope.now)
            return [KeyReceived(origin, message)]
        line = self._with_address(message, envelope.line, origin, destination)
        return [Relay(destination, line)]

    def _ends(self, message: ReqKey | AnsKey, peer: object) -> tuple[Node, Node] | None:
        """Return origin and destination, or None if the message goes no further."""
        myself, nodes = self._mesh.myself, self._mesh.nodes
        name = message.request.name
        origin, destination = nodes.get(message.source), nodes.get(message.target)
        if origin is None or destination is None:
            role = "origin" if origin is None else "destination"
            missing = message.source if origin is None else message.target
            logs.always.error(
                "Got %s from %s %s %s which does not exist in our connection list",
                name,
                peer,
                role,
                missing,
            )
            return None
        if origin is destination:
            # A node that answered itself would replace or believe its own keys.
            logs.always.warning(
                "Got %s from %s from and to %s", name, peer, origin.name
            )
            return None
        if destination is not myself and self._tunnel_server:
            return None
        if not destination.reachable:
            _warn_unreachable(name, peer, "destination", destination)
            return None
        if isinstance(message, ReqKey) and not origin.reachable:
            _warn_unreachable(name, peer, "origin", origin)
            return None
        return origin, destination

    def _with_address(
        self, message: AnsKey, line: bytes, origin: Node, destination: Node
    ) -> bytes:
        """Append the UDP address at which the origin reaches us, if that may help."""
        if origin.address is None or len(line.split()) > _PLAIN_ANS_KEY:
            return line
        if not self._udp_confirmed(destination):
            return line
        place = f" {origin.address.host} {origin.address.port}".encode()
        longer = line.rstrip() + place
        if len(longer) >= MAX_LINE:
            return line
        logs.protocol.debug(
            "Appending reflexive UDP address to ANS_KEY from %s to %s",
            message.source,
            message.target,
        )
        return longer

    def gives_key(self, node: Node) -> bool:
        """Tell whether a node is given a key of ours, which one with sessions is not.

        Who has one sends by UDP what is not known to get through, unless the last edge
        on its way to us has path MTU discovery: what we cannot open would be lost.
        """
        if node.has_sessions:
            return False
        return self._opens or all(
            edge.options & PMTU_DISCOVERY for edge in self._last_edges(node)
        )

    def _last_edges(self, node: Node) -> Iterator[Edge]:
        """Yield the edges over which a node may see us: only its own if it has one."""
        myself = self._mesh.myself
        own = node.edges.get(myself.name)
        if own is not None:
            yield own
            return
        for edge in myself.edges.values():
            opposite = edge.target.edges.get(myself.name)
            if opposite is not None:
                yield opposite

    def tick(self, now: float) -> list[Effect]:
        """Renew the keys if they are old enough; due every PingTimeout seconds."""
        return [] if now < self.expires_at else self.renew(now)

    def renew(self, now: float) -> list[Effect]:
        """Void all keys we handed out and send new ones to our neighbours.

        KEY_CHANGED comes first: it voids every key sent before it.  The other nodes ask
        when they need a key.
        """
        logs.status.info("Expiring symmetric keys")
        self.expires_at = now + self.lifetime()
        myself = self._mesh.myself
        changed = KeyChanged(self._nonce(), myself.name)
        neighbours = [edge.target for edge in myself.sorted_edges()]
        keys = [
            SendKey(node)
            for node in neighbours
            if node.reachable and not node.has_sessions
        ]
        return [Announce(changed), *keys]

    def lifetime(self) -> float:
        """Return the lifetime of our next keys, or a session's, in seconds."""
        return self._key_expire * (1 - MAX_JITTER * self._jitter())

    def expire_now(self, now: float) -> None:
        """Let the next tick renew the keys: a peer's packet numbers get too large."""
        self.expires_at = min(self.expires_at, now)


def _warn_unreachable(name: str, peer: object, role: str, node: Node) -> None:
    logs.always.warning(
        "Got %s from %s %s %s which is not reachable", name, peer, role, node.name
    )
