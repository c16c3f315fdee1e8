"""A recorded session of a peer with tinc 1.1, its keys included, and small vectors.

The peer ``bravo`` opened the meta connection and sent REQ_KEY; ``alpha`` was tinc 1.1.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tincd_compat.crypto.sptps.edwards import Ephemeral, SigningKey
from tincd_compat.crypto.sptps.handshake import Offer, Terms

VECTORS: Final[dict[str, Any]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text("ascii")
)
PARTIES: Final = ("a", "b")
PLANES: Final = ("meta", "tunnel")
EPOCHS: Final = [
    (plane, epoch) for plane in PLANES for epoch in VECTORS[plane]["epochs"]
]


def private(party: str) -> SigningKey:
    return SigningKey(bytes.fromhex(VECTORS["identity"][party]["private_file_blob"]))


def label(plane: str) -> bytes:
    return bytes.fromhex(VECTORS[plane]["label"])


def terms(plane: str) -> Terms:
    """Return the terms of the recorded peer, bravo."""
    return Terms(True, private("b"), private("a").public, label(plane))


def recorded_offers(plane: str) -> Callable[[], Offer]:
    """Return a source of the offers that bravo made."""
    return iter(
        [
            Offer(
                bytes.fromhex(epoch["mykex"])[1:33],
                Ephemeral(
                    bytes.fromhex(epoch["my_ephemeral_scalar"]),
                    bytes.fromhex(epoch["mykex"])[33:],
                ),
            )
            for epoch in VECTORS[plane]["epochs"]
        ]
    ).__next__


def random_source(seed: bytes) -> Callable[[int], bytes]:
    """Return a source of bytes that differ with every call."""
    calls = itertools.count()

    def random_bytes(size: int) -> bytes:
        data = hashlib.sha512(seed + next(calls).to_bytes(4)).digest()
        assert size <= len(data)
        return data[:size]

    return random_bytes


def offers(seed: bytes) -> Callable[[], Offer]:
    """Return a source of offers made of a seed."""
    random_bytes = random_source(seed)
    return lambda: Offer.fresh(random_bytes)


def both_terms(text: bytes = b"label") -> tuple[Terms, Terms]:
    """Return the terms of an initiator and of its responder."""
    alpha, bravo = private("a"), private("b")
    return Terms(True, alpha, bravo.public, text), Terms(
        False, bravo, alpha.public, text
    )
