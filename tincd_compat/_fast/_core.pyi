"""The compiled half of the data plane.

Its objects belong to the thread of the event loop.  ``cipher`` and ``digest`` are
OpenSSL's names, None for none; ValueError if OpenSSL cannot work them.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

#: What does the cryptography, e.g. ``AES-NI, SHA-NI``.
features: Final[str]

class Sealer:
    #: The number of the last datagram.
    sequence: int
    @property
    def bytes_sealed(self) -> int:
        """Bytes of the bodies that were sealed."""

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
    @property
    def packets_opened(self) -> int:
        """Datagrams that were accepted."""

    @property
    def bytes_opened(self) -> int:
        """Bytes of the bodies of accepted datagrams."""

    @property
    def heard(self) -> int:
        """When a pump has last accepted one, in its milliseconds; 0 for never."""

    def matches(self, datagram: bytes) -> bool: ...
    def open_train(
        self, datagrams: Sequence[bytes]
    ) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Return frame, length, drop (0 for none), seqno, last, strays and lost."""

# Sessions of SPTPS: one of each for both directions, through all of their keys.
# ValueError if OpenSSL lacks ChaCha20 or Poly1305, or for keys that have not 32 bytes.

class SptpsSealer:
    def __new__(
        cls, key: bytes, switching: bool, number: int = 2, portable: bool = False
    ) -> SptpsSealer: ...
    @property
    def number(self) -> int:
        """The number of the next datagram."""

    @property
    def packets_sealed(self) -> int:
        """Frames that were sealed, probes among them."""

    @property
    def bytes_sealed(self) -> int:
        """Bytes of these frames."""

    def rekey(self, key: bytes, /) -> None: ...
    # ``ids`` are the twelve bytes of two nodes' IDs that come first, or none.
    def seal(
        self, kind: int, data: bytes | bytearray, ids: bytes = b"", /
    ) -> bytes | None:
        """Return the datagram of one record, None if there is no number for it."""

    def seal_train(
        self, frames: Sequence[bytes | bytearray], ids: bytes = b"", /
    ) -> list[bytes]: ...

class SptpsOpener:
    def __new__(
        cls, key: bytes, switching: bool, window_bytes: int, portable: bool = False
    ) -> SptpsOpener: ...
    @property
    def highest(self) -> int: ...
    @property
    def packets_opened(self) -> int:
        """Frames that were accepted, probes among them."""

    @property
    def bytes_opened(self) -> int:
        """Bytes of these frames."""

    @property
    def heard(self) -> int:
        """When a pump has last accepted one, in its milliseconds; 0 for never."""

    def expect(self, key: bytes, /) -> None: ...
    def change(self) -> None: ...
    def matches(self, datagram: bytes, /) -> bool: ...
    def unseal(self, datagram: bytes, /) -> tuple[int, int, bytes] | None:
        """Return number, kind and data of a genuine record, whatever its number."""

    def admit(self, number: int, /) -> bool: ...
    def reaches(self, number: int, /) -> bool: ...
    def open_train(
        self, datagrams: Sequence[bytes], /
    ) -> list[tuple[bytes, int, int, int, int, int, int, int]]:
        """Return what openers of tinc 1.0 do, and the kind of the record."""

def lzo_fits(stream: bytes | bytearray | memoryview, limit: int, /) -> bool: ...
def split(
    frame: bytes | bytearray | memoryview,
    kind: int,
    size: int,
    start: int,
    first: int = ...,
    most: int = ...,
    /,
) -> list[bytes]: ...
def coalesce(
    frames: Sequence[bytes | bytearray | memoryview], udp: bool, /
) -> list[bytes | bytearray | memoryview | tuple[bytearray, int, int, int]]:
    """Return frames that stay alone and pieces as frame, kind, size and start."""

def fill_checksum(frame: bytearray, start: int, offset: int, /) -> bool: ...

#: A frame, or a super-packet as frame, kind, size and start.
_DeviceFrame: TypeAlias = bytearray | tuple[bytearray, int, int, int]

Outcome: TypeAlias = tuple[
    # Frames from the device.
    list[_DeviceFrame],
    # Datagrams with host, port, scope, and the address of ours that they were for.
    list[tuple[bytes, str, int, int, str]],
    # Nodes and frames that they sent, opened.
    list[tuple[Any, bytes]],
    # Kind, node and value of what happened to trains.
    list[tuple[int, Any, int]],
    # Error numbers of the last read and of the first failed write, or 0.
    int,
    int,
    # Whether the device has refused a super-packet and gets no more.
    int,
]

