"""The compiled half of the data plane.

Its objects belong to the thread of the event loop.  ``cipher`` and ``digest`` are
OpenSSL's names, None for none; ValueError if OpenSSL cannot work them.
"""

from collections.abc import Sequence
from typing import Final

#: What does the cryptography, e.g. ``AES-NI, SHA-NI``.
features: Final[str]

class Sealer:
    #: The number of the last datagram.
    sequence: int

    def __new__(
        cls,
        cipher: str | None,
        digest: str | None,
        key_length: int,
        iv_length: int,
        block_size: int,
        maclength: int,
        key_block: bytes,
        window_bytes: int = 0,
        portable: bool = False,
    ) -> Sealer: ...
    def seal_train(self, bodies: Sequence[bytes | bytearray]) -> list[bytes]: ...

class Opener:
    def __new__(
        cls,
        cipher: str | None,
        digest: str | None,
        key_length: int,
        iv_length: int,
        block_size: int,
        maclength: int,
        key_block: bytes,
        window_bytes: int = 0,
        portable: bool = False,
    ) -> Opener: ...
    @property
    def highest(self) -> int: ...
    def matches(self, datagram: bytes) -> bool: ...
    def open_train(
        self, datagrams: Sequence[bytes]
    ) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Return frame, length, drop (0 for none), seqno, last, strays and lost."""

def split(
    frame: bytes | bytearray | memoryview, kind: int, size: int, start: int, /
) -> list[bytes]: ...
def coalesce(
    frames: Sequence[bytes | bytearray | memoryview], udp: bool, /
) -> list[bytes | bytearray | memoryview | tuple[bytearray, int, int, int]]:
    """Return frames that stay alone and pieces as frame, kind, size and start."""

def fill_checksum(frame: bytearray, start: int, offset: int, /) -> bool: ...
