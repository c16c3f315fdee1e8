"""Readiness, reloads and the watchdog of systemd; nothing without NOTIFY_SOCKET.

The manager reads when it likes, and its socket holds a handful of messages.  Nobody
waits for it: what it has to hear is said again until there is room, a newer word takes
the place of an older one that it has not heard, and a sign of life is not kept at all.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping
from typing import Final, TypeAlias

_MICROSECONDS: Final = 1_000_000
#: Seconds until a notification is sent again that the socket had no room for.
RETRY: Final = 0.1

Later: TypeAlias = Callable[[float, Callable[[], None]], object]


class Notifier:
    """Tells the service manager what the daemon does (sd_notify(3)).

    ``send`` takes the text of one notification, and raises BlockingIOError if there is
    no room for it; None means that nobody listens.  ``later`` calls a function after
    so many seconds.
    """

    def __init__(
        self,
        send: Callable[[str], None] | None,
        watchdog_seconds: float | None = None,
        later: Later | None = None,
    ) -> None:
        self._send = send
        self._later = later
        self._retrying = False
        #: Notifications that the manager must get, in order: a reload and its end.
        self._waiting: list[str] = []
        self._status: str | None = None
        #: Seconds within which the manager wants to hear :meth:`alive`, or None.
        self.watchdog_seconds = watchdog_seconds

    def ready(self, status: str | None = None) -> None:
        """The sockets are open and tinc-up is done, at start or after a reload."""
        text = "READY=1" if status is None else f"READY=1\nSTATUS={status}"
        self._waiting = [each for each in self._waiting if not each.startswith("READY")]
        self._waiting.append(text)
        self._say()

    def reloading(self, monotonic: float) -> None:
        """The configuration is being read again; ``monotonic`` in seconds."""
        microseconds = int(monotonic * _MICROSECONDS)
        # Whatever it has not heard yet is over, and the end of this will be heard.
        self._waiting = [f"RELOADING=1\nMONOTONIC_USEC={microseconds}"]
        self._say()

    def status(self, text: str) -> None:
        self._status = text
        self._say()

    def alive(self) -> None:
        """Feed the watchdog; to be called from the event loop, which it watches."""
        if self.watchdog_seconds is not None and self._say():
            self._try("WATCHDOG=1")

    def stopping(self) -> None:
        self._waiting = ["STOPPING=1"]
        self._status = None
        self._say()

    def _say(self) -> bool:
        """Send waiting notifications while there is room; True if none is left."""
        while self._waiting and self._try(self._waiting[0]):
            del self._waiting[0]
        status = self._status
        if status is not None and not self._waiting and self._try(f"STATUS={status}"):
            self._status = None
        if not self._waiting and self._status is None:
            return True
        if self._later is not None and not self._retrying:
            self._retrying = True
            self._later(RETRY, self._retry)
        return False

    def _retry(self) -> None:
        self._retrying = False
        self._say()

    def _try(self, text: str) -> bool:
        """Send a text; False if there is no room."""
        try:
            if self._send is not None:
                self._send(text)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a manager that is gone
        return True


class Manager:
    """The socket of the service manager, which is asked for again when that restarts.

    It is connected at once, so that it serves inside a chroot too.
    """

    def __init__(self, name: str, connect: Callable[[str], socket.socket]) -> None:
        """``connect`` returns a socket that never waits; OSError."""
        self._name = name
        self._connect = connect
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._socket = connect(name)

    def send(self, text: str) -> None:
        """Send a text; BlockingIOError if there is no room, OSError without it."""
        data = text.encode()
        if self._socket is not None:
            try:
                self._socket.send(data)
                return
            except BlockingIOError:
                raise
            except OSError:
                self._socket.close()
                self._socket = None
        self._socket = self._connect(self._name)
        self._socket.send(data)


def connect_manager(name: str) -> socket.socket:
    """Return a socket connected to a path or an abstract ``@NAME``; OSError.

    It is that of sdnotify, whose own way of sending would wait for the manager.
    """
    from sdnotify import SystemdNotifier

    # Only the environment can tell it the name; scripts must not find that there.
    os.environ["NOTIFY_SOCKET"] = name
    try:
        manager: socket.socket = SystemdNotifier(debug=True).socket
    finally:
        del os.environ["NOTIFY_SOCKET"]
    manager.setblocking(False)
    return manager


def open_notifier(
    environment: MutableMapping[str, str],
    pid: int,
    later: Later,
    connect: Callable[[str], socket.socket] = connect_manager,
) -> Notifier:
    """Return the notifier that the environment asks for.

    The variables are taken out: scripts are not the service.
    """
    name = environment.pop("NOTIFY_SOCKET", "")
    if not name:
        return Notifier(None)
    send = Manager(name, connect).send
    interval = environment.pop("WATCHDOG_USEC", "")
    watched = environment.pop("WATCHDOG_PID", str(pid)) == str(pid)
    if watched and interval.isascii() and interval.isdigit() and int(interval):
        return Notifier(send, int(interval) / _MICROSECONDS, later)
    return Notifier(send, None, later)
