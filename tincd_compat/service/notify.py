"""Readiness, reloads and the watchdog of systemd; nothing without NOTIFY_SOCKET."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Final

_MICROSECONDS: Final = 1_000_000


class Notifier:
    """Tells the service manager what the daemon does (sd_notify(3)).

    ``send`` takes the text of one notification; None means that nobody listens.
    """

    def __init__(
        self, send: Callable[[str], None] | None, watchdog_seconds: float | None = None
    ) -> None:
        self._send = send
        #: Seconds within which the manager wants to hear :meth:`alive`, or None.
        self.watchdog_seconds = watchdog_seconds

    def ready(self, status: str | None = None) -> None:
        """The sockets are open and tinc-up is done, at start or after a reload."""
        self._notify("READY=1" if status is None else f"READY=1\nSTATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """The configuration is being read again; ``monotonic`` in seconds."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * _MICROSECONDS)}")

    def status(self, text: str) -> None:
        self._notify(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog; to be called from the event loop, which it watches."""
        if self.watchdog_seconds is not None:
            self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        self._notify("STOPPING=1")

    def _notify(self, text: str) -> None:
        if self._send is not None:
            self._send(text)


def open_notifier(environment: MutableMapping[str, str], pid: int) -> Notifier:
    """Return the notifier that the environment asks for.

    The variables are taken out: scripts are not the service.  The socket is connected
    now, so that it serves inside a chroot too.
    """
    if "NOTIFY_SOCKET" not in environment:
        return Notifier(None)
    from sdnotify import SystemdNotifier

    send: Callable[[str], None] = SystemdNotifier().notify
    del environment["NOTIFY_SOCKET"]
    interval = environment.pop("WATCHDOG_USEC", "")
    watched = environment.pop("WATCHDOG_PID", str(pid)) == str(pid)
    if watched and interval.isascii() and interval.isdigit() and int(interval):
        return Notifier(send, int(interval) / _MICROSECONDS)
    return Notifier(send)
