"""Somebody on the network who is no member: raw connections and datagrams to a node."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Final

from conformance.harness.netns import Namespace

#: C parks all but the first ten connections that it accepts within a second.
_APART: Final = 0.12
_CONNECT_TIMEOUT: Final = 5.0
#: A buffer of the default size holds about 180 small datagrams.
_BURST: Final = 25
_BURST_APART: Final = 0.01


class Stranger:
    """One TCP connection from another namespace to a node's port.

    In a ``hurry`` it waits neither before nor while it connects.
    """

    def __init__(
        self,
        namespace: Namespace,
        address: str,
        port: int = 655,
        *,
        hurry: bool = False,
    ) -> None:
        time.sleep(0 if hurry else _APART)
        self._socket = namespace.open_socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(0 if hurry else _CONNECT_TIMEOUT)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect((address, port))
        self._socket.setblocking(False)
        self._unsent = b""
        self.received = b""
        #: True once the node has ended the connection; C does not, it parks it.
        self.ended = False

    def say(self, data: bytes) -> None:
        """Queue bytes; what the node does not take now is offered at each ``turn``."""
        self._unsent += data
        self.turn()

    def turn(self) -> None:
        """Send and receive what is possible now."""
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent)
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent, self.ended = b"", True
        try:
            while data := self._socket.recv(65536):
                self.received += data
            self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def lines(self) -> list[bytes]:
        return self.received.splitlines()

    def close(self) -> None:
        self._socket.close()


def throw(
    namespace: Namespace, address: str, datagrams: list[bytes], port: int = 655
) -> None:
    """Send datagrams to a node's port from another namespace, in small bursts.

    All at once they would overflow the receive buffer of the node's socket, and the
    kernel would drop its members' datagrams among them, whatever the daemon does.
    """
    sender = namespace.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        for number, datagram in enumerate(datagrams, start=1):
            sender.sendto(datagram, (address, port))
            if number % _BURST == 0:
                time.sleep(_BURST_APART)
