"""Suites, keys and frames that the tests of the codec share."""

from __future__ import annotations

from tincd_compat.crypto.suites import Suite, find_cipher, find_digest
from tincd_compat.tunnel.codec import Sealer


def suite_of(cipher: int, digest: int, maclength: int) -> Suite:
    found, hashed = find_cipher(cipher), find_digest(digest)
    assert found is not None
    assert hashed is not None
    return Suite(found, hashed, maclength)


DEFAULT = suite_of(427, 672, 4)
KEY = bytes(range(48))

FRAME_A = bytes.fromhex(
    "000000000000000000000000080045000024 2a174000 40018c6f c0a80101 c0a80201"
    "0800d4b5 12340001 4142434445464748"
)


def seal(
    suite: Suite, key: bytes, *frames: bytes, level: int = 0, first: int = 1
) -> list[bytes]:
    sealer = Sealer(suite, key, level)
    sealer.sequence = first - 1
    return sealer.seal_train(frames)
