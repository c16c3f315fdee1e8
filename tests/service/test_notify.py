from __future__ import annotations

import pytest

from tincd_compat.service import notify
from tincd_compat.service.notify import Notifier, open_notifier


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []

    class FakeNotifier:
        def notify(self, state: str) -> None:
            texts.append(state)

    monkeypatch.setattr("sdnotify.SystemdNotifier", FakeNotifier)
    return texts


def test_nobody_listens(sent: list[str]) -> None:
    notifier = open_notifier({"PATH": "/bin"}, 1)
    notifier.ready("")
    notifier.alive()
    assert sent == []
    assert notifier.watchdog_seconds is None


def test_life_of_a_service(sent: list[str]) -> None:
    environment = {
        "NOTIFY_SOCKET": "@x",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "7",
        "PATH": "/bin",
    }
    notifier = open_notifier(environment, 7)
    assert environment == {"PATH": "/bin"}
    assert notifier.watchdog_seconds == 30.0
    notifier.ready("3 nodes")
    notifier.alive()
    notifier.reloading(12.5)
    notifier.status("4 nodes")
    notifier.stopping()
    assert sent == [
        "READY=1\nSTATUS=3 nodes",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STATUS=4 nodes",
        "STOPPING=1",
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "8"},
    ],
)
def test_no_watchdog_for_us(sent: list[str], variables: dict[str, str]) -> None:
    notifier = open_notifier({"NOTIFY_SOCKET": "@x", **variables}, 7)
    notifier.alive()
    assert (notifier.watchdog_seconds, sent) == (None, [])


def test_a_watchdog_without_a_pid_is_for_us(sent: list[str]) -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1500000"}
    assert open_notifier(environment, 7).watchdog_seconds == 1.5


def test_only_a_watched_daemon_barks() -> None:
    texts: list[str] = []
    Notifier(texts.append).alive()
    assert texts == []
    assert notify.Notifier(None, 3.0).watchdog_seconds == 3.0
