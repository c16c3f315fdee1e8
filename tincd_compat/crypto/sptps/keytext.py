"""Text forms of Ed25519 keys: digits in a host file, blocks in files of their own.

A block has lines of tinc's base64 between ``BEGIN`` and ``END``; each line is decoded
by itself, and what stands outside of the block does not count.  (tinc 1.1 behaviour)
"""

from __future__ import annotations

from typing import Final

from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.edwards import SigningKey, VerifyingKey

_PUBLIC: Final = "ED25519 PUBLIC KEY"
_PRIVATE: Final = "ED25519 PRIVATE KEY"
#: Digits of a public key.
PUBLIC_DIGITS: Final = 43
#: Bytes in a line of a block, 64 digits.
_LINE_BYTES: Final = 48


def parse_public(text: str) -> VerifyingKey:
    """Return the key that 43 digits stand for; ValueError for anything else."""
    if len(text) != PUBLIC_DIGITS:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_DIGITS} digits")
    return VerifyingKey(digits.decode(text))


def public_text(key: VerifyingKey) -> str:
    """Return the 43 digits of a public key."""
    return digits.encode(key.data)


def find_public_block(text: str) -> VerifyingKey | None:
    """Return the public key of the first block in a file, None without a block.

    ValueError if there is one that is not sound.
    """
    lines = _block(text, _PUBLIC)
    if lines is None:
        return None
    if len(lines) != 1:
        raise ValueError("the block of an Ed25519 public key has one line")
    return parse_public(lines[0])


def public_block(key: VerifyingKey) -> str:
    """Return the block of a public key, as in a file of its own."""
    return _framed(_PUBLIC, [public_text(key)])


def find_private_block(text: str) -> SigningKey | None:
    """Return the private key of the first block in a file, None without a block.

    ValueError if there is one that is not sound.
    """
    lines = _block(text, _PRIVATE)
    if lines is None:
        return None
    return SigningKey(b"".join(map(digits.decode, lines)))


def private_block(key: SigningKey) -> str:
    """Return the block of a private key, the contents of ``ed25519_key.priv``."""
    starts = range(0, len(key.data), _LINE_BYTES)
    lines = [digits.encode(key.data[at : at + _LINE_BYTES]) for at in starts]
    return _framed(_PRIVATE, lines)


def _framed(kind: str, lines: list[str]) -> str:
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""))


def _block(text: str, kind: str) -> list[str] | None:
    """Return the lines of the first block of a kind, None if there is none."""
    lines: list[str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if lines is None:
            if stripped == f"-----BEGIN {kind}-----":
                lines = []
        elif stripped == f"-----END {kind}-----":
            return lines
        else:
            lines.append(stripped)
    if lines is not None:
        raise ValueError(f"the block of the {kind.lower()} has no end")
    return None
