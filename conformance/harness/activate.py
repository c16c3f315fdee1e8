"""Hand listening sockets to a program, as an init system would, and become it.

``activate ADDRESS PORT [ADDRESS PORT ...] -- PROGRAM ARGUMENT ...``
"""

from __future__ import annotations

import os
import socket
import sys

_FIRST = 3


def main(*arguments: str) -> None:
    words = list(arguments)
    end = words.index("--")
    places = list(zip(words[0:end:2], words[1:end:2], strict=True))
    sockets = [_listen(address, int(port)) for address, port in places]
    # Out of the way first: one of them may have the number that another has to get.
    copies = [os.dup2(sock.fileno(), 100 + n) for n, sock in enumerate(sockets)]
    for number, copy in enumerate(copies):
        os.dup2(copy, _FIRST + number)
        os.close(copy)
    os.closerange(_FIRST + len(copies), 100)
    os.environ["LISTEN_FDS"] = str(len(copies))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execvp(words[end + 1], words[end + 1 :])


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(3)
    return sock


if __name__ == "__main__":
    main(*sys.argv[1:])
