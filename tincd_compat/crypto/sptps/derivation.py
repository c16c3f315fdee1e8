"""Names and keys that both sides of a session derive alike.

The pseudo-random function resembles that of TLS, but each step A(i) hashes the seed
too, and A(1) starts from 64 zero bytes.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from tincd_compat.crypto.sptps.edwards import KEY_SIZE

NODE_ID_SIZE: Final = 6
#: The ID that means the node a datagram is sent to.
DIRECT: Final = bytes(NODE_ID_SIZE)

#: The label of sessions between a node and who accepts its invitation: without NUL.
INVITATION_LABEL: Final = b"tinc invitation"

_STEPS: Final = 2


class SessionKeys(NamedTuple):
    """The cipher keys of both directions, 32 bytes each."""

    to_initiator: bytes
    to_responder: bytes


def meta_label(initiator: str, responder: str) -> bytes:
    """Return the label of a meta connection; the initiator has opened it."""
    return f"tinc TCP key expansion {initiator} {responder}\0".encode("ascii")


def tunnel_label(initiator: str, responder: str) -> bytes:
    """Return the label of a session of nodes; the initiator has sent REQ_KEY."""
    return f"tinc UDP key expansion {initiator} {responder}\0".encode("ascii")


def node_id(name: str) -> bytes:
    """Return the six bytes that stand for a node in front of datagrams."""
    return hashlib.sha512(name.encode("ascii")).digest()[:NODE_ID_SIZE]


def prf(secret: bytes, seed: bytes) -> bytes:
    """Return 128 pseudo-random bytes."""
    step = bytes(hashlib.sha512().digest_size)
    out = []
    for _ in range(_STEPS):
        step = hmac.digest(secret, step + seed, "sha512")
        out.append(hmac.digest(secret, step + seed, "sha512"))
    return b"".join(out)


def session_keys(
    secret: bytes, initiator_nonce: bytes, responder_nonce: bytes, label: bytes
) -> SessionKeys:
    """Return the keys of a session, after the handshake or a rekey."""
    seed = b"".join((b"key expansion", initiator_nonce, responder_nonce, label))
    material = prf(secret, seed)
    # Each half is a key of 64 bytes, of which the cipher takes the first 32.
    half = len(material) // 2
    return SessionKeys(material[:KEY_SIZE], material[half : half + KEY_SIZE])
