"""Errors by blame: who has to act decides the class.

``ConfigError`` is for the administrator, ``PeerError`` for the other side of a
connection, ``DeviceError`` for the system underneath.  Anything else that is raised
is a bug of ours and must reach the top.
"""

from __future__ import annotations

from enum import StrEnum


class TincError(Exception):
    """Base of the errors this package raises on purpose."""


class ConfigError(TincError):
    """The configuration cannot be used; the text says where and what to do."""


class Fault(StrEnum):
    """What was wrong with a connection, as a word for programs."""

    #: A message was not one of the protocol.
    PROTOCOL = "protocol"
    #: The peer is not who was dialled, or has no usable host file.
    IDENTITY = "identity"
    #: The peer could not prove that it has the private key to hosts/NAME, or what it
    #: sealed for us was not sealed for our key.
    WRONG_KEY = "wrong-key"
    #: Cipher, digest or version do not suit.
    INCOMPATIBLE = "incompatible"
    #: The handshake took too long.
    AUTH_TIMEOUT = "auth-timeout"
    #: No PONG in time.
    PING_TIMEOUT = "ping-timeout"
    #: The peer has closed the connection.
    CLOSED = "closed"
    #: The peer or something on the way has reset it.
    RESET = "reset"
    #: Reading or writing failed in another way.
    IO_ERROR = "io-error"
    #: The peer did not read for PingTimeout.
    NOT_FLUSHED = "not-flushed"
    #: More than 32 MiB waited for the peer.
    OVERFLOW = "overflow"


class PeerError(TincError):
    """A peer broke the protocol: its connection or its packet is given up.

    ``template`` is the log line with ``{peer}`` where the peer's name and address
    belong; whoever knows the peer calls :meth:`text`.
    """

    def __init__(self, template: str, fault: Fault = Fault.PROTOCOL) -> None:
        super().__init__(template)
        self.template = template
        self.fault = fault

    def text(self, peer: str) -> str:
        """Return the log line about ``peer``, e.g. ``b (10.0.0.2 port 655)``."""
        return self.template.replace("{peer}", peer)


class DeviceError(TincError):
    """The virtual network device or the system refuses to work."""
