"""What pumps need of the device and of the UDP sockets, and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, TypeAlias

from tincd_compat.addresses import SocketAddress

#: Sends a datagram; returns why it is refused.
Send: TypeAlias = Callable[[bytes], OSError | None]


class Progress(Enum):
    """What came of a call of a pump."""

    #: Packets were moved, if there were any, and nothing else was touched.
    QUIET = "quiet"
    #: Something was handed back and dealt with.
    HEEDED = "heeded"
    #: It has to be done in Python.
    REFUSED = "refused"


class PumpDevice(Protocol):
    """A tun or tap device whose packets a pump reads and writes in its place.

    ``vnet`` says whether the kernel's header is in front of each packet; ``coalescing``
    and ``coalescing_udp`` whether the kernel takes super-packets.
    """

    @property
    def tap(self) -> bool: ...
    @property
    def vnet(self) -> bool: ...
    @property
    def coalescing(self) -> bool: ...
    @property
    def coalescing_udp(self) -> bool: ...

    def fileno(self) -> int: ...

    def moved(self, bytes_in: int, bytes_out: int) -> None:
        """Count bytes of frames that were read and written."""

    def write_failed(self, error: int) -> None:
        """Note that the system has refused frames; ``error`` is an errno."""

    def pieces_refused(self, error: int) -> None:
        """Note that the system has refused a super-packet and gets no more."""


class PumpSockets(Protocol):
    """The UDP sockets, numbered as the listening addresses are.

    ``remembered`` is the number of the socket on which a node was heard last.
    """

    def descriptors(self) -> Sequence[int]: ...

    def source(
        self, index: int, host: str, port: int, scope: int, local: str
    ) -> SocketAddress:
        """Return the address of a datagram that a socket received."""

    def choose(self, address: SocketAddress, remembered: int) -> int | None:
        """Return the index of the socket to send from, None if no family fits."""

    def endpoint(
        self, address: SocketAddress, remembered: int
    ) -> tuple[int, bool, str] | None:
        """Return the descriptor to send from, and whether it takes trains.

        The third is the address of ours to send from, "" if the system chooses it.
        """

    def sender(self, address: SocketAddress, remembered: int) -> Send | None:
        """Return what sends one datagram to there, None if no family fits."""

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        """Note that the system has refused datagrams."""

    def train_refused(
        self, address: SocketAddress | None, remembered: int, error: int
    ) -> None:
        """Note that the system has refused a train whose datagrams it takes singly."""

    def full(self, index: int, lost: int, sent: int) -> tuple[int, int]:
        """Note how many datagrams have found the buffer of a socket full.

        ``sent`` counts the bytes that the socket has ever taken from the pump.  Returns
        the bytes of a message from now on, and after how many more that is over.
        """