class Pump:
    """Moves packets between one device and UDP sockets, as far as it knows the way.

    With ``relays`` also those that other nodes send to each other.

    Numbers of sockets, nodes and interfaces are below 2**32 - 1: else OverflowError.
    """

    def __new__(
        cls,
        fd: int,
        tap: bool,
        vnet: bool,
        switching: bool,
        coalescing: bool,
        coalescing_udp: bool,
        relays: bool = False,
    ) -> Pump: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def drops(self) -> tuple[int, ...]:
        """Datagrams dropped so far, by the number of the reason."""

    # Numbers of nodes that have a way or are peers are below 16384: else ValueError.
    def set_peer(
        self,
        number: int,
        node: object,
        sealer: Sealer | SptpsSealer,
        fd: int,
        host: str,
        port: int,
        scope: int,
        segmentation: bool,
        local: str = "",
        ids: bytes = b"",
        /,
    ) -> None:
        """Send to a node like this, from an address of ours if one is named.

        With a sealer of SPTPS, ``ids`` of two nodes come first: destination, zeros for
        the peer itself, and author.  What is reported as too big is the length of a
        record's data then, and that of a frame else.
        """

    def set_way(self, owner: int, peer: int, via: int, limit: int, /) -> None:
        """Send what is for an owner to a peer; ``via`` is the next stop of tinc's.

        Frames of none of the three are passed on that way, nor longer ones.
        """

    # A full table forgets all before it takes another of these.
    def add_destination(self, key: bytes, owner: int, /) -> None: ...
    def add_own(self, key: bytes, /) -> None: ...
    def add_station(self, mac: bytes, /) -> None: ...
    def add_source(
        self,
        node: object,
        number: int,
        opener: Opener | SptpsOpener | None,
        socket: int,
        host: str,
        port: int,
        scope: int,
        other: Opener | None = None,
        service: int = 0,
        local: str = "",
        /,
    ) -> bool:
        """Name the node behind a UDP address, and what its datagrams are opened with.

        Those for another address of ours are not meant, if one is named.

        They are moved (service 0), opened and handed back (1), or only tested (2); all
        are handed back without an opener.  So is what ``other`` has sealed.  Returns
        False if there are too many.

        With an opener of SPTPS, IDs come first in datagrams.  Those that are not from
        the node straight to us are handed back as if they were sealed by nobody.  What
        is compressed or of a handshake is dropped: such records are for Python, with
        service 2.
        """

    # These hold until the next eighth of a second at the most.
    def ignore_source(
        self, socket: int, host: str, port: int, scope: int, local: str = "", /
    ) -> None:
        """Hand back no more of a source than its openers have sealed."""

    def ignore_host(self, host: str, /) -> None:
        """Hand back nothing more of a host that is not a source's."""

    def ignore_strangers(self, hosts: Sequence[str], /) -> None:
        """Hand back nothing more of what is not a source's, but for these hosts."""

    def heed_strangers(self) -> None:
        """Ignore nobody any longer, nor a source."""

    # What is not known is forgotten easily.
    def forget_peer(self, number: int, /) -> None: ...
    def forget_way(self, owner: int, /) -> None: ...
    def forget_address(self, key: bytes, /) -> None:
        """Forget a destination, our own or not, and the author at that address."""

    def forget_source(
        self, socket: int, host: str, port: int, scope: int, local: str = "", /
    ) -> None: ...
    def clear(self) -> None: ...
    def clear_stations(self) -> None: ...
    def out(self, budget: int, /) -> Outcome | None: ...
    def receive(
        self, fd: int, socket: int, batches: int, milliseconds: int = 0, /
    ) -> Outcome | None:
        """Move datagrams of a socket; the time is that of a monotonic clock."""

    def watch(self, fd: int, socket: int | None, /) -> bool:
        """Let :meth:`serve` look after a socket, or the device; False if too many."""

    def sent(self, socket: int, /) -> int:
        """Return how many bytes a socket that is looked after has taken."""

    def limit_runs(self, socket: int, longest: int, lasts: int, /) -> None:
        """Put no more bytes into a message until the socket has taken so many more."""

    def serve(
        self, epoll: int, wait: int, packets: int, batches: int, /
    ) -> bool | tuple[int | None, Outcome]:
        """Wait, at most so many milliseconds, and move packets of what is watched.

        Returns True when the time is over; False if another descriptor is ready or a
        signal came; else the socket, None for the device, and what it hands back.
        """
