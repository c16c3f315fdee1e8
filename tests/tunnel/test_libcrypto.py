"""ARIA by way of the system's OpenSSL, against the vectors of RFC 5794."""

from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.tunnel import libcrypto
from tincd_compat.tunnel.libcrypto import LibraryCipher

PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")


@pytest.mark.parametrize(
    ("name", "size", "sealed"),
    [
        ("aria-128-ecb", 16, "d718fbd6ab644c739da95f3be6451778"),
        ("aria-192-ecb", 24, "26449c1805dbe7aa25a468ce263a9e79"),
        ("aria-256-ecb", 32, "f92bd7c79fb72e2f2b8f80c1972d24fc"),
    ],
)
def test_vectors(name: str, size: int, sealed: str) -> None:
    cipher = LibraryCipher(name, bytes(range(size)), b"")
    assert cipher.encryptor().update(PLAIN).hex() == sealed
    assert cipher.decryptor().update(bytes.fromhex(sealed)) == PLAIN


def test_a_context_goes_on_where_it_was() -> None:
    cipher = LibraryCipher("aria-128-cbc", bytes(16), bytes(16))
    whole = cipher.encryptor().update(PLAIN * 4)
    parts = cipher.encryptor()
    assert parts.update(PLAIN) + parts.update(b"") + parts.update(PLAIN * 3) == whole
    assert parts.finalize() == b""
    opening = cipher.decryptor()
    assert opening.update(whole[:7]) == b""
    assert opening.update(whole[7:]) == PLAIN * 4


def test_a_length_that_cannot_be() -> None:
    context = LibraryCipher("aria-128-cbc", bytes(16), bytes(16)).decryptor()
    context.update(PLAIN[:-1])
    with pytest.raises(ValueError, match="not a multiple"):
        context.finalize()


def test_a_cipher_that_nobody_knows() -> None:
    with pytest.raises(UnsupportedAlgorithm, match="rot13"):
        LibraryCipher("rot13", b"", b"").encryptor()


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "_library", lambda: None)
    with pytest.raises(UnsupportedAlgorithm, match="no OpenSSL library"):
        LibraryCipher("aria-128-cbc", bytes(16), bytes(16)).encryptor()
