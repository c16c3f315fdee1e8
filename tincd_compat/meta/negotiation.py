"""The choice between protocols 17.0 and 17.7 on a link, by what both sides announce.

A daemon without an Ed25519 key of its own speaks 17.0, and its ID is that of tinc 1.0.
A daemon with one speaks 17.7 (SPTPS) to each peer whose Ed25519 key it knows too.
Knowledge of one side alone is no use: that side would begin a session, the other would
answer with METAKEY, and both would wait for ever.  Source: tinc 1.1 behaviour.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.steps import Role

#: The minor version of a daemon with an Ed25519 key.
MINOR: Final = 7
#: The minor version towards a peer whose Ed25519 key is to be learned.
UPGRADE_MINOR: Final = 1
#: The least minor version that begins a session.
_SESSION_MINOR: Final = 2


class MetaProtocol(Enum):
    """The protocol of a link."""

    #: RSA keys and a stream cipher, as in tinc 1.0.
    LEGACY = "17.0"
    #: The handshake of 17.0, and then Ed25519 keys for the next link.
    UPGRADE = "17.1"
    #: Ed25519 keys and records that are forward secret.
    SPTPS = "17.7"


def announced(role: Role, *, own_key: bool, knows_key: bool) -> int | None:
    """Return the minor version of our ID; None is the ID of tinc 1.0.

    ``own_key``: we have an Ed25519 key.  ``knows_key``: we know that of the peer.
    """
    if not own_key:
        return None
    if role is Role.RESPONDER or knows_key:
        return MINOR
    return UPGRADE_MINOR


def agree(
    role: Role, received: int | None, *, own_key: bool, knows_key: bool, name: str
) -> MetaProtocol:
    """Return the protocol of a link after the peer's ID; PeerError if there is none."""
    minor = received or 0
    if not own_key:
        return MetaProtocol.LEGACY
    if knows_key:
        if minor == 0:
            raise PeerError(_ROLLED_BACK.format(name=name), Fault.INCOMPATIBLE)
        return MetaProtocol.SPTPS if minor >= _SESSION_MINOR else MetaProtocol.UPGRADE
    if minor == 0:
        return MetaProtocol.LEGACY
    if role is Role.RESPONDER and minor >= _SESSION_MINOR:
        raise PeerError(_UNKNOWN_KEY.format(name=name), Fault.IDENTITY)
    return MetaProtocol.UPGRADE


_ROLLED_BACK: Final = (
    "Peer {{peer}} rolls back to protocol 17.0, although hosts/{name} has its Ed25519"
    " key; remove that key if the peer runs tinc 1.0 again"
)
_UNKNOWN_KEY: Final = (
    "Peer {{peer}} knows our Ed25519 key, but hosts/{name} does not have its own:"
    " add its line Ed25519PublicKey"
)


def lacks_our_key(name: str) -> PeerError:
    """Return the error about a peer that answers a session with METAKEY."""
    text = (
        f"Peer {{peer}} does not know our Ed25519 key: add our line Ed25519PublicKey"
        f" to the host file that {name} has of us"
    )
    return PeerError(text, Fault.IDENTITY)
