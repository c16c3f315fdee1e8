"""The handshake of SPTPS as a table of states and records.

========  ======  =========  ====================================================
state     record  next       what is done
========  ======  =========  ====================================================
IDLE      --      KEX        begin: say KEX
KEX       KEX     SIG        the initiator says SIG, and in a rekey expects the
                             new incoming key
SIG       SIG     READY      first time: the responder says SIG; both keys change
SIG       SIG     ACK        rekey: the responder says SIG; both say ACK under the
                             old key and change the outgoing one; the responder
                             expects the new incoming key
ACK       ACK     READY      the peer has changed its outgoing key
READY     --      KEX        begin: say KEX
READY     KEX     SIG        say KEX, then as in state KEX
========  ======  =========  ====================================================

The initiator expects the new key early because the responder changes to it before its
SIG has arrived, and data may be faster.  That is safe: the KEX of a rekey has come
under the old key, so it is the peer's.

Everything else is an error, and an error changes nothing.  What is to be done comes
back as effects, in order.  A record is told by its length, which no two kinds share.
(tinc 1.1 behaviour)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from tincd_compat.crypto.sptps.derivation import SessionKeys, session_keys
from tincd_compat.crypto.sptps.edwards import (
    KEY_SIZE,
    SIGNATURE_SIZE,
    Ephemeral,
    SigningKey,
    VerifyingKey,
)
from tincd_compat.crypto.sptps.records import refused
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import Fault

_VERSION: Final = b"\0"
_NONCE_SIZE: Final = 32


class HandshakeState(Enum):
    """What the handshake waits for."""

    #: For its owner to begin.
    IDLE = "idle"
    #: For the peer's KEX, its SIG, its ACK.
    KEX = "kex"
    SIG = "sig"
    ACK = "ack"
    #: For nothing: records of the application may be sent.
    READY = "ready"


class Say(NamedTuple):
    """Send a handshake record under the outgoing key of this moment."""

    data: bytes


class SealWith(NamedTuple):
    """Change the outgoing key."""

    key: bytes


class Expect(NamedTuple):
    """Be ready for the peer to change to this key."""

    key: bytes


class Changed(NamedTuple):
    """The peer has changed to the key that was expected."""


Effect = Say | SealWith | Expect | Changed


@dataclass(frozen=True, slots=True)
class Terms:
    """Roles, keys and label of a session, on which both sides agree beforehand."""

    initiator: bool
    own: SigningKey
    peer: VerifyingKey
    label: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """One side's part of the keys to be: a nonce of 32 bytes and a key pair."""

    nonce: bytes
    ephemeral: Ephemeral

    @classmethod
    def fresh(cls, random_bytes: Callable[[int], bytes]) -> Offer:
        """Make an offer of 64 random bytes."""
        nonce = random_bytes(_NONCE_SIZE)
        return cls(nonce, Ephemeral.generate(random_bytes))

    @property
    def kex(self) -> bytes:
        """The KEX record that makes the offer."""
        return _VERSION + self.nonce + self.ephemeral.public

    def __repr__(self) -> str:
        return "Offer()"


KEX_SIZE: Final = len(_VERSION) + _NONCE_SIZE + KEY_SIZE


