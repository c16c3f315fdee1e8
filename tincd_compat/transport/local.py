"""Which of our own addresses the kernel would speak from."""

from __future__ import annotations

import socket

from tincd_compat.addresses import format_host


def local_address(remote: bytes) -> bytes | None:
    """Return our packed address towards a packed one; None without a route.

    Connecting a UDP socket asks the routing table and sends nothing.
    """
    family = socket.AF_INET if len(remote) == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            # Any port will do; 0 is refused by some kernels.
            sock.connect((format_host(remote), 1))
        except OSError:
            return None
        return socket.inet_pton(family, sock.getsockname()[0])
