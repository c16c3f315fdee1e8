"""Sessions with all nodes (protocol 17.7): who begins one, and what lines about it do.

The initiator sends its KEX in REQ_KEY, everything else of the handshake travels in
ANS_KEY.  The rules are those of tinc 1.1, but for four:

* A session counts until the next one is complete (:mod:`.nodesession`).
* Where both ends begin at once, each tinc 1.1 gives up its own attempt, and both wait
  for ten seconds.  Here the node whose name comes first in byte order keeps to its own
  attempt, and the other one follows up both.
* A datagram that no session opens is no reason to begin anew, unless nothing valid has
  come for a while: anybody can send one.
* Who is asked for its public key says once more what it had begun with: the other end
  could not use it.

Nothing here is needed by a daemon without an Ed25519 key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tincd_compat import logs
from tincd_compat.control.effects import (
    AddressSeen,
    Effect,
    KeyLearned,
    SendTowards,
    SessionReady,
    SessionRecord,
)
from tincd_compat.control.nodesession import NodeSession
from tincd_compat.crypto.sptps import digits, keytext
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.derivation import tunnel_label
from tincd_compat.crypto.sptps.edwards import SigningKey, VerifyingKey
from tincd_compat.crypto.sptps.handshake import Terms
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import PeerError
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import AnsKey, KeyForm, ReqKey

#: Seconds from one attempt at a node to the next, and from one question for its public
#: key to the next.
RETRY: Final = 10.0
#: Seconds between two attempts of one node that are answered: each costs a key pair.
ANSWER_INTERVAL: Final = 1.0
#: Seconds without a valid datagram, after which one that does not open counts.
SILENCE: Final = 10.0
#: Nodes with a session, an attempt or an open question.  A member can invent nodes.
MAX_SESSIONS: Final = 4096
#: Public keys that are learned until the next start: each becomes a file.
MAX_LEARNED: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """What our own side brings into all sessions.

    ``keys`` returns the public key of a node, None if it is not known; ``learns`` tells
    whether the mesh may say it then.  ``make`` returns a session for terms, and
    ``lifetime`` draws the seconds until the keys of one are renewed.
    """

    own: SigningKey
    keys: Callable[[Node], VerifyingKey | None]
    make: Callable[[Terms], DatagramSession]
    lifetime: Callable[[], float]
    learns: bool = True


class NodeSessions:
    """The sessions of our node with all others.  Times are monotonic seconds."""

    def __init__(self, myself: Node, policy: SessionPolicy) -> None:
        self._myself = myself
        self._policy = policy
        self._table: dict[Node, NodeSession] = {}
        self._learned = 0
        self._told_full = False

    def __len__(self) -> int:
        return len(self._table)

    def of(self, node: Node) -> DatagramSession | None:
        """Return the session that counts for a node; None before the first."""
        entry = self._table.get(node)
        return None if entry is None else entry.current

    def forget(self, node: Node) -> None:
        """Forget a node that came or went, or may have been started anew."""
        self._table.pop(node, None)

    def _entry(self, node: Node) -> NodeSession | None:
        """Return what there is about a node; None if there is no room for it."""
        entry = self._table.get(node)
        if entry is None:
            if len(self._table) >= MAX_SESSIONS:
                self._refuse_entry(node)
                return None
            self._told_full = False
            entry = self._table[node] = NodeSession(self._policy.lifetime)
        return entry

    def _refuse_entry(self, node: Node) -> None:
        if not self._told_full:
            text = "No session with %s, having %d already"
            logs.always.warning(text, node.label, MAX_SESSIONS)
        self._told_full = True

    # What asks for a session.

    def want(self, node: Node, now: float) -> list[Effect]:
        """Begin a session for a packet, unless there is one or an attempt is young."""
        entry = self._entry(node)
        if entry is None or entry.current is not None:
            return []
        return self._begin_again(node, entry, now)

    def unopened(self, node: Node, heard: float, now: float) -> list[Effect]:
        """Begin anew after a datagram by UDP that does not open, if that may help.

        ``heard`` is when the last one was opened.
        """
        entry = self._entry(node)
        if entry is None or now - max(heard, entry.ready_at) <= SILENCE:
            return []
        return self._begin_again(node, entry, now)

    def _begin_again(self, node: Node, entry: NodeSession, now: float) -> list[Effect]:
        if now - entry.begun_at <= RETRY:
            return []
        key = self._policy.keys(node)
        if key is None:
            return self._ask(node, entry, now)
        return [self._begin(node, entry, key, now)]

    def _begin(
        self, node: Node, entry: NodeSession, key: VerifyingKey, now: float
    ) -> Effect:
        kex = entry.begin(self._make(node, key, initiator=True), now)
        return self._request(node, KeyForm.SESSION, digits.encode(kex))

    def _make(
        self, node: Node, key: VerifyingKey, *, initiator: bool
    ) -> DatagramSession:
        ends = self._myself.name, node.name
        label = tunnel_label(*(ends if initiator else ends[::-1]))
        return self._policy.make(Terms(initiator, self._policy.own, key, label))

    def _request(self, node: Node, form: KeyForm, payload: str = "") -> Effect:
        ends = self._myself.name, node.name
        return SendTowards(node, ReqKey(*ends, (), form, payload))

    def _answers(self, node: Node, records: tuple[bytes, ...]) -> list[Effect]:
        ends = self._myself.name, node.name
        lines = (AnsKey.of_session(*ends, digits.encode(each)) for each in records)
        return [SendTowards(node, line) for line in lines]

    # REQ_KEY.

    def requested(self, node: Node, message: ReqKey, now: float) -> list[Effect]:
        """Handle a REQ_KEY for us from a node that has sessions."""
        try:
            match message.form:
                case KeyForm.SESSION:
                    return self._invited(node, _decoded(message.payload), now)
                case KeyForm.ASK_PUBLIC_KEY:
                    return self._asked(node, now)
                case KeyForm.PUBLIC_KEY:
                    return self._told_key(node, message.payload, now)
                case KeyForm.DATAGRAM:
                    return self._take(node, _decoded(message.payload), now)
        except PeerError as error:
            logs.protocol.warning("%s", error.text(node.label))
            return []
        # An ANS_KEY as answer to one without a form would be a record to that node.
        text = "Ignoring REQ_KEY of form %d from %s, with which we have sessions"
        logs.protocol.warning(text, message.form, node.label)
        return []

    def _invited(self, node: Node, kex: bytes, now: float) -> list[Effect]:
        """Answer a node that begins a session."""
        entry = self._entry(node)
        if entry is None:
            return []
        key = self._policy.keys(node)
        if key is None:
            return self._ask(node, entry, now)
        if now - entry.answered_at < ANSWER_INTERVAL:
            logs.protocol.info("Ignoring another session of %s so soon", node.label)
            return []
        young = entry.own is not None and now - entry.begun_at <= RETRY
        if young and self._myself.name < node.name:
            # The node answers ours: of two sessions each end might choose another.
            logs.protocol.debug("Keeping to our own session with %s", node.label)
            return []
        session = self._make(node, key, initiator=False)
        records = entry.accept(session, kex, now)
        entry.answered_at = now
        if not young:
            entry.own, entry.begun_at = None, now
        return self._answers(node, records)

    def _asked(self, node: Node, now: float) -> list[Effect]:
        """Give a node our public key, and say again what it could not use before."""
        entry = self._entry(node)
        effects: list[Effect] = []
        if entry is not None and self._policy.keys(node) is None:
            effects = self._ask(node, entry, now)
        public = keytext.public_text(self._policy.own.public)
        effects.append(self._request(node, KeyForm.PUBLIC_KEY, public))
        if entry is not None and entry.own is not None and entry.own.kex:
            kex = digits.encode(entry.own.kex)
            effects.append(self._request(node, KeyForm.SESSION, kex))
        return effects

    def _ask(self, node: Node, entry: NodeSession, now: float) -> list[Effect]:
        """Ask a node for its public key, if we would believe the answer."""
        if now - entry.asked_at <= RETRY:
            return []
        entry.asked_at = now
        if not self._policy.learns:
            text = "No Ed25519 key known for %s, and the mesh is not asked for it"
            logs.always.warning(text, node.label)
            return []
        logs.protocol.info("No Ed25519 key known for %s", node.label)
        return [self._request(node, KeyForm.ASK_PUBLIC_KEY)]

    def _told_key(self, node: Node, text: str, now: float) -> list[Effect]:
        """Believe the public key of a node that we have asked for it, and begin."""
        entry = self._table.get(node)
        known = self._policy.keys(node) is not None
        if entry is None or known or not (self._policy.learns and entry.asking(now)):
            raise PeerError("Got a public key that nobody has asked for from {peer}")
        if self._learned >= MAX_LEARNED:
            raise PeerError("Got one public key more than we learn from {peer}")
        try:
            key = keytext.parse_public(text)
        except ValueError as error:
            raise PeerError(f"Got bad public key from {{peer}}: {error}") from None
        self._learned += 1
        logs.always.warning(
            "Learned the Ed25519 key of %s from the mesh, which nobody vouches for: %s",
            node.label,
            text,
        )
        return [KeyLearned(node, key), self._begin(node, entry, key, now)]

    # Records.

    def answered(self, node: Node, message: AnsKey, now: float) -> list[Effect]:
        """Handle an ANS_KEY for us from a node that has sessions."""
        entry = self._table.get(node)
        if entry is not None:
            entry.compression = message.compression
        try:
            effects = self._take(node, _decoded(message.key), now)
        except PeerError as error:
            logs.protocol.warning("%s", error.text(node.label))
            return []
        if message.address is not None and message.port is not None and self.of(node):
            effects.append(AddressSeen(node, message.address, message.port))
        return effects

    def _take(self, node: Node, record: bytes, now: float) -> list[Effect]:
        """Give a record that came over TCP to the session it belongs to.

        What no session can use shows that the node has one that we have not.
        """
        entry = self._entry(node)
        if entry is None:
            return []
        try:
            (record_in, replies), completed = entry.take(record, now)
        except PeerError as error:
            logs.protocol.warning("%s", error.text(node.label))
            return self._begin_again(node, entry, now)
        effects = self._answers(node, replies)
        if completed is not None:
            logs.protocol.info("SPTPS session with %s is ready", node.label)
            effects.append(SessionReady(node, completed, entry.compression))
        if record_in is not None:
            effects.append(SessionRecord(node, record_in))
        return effects

    # Time.

    def tick(self, now: float) -> Iterator[list[Effect]]:
        """Renew keys, replace sessions that fail and forget what is over.

        One node is looked after in each step.  It is due every PingTimeout seconds.
        """
        for node, entry in tuple(self._table.items()):
            if self._table.get(node) is entry:
                yield self._look_after(node, entry, now)

    def _look_after(self, node: Node, entry: NodeSession, now: float) -> list[Effect]:
        if not entry.age(now):
            del self._table[node]
            return []
        if entry.failing(now):
            return self._begin_again(node, entry, now)
        return self._answers(node, entry.renew(now))


def _decoded(text: str) -> bytes:
    try:
        return digits.decode(text)
    except ValueError as error:
        raise PeerError(f"Got a bad SPTPS record from {{peer}}: {error}") from None