class SptpsHandshake:
    """One side of the handshakes of one session; ``offers`` makes a fresh offer."""

    def __init__(self, terms: Terms, offers: Callable[[], Offer]) -> None:
        self.state = HandshakeState.IDLE
        self._terms = terms
        self._offers = offers
        #: Ours and the peer's KEX of the handshake that is under way.
        self._offer: Offer | None = None
        self._kex = b""
        #: The keys of the handshake that is under way, from the peer's KEX on.
        self._keys: SessionKeys | None = None
        #: The session has had keys before.
        self._keyed = False

    def begin(self) -> tuple[Effect, ...]:
        """Begin the first handshake or a rekey; ValueError while one is under way."""
        if self.state not in (HandshakeState.IDLE, HandshakeState.READY):
            raise ValueError("a handshake is under way")
        self._offer = self._offers()
        self.state = HandshakeState.KEX
        return (Say(self._offer.kex),)

    def receive(self, data: bytes) -> tuple[Effect, ...]:
        """Take a handshake record; PeerError if it is not the one to come now."""
        wanted = _WANTED.get(self.state)
        if wanted is None or len(data) != wanted[0]:
            state = self.state.name
            raise refused(f"a SPTPS record of {len(data)} bytes in state {state}")
        return wanted[1](self, data)

    def _again(self, kex: bytes) -> tuple[Effect, ...]:
        """Answer a peer that begins a rekey."""
        offer = self._offers()
        return Say(offer.kex), *self._agree(offer, kex)

    def _offered(self, kex: bytes) -> tuple[Effect, ...]:
        """Take the peer's KEX after ours."""
        assert self._offer is not None
        return self._agree(self._offer, kex)

    def _agree(self, offer: Offer, kex: bytes) -> tuple[Effect, ...]:
        """Derive the keys of two offers; the initiator is the first to sign."""
        if not kex.startswith(_VERSION):
            raise refused(f"version {kex[0]} of SPTPS")
        keys = self._derive(offer, kex)
        effects: tuple[Effect, ...] = ()
        if self._terms.initiator:
            effects = (self._sign(offer, kex),)
            if self._keyed:
                effects = (*effects, Expect(keys.to_initiator))
        self._offer, self._kex, self._keys = offer, kex, keys
        self.state = HandshakeState.SIG
        return effects

    def _signed(self, signature: bytes) -> tuple[Effect, ...]:
        """Take the peer's SIG, and use the keys."""
        terms, kex, offer, keys = self._terms, self._kex, self._offer, self._keys
        assert offer is not None
        assert keys is not None
        text = _signed_text(not terms.initiator, kex, offer.kex, terms.label)
        if not terms.peer.verify(signature, text):
            raise refused("a wrong SPTPS signature", Fault.WRONG_KEY)
        said = () if terms.initiator else (self._sign(offer, kex),)
        # Without them the keys of this session cannot be derived again.
        self._offer, self._kex, self._keys = None, b"", None
        return *said, *self._change(keys)

    def _change(self, keys: SessionKeys) -> tuple[Effect, ...]:
        initiator = self._terms.initiator
        incoming, outgoing = keys if initiator else keys[::-1]
        if not self._keyed:
            self._keyed = True
            self.state = HandshakeState.READY
            return SealWith(outgoing), Expect(incoming), Changed()
        self.state = HandshakeState.ACK
        changing = Say(b""), SealWith(outgoing)
        return changing if initiator else (*changing, Expect(incoming))

    def _derive(self, offer: Offer, kex: bytes) -> SessionKeys:
        """Return the keys that follow from both offers."""
        terms = self._terms
        try:
            secret = offer.ephemeral.agree(kex[-KEY_SIZE:])
        except ValueError:
            raise refused("an unusable SPTPS key") from None
        nonces = (offer.nonce, kex[len(_VERSION) : -KEY_SIZE])
        ordered = nonces if terms.initiator else nonces[::-1]
        return session_keys(secret, *ordered, terms.label)

    def _acknowledged(self, _nothing: bytes) -> tuple[Effect, ...]:
        self.state = HandshakeState.READY
        return (Changed(),)

    def _sign(self, offer: Offer, kex: bytes) -> Say:
        terms = self._terms
        text = _signed_text(terms.initiator, offer.kex, kex, terms.label)
        return Say(terms.own.sign(text))


#: The size of the record that may come in a state, and who takes it.
_WANTED: Final[
    dict[
        HandshakeState,
        tuple[int, Callable[[SptpsHandshake, bytes], tuple[Effect, ...]]],
    ]
] = {
    HandshakeState.KEX: (KEX_SIZE, SptpsHandshake._offered),
    HandshakeState.SIG: (SIGNATURE_SIZE, SptpsHandshake._signed),
    HandshakeState.ACK: (0, SptpsHandshake._acknowledged),
    HandshakeState.READY: (KEX_SIZE, SptpsHandshake._again),
}


def _signed_text(initiator: bool, signer: bytes, other: bytes, label: bytes) -> bytes:
    """Return what the signer signs: its role, its KEX, the other's KEX, the label."""
    return b"".join((bytes([initiator]), signer, other, label))
