"""The system's own OpenSSL, by ctypes: for what ``cryptography`` does not offer.

A function of it runs without the interpreter lock.  The library is loaded once, so it
is there after the root directory has changed.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Final, TypeAlias

#: The library's names, newest first; Python itself is linked to one of them.
_NAMES: Final = ("libcrypto.so.4", "libcrypto.so.3", "libcrypto.so.1.1")

#: Name of a function, what it returns and what it takes; a pointer is an integer here.
Declaration: TypeAlias = tuple[str, Any, list[Any]]


@functools.cache
def _library() -> ctypes.CDLL | None:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def declared(*functions: Declaration) -> ctypes.CDLL | None:
    """Return the library, able to call these; None if this system has none such."""
    library = _library()
    for name, result, arguments in functions if library is not None else ():
        function = getattr(library, name, None)
        if function is None:
            return None
        function.restype, function.argtypes = result, arguments
    return library
