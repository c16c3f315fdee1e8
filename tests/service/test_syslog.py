from __future__ import annotations

import errno
import logging
import os
import socket
import time
from pathlib import Path
from typing import cast

import pytest

from tests.service.memory import Clock, record
from tincd_compat import logs
from tincd_compat.service.syslog import SYSLOG_PAUSE, SyslogOutput, connect_syslog


class FakeSocket:
    """A syslogd that takes datagrams until it is told to fail."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.failure: OSError | None = None
        self.closed = False

    def send(self, datagram: bytes) -> int:
        if self.failure is not None:
            raise self.failure
        self.sent.append(datagram)
        return len(datagram)

    def close(self) -> None:
        self.closed = True


class Syslogd:
    """What ``connect`` reaches: sockets in order, None for nobody there."""

    def __init__(self, *sockets: FakeSocket | None) -> None:
        self.sockets = list(sockets)

    def connect(self) -> socket.socket:
        fake = self.sockets.pop(0)
        if fake is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return cast("socket.socket", fake)


def syslog_record(output: SyslogOutput, level: int, text: str = "Ready") -> None:
    output.handle(record(text, level))


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 26),
        (logging.ERROR, 27),
        (logging.WARNING, 28),
        (logs.NOTICE, 29),
        (logging.INFO, 30),
        (logging.DEBUG, 31),
    ],
)
def test_syslog_datagrams(level: int, priority: int) -> None:
    fake = FakeSocket()
    output = SyslogOutput("tinc.vpn", Syslogd(fake).connect, Clock())
    moment = (2026, 11, 3, 14, 5, 6, 0, 0, -1)
    output.write(output.form(level, time.mktime(moment), "Ready"))
    expected = f"<{priority}>Nov  3 14:05:06 tinc.vpn[{os.getpid()}]: Ready"
    assert fake.sent == [expected.encode()]
    output.close()
    assert fake.closed


def test_a_restarted_syslogd_is_found_again() -> None:
    old, new = FakeSocket(), FakeSocket()
    output = SyslogOutput("tinc", Syslogd(old, new).connect, Clock())
    old.failure = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    syslog_record(output, logging.INFO)
    assert (len(new.sent), output.lost, old.closed) == (1, 0, True)


def test_a_missing_syslogd_is_tried_again_after_a_pause() -> None:
    clock, fake = Clock(), FakeSocket()
    output = SyslogOutput("tinc", Syslogd(None, None, fake).connect, clock)
    syslog_record(output, logging.INFO)
    syslog_record(output, logging.INFO)
    assert output.lost == 2
    clock.now += SYSLOG_PAUSE
    syslog_record(output, logging.INFO)
    assert (len(fake.sent), output.lost) == (1, 2)


def test_a_hanging_syslogd_gets_all_of_it_later() -> None:
    fake = FakeSocket()
    output = SyslogOutput("tinc", Syslogd(fake).connect, Clock())
    fake.failure = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    syslog_record(output, logging.INFO, "one")
    syslog_record(output, logging.INFO, "two")
    assert (fake.sent, output.lost, output.waiting) == ([], 0, True)
    fake.failure = None
    assert output.catch_up() == 2
    assert [each.rpartition(b": ")[2] for each in fake.sent] == [b"one", b"two"]
    assert (output.lost, output.waiting, fake.closed) == (0, False, False)


def test_what_waits_for_a_syslogd_is_for_the_next_one_too() -> None:
    old, new = FakeSocket(), FakeSocket()
    output = SyslogOutput("tinc", Syslogd(old, new).connect, Clock())
    old.failure = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    syslog_record(output, logging.INFO, "one")
    old.failure = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    syslog_record(output, logging.INFO, "two")
    assert [each.rpartition(b": ")[2] for each in new.sent] == [b"one", b"two"]
    assert (output.lost, old.closed) == (0, True)


def test_the_socket_of_a_syslogd_never_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    class Noted:
        def setblocking(self, flag: bool) -> None:
            calls.append(flag)

        def connect(self, place: str) -> None:
            calls.append(place)

    monkeypatch.setattr(socket, "socket", lambda *_: Noted())
    connect_syslog()
    assert calls == [False, "/dev/log"]
