"""Events of a meta connection, and errors with a debug level of their own."""

from __future__ import annotations

import logging
from dataclasses import field
from typing import ClassVar, TypeAlias

from tincd_compat import logs
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.messages import Message


@dataclass(frozen=True, slots=True)
class DecryptNeeded:
    """Run the private-key operation on this block of ``Identity.private_key.size``."""

    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Activated:
    """The handshake is complete; the peer is who it says.

    ``port``, ``weight`` and ``options`` are the peer's ACK as received, ``my_weight``
    and ``my_options`` what ours said.
    """

    port: str
    weight: int
    my_weight: int
    options: int
    my_options: int


@dataclass(frozen=True, slots=True)
class KeysExchanged:
    """The peer is who it says, and both sides have the Ed25519 key of the other.

    ``key`` is the peer's in 43 digits, None if it was known before.  The connection has
    done its work: the next one is to be of protocol 17.7.
    """

    key: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A request of the active phase; ``line`` is what arrived, for forwarding."""

    message: Message
    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PacketsReceived:
    """VPN frames that came over the meta connection with nothing between them."""

    frames: list[bytes] = field(repr=False)


Event: TypeAlias = (
    DecryptNeeded | Activated | KeysExchanged | Received | PacketsReceived
)


class ConnectionLost(PeerError):
    """The connection cannot go on: its end, a failure of its socket, or a time-out.

    Level 1 of ``logs.connections`` shows the line, unless another logger is named.
    """

    def __init__(
        self,
        template: str,
        severity: int,
        fault: Fault,
        logger: logging.Logger = logs.connections,
    ) -> None:
        super().__init__(template, fault)
        self.severity = severity
        self.logger = logger


class UnknownRequest(PeerError):
    """An unknown request with its text, for debug level 4 and more."""

    logger: ClassVar[logging.Logger] = logs.meta
    severity: ClassVar[int] = logging.DEBUG
