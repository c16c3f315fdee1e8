"""Which of our own addresses the kernel would speak from."""

from __future__ import annotations

import socket

from tincd_compat.addresses import format_host


def local_address(remote: bytes) -> bytes | None:
    """Return our packed address towards a packed one; None without a route.

    Connecting a UDP socket asks the routing table and sends nothing.
    """
    family = socket.AF_INET if len(remote) == 4 else socket.AF_INET6
    try:
        # There may be no socket at all: of a family the kernel lacks, or for want of
        # descriptors.
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            # Any port will do; 0 is refused by some kernels.
            sock.connect((format_host(remote), 1))
            host: str = sock.getsockname()[0]
    except OSError:
        return None
    return socket.inet_pton(family, host.partition("%")[0])
