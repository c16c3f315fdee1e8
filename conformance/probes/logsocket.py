"""Standard error as systemd gives it to services: nobody reads the stream socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

from conformance.harness.lab import Lab
from conformance.probes.logpipe import unread
from conformance.probes.probe import Contender, Figure, Probe

#: Bytes that the socket takes, about: lines for a handshake and a second of PINGs.
_SIZE: Final = 1 << 16


def _socket(lab: Lab, contender: Contender) -> Iterable[Figure]:
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SIZE)
    return unread(lab, contender, reading.detach(), writing.detach())


PROBE: Final = Probe(
    name="logsocket",
    summary="a stream socket as the log that is not read for 7.5 s",
    measure=_socket,
)
