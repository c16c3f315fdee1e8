"""RSA by the system's OpenSSL: textbook operations on whole blocks.

A private operation there takes a tenth of the time that it takes in Python.  It is
blinded, its steps do not depend on the key, and a wrong half of a CRT computation is
noticed.  The functions are OpenSSL's old ones, which need no provider and no
configuration; where a library has left them out, or refuses a key, there is Python.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat.crypto import openssl

_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_BYTES: Final = ctypes.c_char_p
_OPERATION: Final = [_INT, _BYTES, _POINTER, _POINTER, _INT]

#: OpenSSL's word for blocks as they are.
_NO_PADDING: Final = 3


@functools.cache
def _library() -> ctypes.CDLL | None:
    return openssl.declared(
        ("BN_bin2bn", _POINTER, [_BYTES, _INT, _POINTER]),
        ("ERR_clear_error", None, []),
        ("RSA_free", None, [_POINTER]),
        ("RSA_new", _POINTER, []),
        ("RSA_private_decrypt", _INT, _OPERATION),
        ("RSA_public_encrypt", _INT, _OPERATION),
        ("RSA_set0_crt_params", _INT, [_POINTER] * 4),
        ("RSA_set0_factors", _INT, [_POINTER] * 3),
        ("RSA_set0_key", _INT, [_POINTER] * 4),
    )


class LibraryKey:
    """A key in the memory of the library, which wipes it when the key is freed.

    Operations are independent of each other, in any thread.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        modulus: int,
        public: int,
        private: int | None,
        factors: Sequence[int],
    ) -> None:
        self._library = library
        self._size = (modulus.bit_length() + 7) // 8
        self._rsa: int | None = library.RSA_new()
        taken = library.RSA_set0_key(
            self._rsa,
            self._number(modulus),
            self._number(public),
            None if private is None else self._number(private),
        )
        if factors:
            p, q, *parameters = map(self._number, factors)
            taken &= library.RSA_set0_factors(self._rsa, p, q)
            taken &= library.RSA_set0_crt_params(self._rsa, *parameters)
        if not taken:
            raise MemoryError("OpenSSL has no room for a key")

    def _number(self, number: int) -> int | None:
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        pointer: int | None = self._library.BN_bin2bn(data, len(data), None)
        return pointer

    def __del__(self) -> None:
        self._library.RSA_free(self._rsa)

    def encrypt(self, block: bytes) -> bytes:
        """Do the public operation; ArithmeticError if the library refuses.

        ``block`` is as long as the modulus, and so is the result.
        """
        return self._work(self._library.RSA_public_encrypt, block)

    def decrypt(self, block: bytes) -> bytes:
        """Do the private operation; as :meth:`encrypt`."""
        return self._work(self._library.RSA_private_decrypt, block)

    def _work(self, operation: Callable[..., int], block: bytes) -> bytes:
        result = ctypes.create_string_buffer(self._size)
        length = operation(len(block), block, result, self._rsa, _NO_PADDING)
        if length != self._size:
            self._library.ERR_clear_error()
            raise ArithmeticError("OpenSSL refuses the RSA operation")
        return result.raw


def library_key(
    modulus: int,
    public: int,
    private: int | None = None,
    factors: Sequence[int] = (),
) -> LibraryKey | None:
    """Return a key from the numbers of PKCS #1; None if no library works RSA.

    :param factors: p and q, the private exponent modulo p - 1 and modulo q - 1, and
        the inverse of q modulo p; without them an operation takes four times as long
    """
    library = _library()
    if library is None:
        return None
    return LibraryKey(library, modulus, public, private, factors)
