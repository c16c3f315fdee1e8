"""Errors by blame: who has to act decides the class.

``ConfigError`` is for the administrator, ``PeerError`` for the other side of a
connection, ``DeviceError`` for the system underneath.  Anything else that is raised
is a bug of ours and must reach the top.
"""

from __future__ import annotations


class TincError(Exception):
    """Base of the errors this package raises on purpose."""


class ConfigError(TincError):
    """The configuration cannot be used; the text says where and what to do."""


class PeerError(TincError):
    """A peer broke the protocol: its connection or its packet is given up.

    ``template`` is the log line with ``{peer}`` where the peer's name and address
    belong; whoever knows the peer calls :meth:`text`.
    """

    def __init__(self, template: str) -> None:
        super().__init__(template)
        self.template = template

    def text(self, peer: str) -> str:
        """Return the log line about ``peer``, e.g. ``b (10.0.0.2 port 655)``."""
        return self.template.replace("{peer}", peer)


class DeviceError(TincError):
    """The virtual network device or the system refuses to work."""
