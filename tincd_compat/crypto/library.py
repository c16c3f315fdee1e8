"""Ciphers and digests of the system's own OpenSSL, for what else nobody here has.

Both look like those of ``cryptography`` and of ``hashlib``.  An encryptor or decryptor
is a context whose ``update`` takes and gives whole blocks; padding is the caller's.
The library context is our own, so that the legacy provider, which RC2 and Whirlpool
need, changes nothing for other users of the library in this process.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.crypto import openssl

_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_BYTES: Final = ctypes.c_char_p
_LENGTH: Final = ctypes.POINTER(_INT)
#: No digest of OpenSSL is longer (EVP_MAX_MD_SIZE).
_MAX_DIGEST: Final = 64


@functools.cache
def _library() -> ctypes.CDLL | None:
    return openssl.declared(
        ("EVP_get_cipherbyname", _POINTER, [_BYTES]),
        ("EVP_CIPHER_CTX_new", _POINTER, []),
        ("EVP_CIPHER_CTX_free", None, [_POINTER]),
        ("EVP_CIPHER_CTX_set_padding", _INT, [_POINTER, _INT]),
        (
            *("EVP_CipherInit_ex", _INT),
            [_POINTER, _POINTER, _POINTER, _BYTES, _BYTES, _INT],
        ),
        ("EVP_CipherUpdate", _INT, [_POINTER, _BYTES, _LENGTH, _BYTES, _INT]),
        ("EVP_CipherFinal_ex", _INT, [_POINTER, _BYTES, _LENGTH]),
    )


@functools.cache
def _hashes() -> ctypes.CDLL | None:
    """Return the library, able to hash with what is fetched; OpenSSL 3 has it all."""
    return openssl.declared(
        ("EVP_MD_get_block_size", _INT, [_POINTER]),
        ("EVP_MD_get_size", _INT, [_POINTER]),
        ("EVP_MD_CTX_new", _POINTER, []),
        ("EVP_MD_CTX_free", None, [_POINTER]),
        ("EVP_MD_CTX_copy_ex", _INT, [_POINTER, _POINTER]),
        ("EVP_DigestInit_ex", _INT, [_POINTER, _POINTER, _POINTER]),
        ("EVP_DigestUpdate", _INT, [_POINTER, _BYTES, ctypes.c_size_t]),
        ("EVP_DigestFinal_ex", _INT, [_POINTER, _BYTES, _POINTER]),
    )


@functools.cache
def _fetcher() -> tuple[ctypes.CDLL, int] | None:
    """Return the library and a context with both providers; None before OpenSSL 3."""
    library = openssl.declared(
        ("OSSL_LIB_CTX_new", _POINTER, []),
        ("OSSL_PROVIDER_load", _POINTER, [_POINTER, _BYTES]),
        ("EVP_CIPHER_fetch", _POINTER, [_POINTER, _BYTES, _BYTES]),
        ("EVP_MD_fetch", _POINTER, [_POINTER, _BYTES, _BYTES]),
    )
    context = None if library is None else library.OSSL_LIB_CTX_new()
    if library is None or not context:
        return None
    for provider in (b"default", b"legacy"):
        library.OSSL_PROVIDER_load(context, provider)
    return library, context


@functools.cache
def _cipher(name: str) -> int | None:
    fetcher = _fetcher()
    if fetcher is not None:
        library, context = fetcher
        fetched: int | None = library.EVP_CIPHER_fetch(context, name.encode(), None)
        return fetched
    older = _library()
    if older is None:
        return None
    found: int | None = older.EVP_get_cipherbyname(name.encode())
    return found


@functools.cache
def _digest(name: str) -> int | None:
    fetcher = _fetcher()
    if fetcher is None:
        return None
    library, context = fetcher
    fetched: int | None = library.EVP_MD_fetch(context, name.encode(), None)
    return fetched


def load() -> None:
    """Load the library and its providers, while their files can be seen."""
    _fetcher()


class LibraryContext:
    """One direction under one key; ``iv`` is empty for a mode without one."""

    def __init__(self, name: str, key: bytes, iv: bytes, *, encrypts: bool) -> None:
        """Raise UnsupportedAlgorithm if the library cannot work the cipher."""
        self._context: int | None = None
        library = _library()
        if library is None:
            raise UnsupportedAlgorithm(f"{name}: no OpenSSL library found")
        self._library = library
        cipher = _cipher(name)
        self._context = library.EVP_CIPHER_CTX_new()
        if not cipher or not library.EVP_CipherInit_ex(
            self._context, cipher, None, key, iv or None, int(encrypts)
        ):
            raise UnsupportedAlgorithm(f"{name}: OpenSSL cannot work it")
        library.EVP_CIPHER_CTX_set_padding(self._context, 0)

    def __del__(self) -> None:
        if self._context is not None:
            self._library.EVP_CIPHER_CTX_free(self._context)

    def update(self, data: bytes) -> bytes:
        # A block that an earlier call left unfinished may come out with these.
        room = ctypes.create_string_buffer(len(data) + 32)
        size = _INT()
        self._library.EVP_CipherUpdate(
            self._context, room, ctypes.byref(size), data, len(data)
        )
        return room.raw[: size.value]

    def finalize(self) -> bytes:
        """Return nothing; ValueError if the last block is not whole."""
        room, size = ctypes.create_string_buffer(32), _INT()
        if not self._library.EVP_CipherFinal_ex(
            self._context, room, ctypes.byref(size)
        ):
            raise ValueError("The length of the data is not a multiple of the block")
        return room.raw[: size.value]


class LibraryCipher:
    """A cipher by its OpenSSL name, e.g. ``aria-128-cbc``."""

    def __init__(self, name: str, key: bytes, iv: bytes) -> None:
        self._arguments = (name, key, iv)

    def encryptor(self) -> LibraryContext:
        return LibraryContext(*self._arguments, encrypts=True)

    def decryptor(self) -> LibraryContext:
        return LibraryContext(*self._arguments, encrypts=False)


class LibraryHash:
    """A hash under way, by the digest's OpenSSL name, e.g. ``whirlpool``."""

    def __init__(self, name: str, data: bytes = b"") -> None:
        """Raise UnsupportedAlgorithm if the library does not have the digest."""
        self._context: int | None = None
        library, digest = _hashes(), _digest(name)
        if library is None or digest is None:
            raise UnsupportedAlgorithm(f"{name}: OpenSSL does not have it")
        self.name = name
        self.block_size: int = library.EVP_MD_get_block_size(digest)
        self.digest_size: int = library.EVP_MD_get_size(digest)
        self._library = library
        self._context = library.EVP_MD_CTX_new()
        library.EVP_DigestInit_ex(self._context, digest, None)
        self.update(data)

    def __del__(self) -> None:
        if self._context is not None:
            self._library.EVP_MD_CTX_free(self._context)

    def update(self, data: bytes | bytearray) -> None:
        self._library.EVP_DigestUpdate(self._context, bytes(data), len(data))

    def copy(self) -> LibraryHash:
        """Return a hash in the same state, which goes its own way."""
        twin = LibraryHash(self.name)
        self._library.EVP_MD_CTX_copy_ex(twin._context, self._context)
        return twin

    def digest(self) -> bytes:
        """Return the hash of what was fed so far; more may follow."""
        room = ctypes.create_string_buffer(_MAX_DIGEST)
        done = self.copy()
        self._library.EVP_DigestFinal_ex(done._context, room, None)
        return room.raw[: self.digest_size]
