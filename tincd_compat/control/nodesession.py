"""The session with one node, and the attempts at another one, as a table of records.

A session counts until an attempt at the next one is complete: who could end one with a
line that anybody can write would keep two nodes apart.  Which of them a record belongs
to, only its number, signature or tag tells; a session that it does not belong to
refuses it and stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tincd_compat.crypto.sptps.datagram import Arrival, DatagramSession
from tincd_compat.crypto.sptps.handshake import HandshakeState
from tincd_compat.errors import PeerError

#: Seconds for which an attempt, or a rekey, may be under way.
PATIENCE: Final = 30.0

_NEVER: Final = float("-inf")


class Attempt:
    """A session whose first handshake is under way, since a time."""

    __slots__ = ("kex", "session", "since")

    def __init__(self, session: DatagramSession, since: float, kex: bytes) -> None:
        self.session = session
        self.since = since
        #: The KEX record that began the attempt, as long as nothing has followed.
        self.kex = kex


class Taken(NamedTuple):
    """What a record has brought about; ``completed`` is the session that counts now."""

    delivery: Arrival
    completed: DatagramSession | None


class NodeSession:
    """The session with one node; times are monotonic seconds.

    ``lifetime`` draws the seconds until the keys of a session are renewed.
    """

    __slots__ = (
        "_lifetime",
        "answered_at",
        "asked_at",
        "begun_at",
        "compression",
        "current",
        "own",
        "ready_at",
        "renew_at",
        "theirs",
        "unsettled_since",
    )

    def __init__(self, lifetime: Callable[[], float]) -> None:
        self._lifetime = lifetime
        #: The session that is complete, and the attempts at the next one: as initiator,
        #: and as responder.
        self.current: DatagramSession | None = None
        self.own: Attempt | None = None
        self.theirs: Attempt | None = None
        #: The compression level that the node wants.
        self.compression = 0
        #: When an attempt of ours began, when one of the node was last answered, and
        #: when the node was asked for its public key.
        self.begun_at = self.answered_at = self.asked_at = _NEVER
        #: When the current session was completed, when its keys are to be renewed, and
        #: since when that is under way.
        self.ready_at = _NEVER
        self.renew_at = float("inf")
        self.unsettled_since: float | None = None

    def begin(self, session: DatagramSession, now: float) -> bytes:
        """Begin an attempt as initiator; return our KEX."""
        (kex,) = session.begin()
        self.own = Attempt(session, now, kex)
        self.begun_at = now
        return kex

    def accept(
        self, session: DatagramSession, kex: bytes, now: float
    ) -> tuple[bytes, ...]:
        """Begin an attempt as responder to a KEX; return the records to be sent.

        PeerError, and no attempt, if the KEX cannot be used.
        """
        records = session.begin()
        records += session.receive(kex, over_tcp=True).replies
        self.theirs = Attempt(session, now, kex)
        return records

    def take(self, record: bytes, now: float) -> Taken:
        """Give a record that came over TCP to whom it belongs.

        PeerError, and no change, if no session or attempt can use it.
        """
        error = PeerError("Got a SPTPS record without a session from {peer}")
        for attempt in (self.own, self.theirs):
            if attempt is None:
                continue
            try:
                delivery = attempt.session.receive(record, over_tcp=True)
            except PeerError as refusal:
                error = refusal
                continue
            attempt.kex = b""
            done = attempt.session.state is HandshakeState.READY
            return Taken(delivery, self._complete(attempt, now) if done else None)
        if self.current is None:
            raise error
        delivery = self.current.receive(record, over_tcp=True)
        self._note_state(self.current, now)
        return Taken(delivery, None)

    def _complete(self, attempt: Attempt, now: float) -> DatagramSession:
        self.current = attempt.session
        self.own = self.theirs = None
        self.ready_at, self.unsettled_since = now, None
        self.renew_at = now + self._lifetime()
        return attempt.session

    def _note_state(self, session: DatagramSession, now: float) -> None:
        """Note that a rekey, of whoever began it, is under way or done."""
        if session.state is not HandshakeState.READY:
            if self.unsettled_since is None:
                self.unsettled_since = now
        elif self.unsettled_since is not None:
            self.unsettled_since = None
            self.renew_at = now + self._lifetime()

    def renew(self, now: float) -> tuple[bytes, ...]:
        """Begin a rekey if the keys are old enough; return the records to be sent."""
        session = self.current
        if session is None or now < self.renew_at:
            return ()
        if session.state is not HandshakeState.READY:
            return ()
        records = session.begin()
        self._note_state(session, now)
        return records

    def failing(self, now: float) -> bool:
        """Tell whether another session has to take the place of the current one."""
        if self.current is None:
            return False
        since = self.unsettled_since
        stuck = since is not None and now - since > PATIENCE
        return stuck or self.current.worn

    def age(self, now: float) -> bool:
        """Give up attempts that take too long; tell whether anything is left."""
        if self.own is not None and now - self.own.since > PATIENCE:
            self.own = None
        if self.theirs is not None and now - self.theirs.since > PATIENCE:
            self.theirs = None
        begun = (self.current, self.own, self.theirs)
        return self.asking(now) or any(each is not None for each in begun)

    def asking(self, now: float) -> bool:
        """Tell whether the node was asked for its public key not long ago."""
        return now - self.asked_at <= PATIENCE
