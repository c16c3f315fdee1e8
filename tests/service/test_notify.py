from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import cast

import pytest

from tincd_compat.service.notify import RETRY, Notifier, connect_manager, open_notifier


class Manager:
    """Reads notifications, as far as there is ``room`` for them."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.heard: list[str] = []
        self.failure: OSError | None = None
        self.closed = False
        self.planned: list[Callable[[], None]] = []

    def send(self, data: bytes) -> int:
        if self.failure is not None:
            raise self.failure
        if not self.room:
            raise BlockingIOError
        self.room -= 1
        self.heard.append(data.decode())
        return len(data)

    def close(self) -> None:
        self.closed = True

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == RETRY
        self.planned.append(call)

    def retry(self) -> None:
        """Let the time come for what is to be said again."""
        [call] = self.planned
        self.planned = []
        call()

    def notifier(self, watchdog_seconds: float | None = None) -> Notifier:
        def send(text: str) -> None:
            self.send(text.encode())

        return Notifier(send, watchdog_seconds, self.later)


def connect(*managers: Manager | OSError) -> Callable[[str], socket.socket]:
    """Return what connects to one manager after the other."""
    waiting = list(managers)

    def next_one(name: str) -> socket.socket:
        assert name == "/run/notify"
        found = waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return cast("socket.socket", found)

    return next_one


GONE = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_nobody_listens(environment: dict[str, str]) -> None:
    notifier = open_notifier({**environment, "PATH": "/bin"}, 1, Manager().later)
    notifier.ready("")
    notifier.alive()
    notifier.stopping()
    assert notifier.watchdog_seconds is None


def test_life_of_a_service() -> None:
    manager = Manager()
    environment = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "7",
        "PATH": "/bin",
    }
    notifier = open_notifier(environment, 7, manager.later, connect(manager))
    assert environment == {"PATH": "/bin"}
    assert notifier.watchdog_seconds == 30.0
    notifier.ready("3 nodes")
    notifier.alive()
    notifier.reloading(12.5)
    notifier.status("4 nodes")
    notifier.ready()
    notifier.stopping()
    assert manager.heard == [
        "READY=1\nSTATUS=3 nodes",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STATUS=4 nodes",
        "READY=1",
        "STOPPING=1",
    ]
    assert manager.planned == []


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "8"},
    ],
)
def test_no_watchdog_for_us(variables: dict[str, str]) -> None:
    manager = Manager()
    environment = {"NOTIFY_SOCKET": "/run/notify", **variables}
    notifier = open_notifier(environment, 7, manager.later, connect(manager))
    notifier.alive()
    assert (notifier.watchdog_seconds, manager.heard) == (None, [])


def test_a_watchdog_without_a_pid_is_for_us() -> None:
    manager = Manager()
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1500000"}
    notifier = open_notifier(environment, 7, manager.later, connect(manager))
    assert notifier.watchdog_seconds == 1.5


def test_only_a_watched_daemon_barks() -> None:
    manager = Manager()
    manager.notifier().alive()
    assert manager.heard == []
    manager.notifier(3.0).alive()
    assert manager.heard == ["WATCHDOG=1"]


def test_readiness_arrives_when_there_is_room() -> None:
    manager = Manager(room=0)
    notifier = manager.notifier(3.0)
    notifier.ready("3 nodes")
    manager.retry()
    manager.room = 1
    manager.retry()
    assert manager.heard == ["READY=1\nSTATUS=3 nodes"]
    assert manager.planned == []


def test_signs_of_life_are_not_kept() -> None:
    manager = Manager(room=0)
    notifier = manager.notifier(3.0)
    for _ in range(20):
        notifier.alive()
    assert manager.planned == []
    manager.room = 10
    notifier.alive()
    assert manager.heard == ["WATCHDOG=1"]


def test_only_the_last_status_is_news() -> None:
    manager = Manager(room=0)
    notifier = manager.notifier()
    for number in range(20):
        notifier.status(f"{number} nodes")
    manager.room = 10
    manager.retry()
    assert manager.heard == ["STATUS=19 nodes"]


def test_a_reload_is_heard_of_from_its_begin_to_its_end() -> None:
    manager = Manager(room=0)
    notifier = manager.notifier()
    notifier.ready("3 nodes")
    for second in range(20):
        notifier.reloading(second)
        notifier.ready()
    notifier.status("4 nodes")
    manager.room = 1
    manager.retry()
    assert manager.heard == ["RELOADING=1\nMONOTONIC_USEC=19000000"]
    manager.room = 10
    manager.retry()
    assert manager.heard[1:] == ["READY=1", "STATUS=4 nodes"]


def test_the_end_is_all_that_counts() -> None:
    manager = Manager(room=0)
    notifier = manager.notifier()
    notifier.ready()
    notifier.status("3 nodes")
    notifier.stopping()
    manager.room = 10
    manager.retry()
    assert manager.heard == ["STOPPING=1"]


def test_a_manager_that_restarts_is_found_again() -> None:
    old, new = Manager(), Manager()
    environment = {"NOTIFY_SOCKET": "/run/notify"}
    notifier = open_notifier(environment, 7, old.later, connect(old, GONE, new))
    old.failure = GONE
    notifier.status("lost")
    assert (old.closed, old.heard) == (True, [])
    notifier.status("heard")
    assert new.heard == ["STATUS=heard"]


def test_a_manager_that_comes_late_is_found() -> None:
    manager = Manager()
    environment = {"NOTIFY_SOCKET": "/run/notify"}
    notifier = open_notifier(environment, 7, manager.later, connect(GONE, manager))
    notifier.ready()
    assert manager.heard == ["READY=1"]


@pytest.mark.parametrize(
    ("name", "place"), [("/run/notify", "/run/notify"), ("@notify", "\0notify")]
)
def test_the_socket_never_waits(
    name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    class Noted:
        def setblocking(self, flag: bool) -> None:
            calls.append(flag)

        def connect(self, place: str) -> None:
            calls.append(place)

    monkeypatch.setattr(socket, "socket", lambda *_: Noted())
    connect_manager(name)
    assert calls == [place, False]
    assert "NOTIFY_SOCKET" not in os.environ
