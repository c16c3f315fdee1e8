"""Ciphers of the system's own OpenSSL, for those that ``cryptography`` does not have.

They look like its ``Cipher``: an encryptor or decryptor is a context whose ``update``
takes and gives whole blocks.  Padding is the caller's.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat import openssl

_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_BYTES: Final = ctypes.c_char_p
_LENGTH: Final = ctypes.POINTER(_INT)


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


class Context:
    """One direction under one key; ``iv`` is empty for a mode without one."""

    def __init__(self, name: str, key: bytes, iv: bytes, *, encrypts: bool) -> None:
        """Raise UnsupportedAlgorithm if the library cannot work the cipher."""
        self._context: int | None = None
        library = _library()
        if library is None:
            raise UnsupportedAlgorithm(f"{name}: no OpenSSL library found")
        self._library = library
        cipher = library.EVP_get_cipherbyname(name.encode())
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

    def encryptor(self) -> Context:
        return Context(*self._arguments, encrypts=True)

    def decryptor(self) -> Context:
        return Context(*self._arguments, encrypts=False)
