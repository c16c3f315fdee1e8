"""ARIA, MD4 and Whirlpool by way of the system's OpenSSL, against their vectors."""

from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.crypto import library
from tincd_compat.crypto.library import LibraryCipher, LibraryHash

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
    monkeypatch.setattr(library, "_library", lambda: None)
    with pytest.raises(UnsupportedAlgorithm, match="no OpenSSL library"):
        LibraryCipher("aria-128-cbc", bytes(16), bytes(16)).encryptor()


@pytest.mark.parametrize(
    ("name", "block", "data", "digest"),
    [
        # RFC 1320, and ISO/IEC 10118-3.
        ("md4", 64, b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (
            "whirlpool",
            64,
            b"abc",
            "4e2448a4c6f486bb16b6562c73b4020bf3043e3a731bce721ae1b303d97e6d4c"
            "7181eebdb6c57e277d0e34957114cbd6c797fc9d95d8b582d225292076d4eef5",
        ),
    ],
)
def test_digests(name: str, block: int, data: bytes, digest: str) -> None:
    found = LibraryHash(name, data)
    assert (found.block_size, found.digest_size) == (block, len(digest) // 2)
    assert found.digest().hex() == digest
    assert found.digest().hex() == digest


def test_a_hash_and_its_copy_go_their_own_ways() -> None:
    one = LibraryHash("whirlpool", b"same")
    other = one.copy()
    one.update(b"one")
    other.update(bytearray(b"other"))
    assert one.digest() == LibraryHash("whirlpool", b"sameone").digest()
    assert other.digest() == LibraryHash("whirlpool", b"sameother").digest()


def test_a_digest_that_nobody_knows() -> None:
    with pytest.raises(UnsupportedAlgorithm, match="snefru"):
        LibraryHash("snefru")


def test_what_only_the_legacy_provider_has() -> None:
    """It is in a library context of our own."""
    assert (
        len(LibraryCipher("rc2-64-cbc", bytes(8), bytes(8)).encryptor().update(PLAIN))
        == 16
    )


def test_a_library_before_openssl_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_fetcher", lambda: None)
    for cache in (library._cipher, library._digest):
        monkeypatch.setattr(library, cache.__name__, cache.__wrapped__)
    assert LibraryCipher("aria-128-cbc", bytes(16), bytes(16)).encryptor()
    with pytest.raises(UnsupportedAlgorithm, match="md4"):
        LibraryHash("md4")
