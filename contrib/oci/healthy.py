#!/usr/bin/python3 -I
"""Tell whether the event loop of tincd turns, by its word to the service manager.

tincd says WATCHDOG=1 twice in each WATCHDOG_USEC, to whoever is at NOTIFY_SOCKET.
"""

import contextlib
import os
import socket
import sys

name = os.environ["NOTIFY_SOCKET"]
with contextlib.suppress(FileNotFoundError):
    os.unlink(name)
# tincd may be another user by now.
os.umask(0)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.bind(name)
    manager.settimeout(int(os.environ["WATCHDOG_USEC"]) / 1_000_000)
    try:
        while b"WATCHDOG=1" not in manager.recv(4096).split(b"\n"):
            pass
    except TimeoutError:
        sys.exit("tincd is silent")
    finally:
        os.unlink(name)
