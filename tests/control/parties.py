"""Two nodes with sessions and the lines between them: ours, and one as tinc 1.1 is.

``alpha`` comes before ``bravo`` in byte order.  Lines keep their order each way, as on
meta connections, and everything that is said passes the parser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tests.crypto.sptps.ends import ENDS
from tests.crypto.sptps.vectors import offers, private
from tincd_compat.control.effects import (
    AddressSeen,
    Effect,
    KeyLearned,
    SendTowards,
    SessionReady,
    SessionRecord,
)
from tincd_compat.control.sessions import NodeSessions, SessionPolicy
from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.derivation import tunnel_label
from tincd_compat.crypto.sptps.edwards import SigningKey, VerifyingKey
from tincd_compat.crypto.sptps.handshake import HandshakeState, Terms
from tincd_compat.crypto.sptps.records import SptpsRecord
from tincd_compat.errors import PeerError
from tincd_compat.mesh.node import Node
from tincd_compat.meta import messages
from tincd_compat.meta.messages import AnsKey, KeyForm, ReqKey

KEYS: dict[str, SigningKey] = {"alpha": private("a"), "bravo": private("b")}
LIFETIME = 3600.0


class Party(Protocol):
    """One end: what it has said waits in ``said``."""

    said: list[bytes]

    @property
    def session(self) -> DatagramSession | None:
        """The session that it seals with, if it may."""

    def want(self, now: float) -> None:
        """A packet is to be sent."""

    def hear(self, line: bytes, now: float) -> None:
        """A line has arrived."""


class Ours:
    """Our rules, with a daemon that performs what they say."""

    def __init__(
        self, name: str, peer: str, *, knows: bool = True, learns: bool = True
    ) -> None:
        self.node = Node(peer, reachable=True, has_sessions=True)
        self.key: VerifyingKey | None = KEYS[peer].public if knows else None
        self.said: list[bytes] = []
        self.effects: list[Effect] = []
        self.records: list[SptpsRecord] = []
        self.seals_with: DatagramSession | None = None
        make = offers(name.encode())
        policy = SessionPolicy(
            own=KEYS[name],
            keys=lambda _node: self.key,
            make=lambda terms: DatagramSession(terms, make, ENDS),
            lifetime=lambda: LIFETIME,
            learns=learns,
        )
        self.sessions = NodeSessions(Node(name), policy)

    @property
    def session(self) -> DatagramSession | None:
        return self.seals_with

    def want(self, now: float) -> None:
        self.perform(self.sessions.want(self.node, now))

    def tick(self, now: float) -> None:
        for effects in self.sessions.tick(now):
            self.perform(effects)

    def hear(self, line: bytes, now: float) -> None:
        message = messages.parse(line)
        if isinstance(message, AnsKey):
            self.perform(self.sessions.answered(self.node, message, now))
        else:
            assert isinstance(message, ReqKey)
            self.perform(self.sessions.requested(self.node, message, now))

    def perform(self, effects: list[Effect]) -> None:
        self.effects = effects
        for effect in effects:
            match effect:
                case SendTowards(_, message):
                    self.said.append(message.encode())
                case SessionReady(_, session, _):
                    self.seals_with = session
                case SessionRecord(_, record):
                    self.records.append(record)
                case KeyLearned(_, key):
                    self.key = key
                case AddressSeen():
                    pass
                case _:
                    raise AssertionError(effect)


class Tinc11:
    """The rules of tinc 1.1: the last attempt that anybody began is the only one."""

    def __init__(self, name: str, peer: str) -> None:
        self.name, self.peer = name, peer
        self.said: list[bytes] = []
        self.current: DatagramSession | None = None
        self.begun_at = float("-inf")
        self._offers = offers(name.encode())

    @property
    def session(self) -> DatagramSession | None:
        ready = self.current and self.current.sealer is not None
        return self.current if ready else None

    def _begin(self, *, initiator: bool, now: float) -> bytes:
        ends = (self.name, self.peer) if initiator else (self.peer, self.name)
        keys = KEYS[self.name], KEYS[self.peer].public
        terms = Terms(initiator, *keys, tunnel_label(*ends))
        self.current = DatagramSession(terms, self._offers, ENDS)
        self.begun_at = now
        return self.current.begin()[0]

    def want(self, now: float) -> None:
        if self.session is None and now - self.begun_at > 10:
            kex = self._begin(initiator=True, now=now)
            ends = self.name, self.peer
            text = digits.encode(kex)
            self.said.append(ReqKey(*ends, (), KeyForm.SESSION, text).encode())

    def hear(self, line: bytes, now: float) -> None:
        message = messages.parse(line)
        if isinstance(message, AnsKey):
            self._feed(message.key, now)
        else:
            assert isinstance(message, ReqKey)
            assert message.form == KeyForm.SESSION
            self._answer((self._begin(initiator=False, now=now),))
            self._feed(message.payload, now)

    def _feed(self, text: str, now: float) -> None:
        if self.current is None:
            self.want(now)
            return
        try:
            delivery = self.current.receive(digits.decode(text), over_tcp=True)
        except PeerError:
            if now - self.begun_at > 10:
                self.current = None
                self.want(now)
            return
        self._answer(delivery.replies)

    def _answer(self, records: tuple[bytes, ...]) -> None:
        for record in records:
            text = digits.encode(record)
            self.said.append(AnsKey.of_session(self.name, self.peer, text).encode())


def deliver(one: Party, other: Party, now: float) -> bool:
    """Let ``other`` hear the next line of ``one``; tell whether there was one."""
    if not one.said:
        return False
    other.hear(one.said.pop(0), now)
    return True


def settle(one: Party, other: Party, now: float, limit: int = 40) -> int:
    """Deliver all lines in turn; return how many there were."""
    count = 0
    while deliver(one, other, now) + deliver(other, one, now):
        count += 1
        assert count < limit, "the two never stop talking"
    return count


def agree(one: Party, other: Party) -> bool:
    """Tell whether what either seals the other opens."""
    for source, target in ((one, other), (other, one)):
        if source.session is None or target.session is None:
            return False
        datagram = source.session.seal(0, b"frame")
        try:
            target.session.receive(datagram, over_tcp=False)
        except PeerError:
            return False
    return all(
        each.session is not None and each.session.state is HandshakeState.READY
        for each in (one, other)
    )


def pair(
    make_other: Callable[[str, str], Party] = Ours, name: str = "alpha"
) -> tuple[Ours, Party]:
    """Return ours of that name and another party."""
    peer = "bravo" if name == "alpha" else "alpha"
    return Ours(name, peer), make_other(peer, name)
