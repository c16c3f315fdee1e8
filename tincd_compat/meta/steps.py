"""The order of requests in a handshake, as tables: who awaits what, and what follows.

Three protocols share them.  Protocol 17.0, of tinc 1.0, is drawn in
:mod:`~tincd_compat.meta.handshake`.  Protocol 17.7, of tinc 1.1, has ID, a session of
Ed25519 keys that is no request, and ACK.  Between the two stands the upgrade: a
handshake of 17.0 at whose end both sides exchange Ed25519 keys in place of ACK, and
agree with TERMREQ to dial again.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from tincd_compat.meta.messages import Request


class Role(Enum):
    """Whether this side called or was called."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class State(Enum):
    """The request that is awaited."""

    START = "our own ID"
    ID = "ID"
    METAKEY = "METAKEY"
    DECRYPTION = "the decrypted block"
    CHALLENGE = "CHALLENGE"
    CHAL_REPLY = "CHAL_REPLY"
    ACK = "ACK"
    #: Records of a session of Ed25519 keys, which are no requests.
    SESSION = "the session's keys"
    #: ACK with an Ed25519 key.
    KEY = "an Ed25519 key"
    TERMREQ = "TERMREQ"
    ACTIVE = "anything but the handshake"
    FAILED = "nothing"


class Step(NamedTuple):
    """The outcome of a valid request: what is awaited next and what is said now."""

    state: State
    answers: tuple[Request, ...] = ()


Table: TypeAlias = dict[tuple[Role, State, Request], Step]

_I, _R = Role.INITIATOR, Role.RESPONDER

STEPS: Final[Table] = {
    (_I, State.ID, Request.ID): Step(State.METAKEY, (Request.METAKEY,)),
    (_R, State.ID, Request.ID): Step(State.METAKEY, (Request.ID, Request.METAKEY)),
    (_I, State.METAKEY, Request.METAKEY): Step(State.DECRYPTION),
    (_R, State.METAKEY, Request.METAKEY): Step(State.DECRYPTION),
    (_I, State.CHALLENGE, Request.CHALLENGE): Step(
        State.CHAL_REPLY, (Request.CHAL_REPLY,)
    ),
    (_R, State.CHALLENGE, Request.CHALLENGE): Step(State.CHAL_REPLY),
    (_I, State.CHAL_REPLY, Request.CHAL_REPLY): Step(State.ACK, (Request.ACK,)),
    (_R, State.CHAL_REPLY, Request.CHAL_REPLY): Step(
        State.ACK, (Request.CHAL_REPLY, Request.ACK)
    ),
    (_I, State.ACK, Request.ACK): Step(State.ACTIVE),
    (_R, State.ACK, Request.ACK): Step(State.ACTIVE),
}

#: What follows the METAKEY once its block is decrypted, in both roles.
AFTER_DECRYPTION: Final = Step(State.CHALLENGE, (Request.CHALLENGE,))

#: The whole handshake under --bypass-security.
BYPASS_STEPS: Final[Table] = {
    (_I, State.ID, Request.ID): Step(State.ACK, (Request.ACK,)),
    (_R, State.ID, Request.ID): Step(State.ACK, (Request.ID, Request.ACK)),
    (_I, State.ACK, Request.ACK): Step(State.ACTIVE),
    (_R, State.ACK, Request.ACK): Step(State.ACTIVE),
}

#: What follows the keys of a session, in both roles.
AFTER_SESSION: Final = Step(State.ACK, (Request.ACK,))

#: The whole handshake of protocol 17.7.
SPTPS_STEPS: Final[Table] = {
    (_I, State.ID, Request.ID): Step(State.SESSION),
    (_R, State.ID, Request.ID): Step(State.SESSION, (Request.ID,)),
    (_I, State.ACK, Request.ACK): Step(State.ACTIVE),
    (_R, State.ACK, Request.ACK): Step(State.ACTIVE),
}

#: The handshake of protocol 17.0 that ends with an exchange of Ed25519 keys.  The side
#: called says TERMREQ first: tinc 1.1 ends the connection at a TERMREQ without sending
#: what it has queued, its own TERMREQ for one.
UPGRADE_STEPS: Final[Table] = {
    **{key: step for key, step in STEPS.items() if key[1] is not State.ACK},
    (_I, State.CHAL_REPLY, Request.CHAL_REPLY): Step(State.KEY, (Request.ACK,)),
    (_R, State.CHAL_REPLY, Request.CHAL_REPLY): Step(
        State.KEY, (Request.CHAL_REPLY, Request.ACK)
    ),
    (_I, State.KEY, Request.ACK): Step(State.TERMREQ),
    (_R, State.KEY, Request.ACK): Step(State.TERMREQ, (Request.TERMREQ,)),
    (_I, State.TERMREQ, Request.TERMREQ): Step(State.FAILED, (Request.TERMREQ,)),
    (_R, State.TERMREQ, Request.TERMREQ): Step(State.FAILED),
}
