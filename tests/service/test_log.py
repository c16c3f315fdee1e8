from __future__ import annotations

import errno
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat import logs
from tincd_compat.service.floods import COUNT_EVERY, SAME_BURST
from tincd_compat.service.log import (
    SYSLOG_PAUSE,
    FileOutput,
    Formatter,
    Log,
    Output,
    StderrOutput,
    SyslogOutput,
    open_log,
    printable,
)


class Memory(Output):
    """An output that keeps what it gets, or has a full disk."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(clock)
        self.lines: list[str] = []
        self.full = False

    def write_line(self, level: int, created: float | None, line: str) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def memory() -> Iterator[Memory]:
    output = Memory()
    log = Log(output, 0)
    yield output
    log.close()


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("tincd", level, "file.py", 1, message, (), None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ready", "Ready"),
        ("naïve ☃ 日本", "naïve ☃ 日本"),
        ("a\nReady", r"a\x0aReady"),
        ("\x1b[2J\r\t\0\x7f", r"\x1b[2J\x0d\x09\x00\x7f"),
        ("\x9b1m", r"\x9b1m"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("\u2028\u202e", r"\u2028\u202e"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text() | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_nothing_unprintable_gets_through(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_a_traceback_has_lines_of_its_own(memory: Memory) -> None:
    try:
        raise RuntimeError("two\x07\nlines")
    except RuntimeError:
        logs.always.critical("failed\n", exc_info=True)
    assert memory.lines[0] == r"failed\x0a"
    assert memory.lines[1] == "Traceback (most recent call last):"
    assert memory.lines[-2:] == [r"RuntimeError: two\x07", "lines"]


def test_arguments_that_do_not_fit_are_shown() -> None:
    wrong = logging.LogRecord("tincd", logging.INFO, "f", 1, "%d of it", ("x",), None)
    assert Formatter().format(wrong) == "%d of it ('x',)"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (-1, {0}),
        (0, {0}),
        (1, {0, 1}),
        (2, {0, 1, 2}),
        (3, {0, 1, 2, 3}),
        (4, {0, 1, 2, 3, 4}),
        (5, {0, 1, 2, 3, 4, 5}),
        (9, {0, 1, 2, 3, 4, 5}),
        (10, {0, 1, 2, 3, 4, 5, 10}),
    ],
)
def test_debug_levels(level: int, shown: set[int], memory: Memory) -> None:
    log = Log(memory, level)
    for logger, threshold in logs.THRESHOLDS.items():
        logger.debug("%d", threshold)
    assert {int(line) for line in memory.lines} == shown
    assert logs.traffic.isEnabledFor(logging.DEBUG) == (5 in shown)
    log.close()


def test_libraries_are_heard_from_warnings_on(memory: Memory) -> None:
    logging.getLogger("asyncio").info("quiet")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert memory.lines == ["Task exception was never retrieved"]


def test_sigint_switches_the_debug_level() -> None:
    memory = Memory()
    log = Log(memory, 2)
    log.toggle_debug()
    assert log.level == 5
    logs.traffic.debug("packet")
    log.toggle_debug()
    assert log.level == 2
    logs.traffic.debug("packet")
    log.toggle_debug()
    assert memory.lines == [
        "Temporarily setting debug level to 5.  "
        "Kill me with SIGINT again to go back to level 2.",
        "packet",
        "Reverting to old debug level (2)",
        "Temporarily setting debug level to 5.  "
        "Kill me with SIGINT again to go back to level 2.",
    ]
    log.close()


def test_a_full_disk_costs_only_the_lines(memory: Memory) -> None:
    memory.full = True
    logs.always.error("lost")
    logs.always.error("lost")
    memory.full = False
    logs.always.error("kept")
    assert memory.lines == ["kept"]
    assert memory.lost == 2


def test_a_flood_leaves_a_count() -> None:
    clock = Clock()
    memory = Memory(clock)
    log = Log(memory, 0)

    def complain(times: int) -> None:
        for _ in range(times):
            logs.always.error("Bogus data received from x")

    complain(SAME_BURST + 412)
    logs.always.error("somewhere else")
    assert memory.lines == [
        *["Bogus data received from x"] * SAME_BURST,
        "(last line repeated 412 times)",
        "somewhere else",
    ]
    memory.lines.clear()
    complain(SAME_BURST + 3)
    memory.lines.clear()
    log.count_omitted()
    assert memory.lines == []
    clock.now += COUNT_EVERY
    log.count_omitted()
    complain(1)
    complain(1)
    log.close()
    assert memory.lines == [
        "(last line repeated 3 times)",
        "Bogus data received from x",
        "Bogus data received from x",
    ]


def test_what_is_left_out_at_the_end_is_counted() -> None:
    memory = Memory()
    log = Log(memory, 0)
    for _ in range(SAME_BURST + 1):
        logs.always.error("Bogus data")
    log.close()
    assert memory.lines[SAME_BURST:] == ["(last line repeated once)"]


def test_stderr_gets_bare_messages(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(StderrOutput(), 0)
    logs.always.log(logs.NOTICE, "Ready")
    logs.always.error("Größe")
    log.close()
    logs.always.error("after the end")
    assert capfd.readouterr().err == "Ready\nGröße\n"


def test_file_lines(tmp_path: Path) -> None:
    path = tmp_path / "tinc.log"
    path.write_text("before\n")
    output = FileOutput(path, "tinc")
    log = Log(output, 0)
    logs.always.error("Cannot open config file")
    log.rename("tinc.vpn")
    logs.always.log(logs.NOTICE, "Ready")
    log.close()
    first, second, third = path.read_text().splitlines()
    assert first == "before"
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    pid = os.getpid()
    assert re.fullmatch(rf"{stamp} tinc\[{pid}\]: Cannot open config file", second)
    assert re.fullmatch(rf"{stamp} tinc\.vpn\[{pid}\]: Ready", third)


def test_file_time_is_local(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "log", "tinc.a\udce9")
    moment = (2026, 11, 3, 4, 5, 6, 0, 0, -1)
    output.write_line(logging.INFO, time.mktime(moment), "Ready")
    output.close()
    expected = b"2026-11-03 04:05:06 tinc.a\xe9[%d]: Ready\n" % os.getpid()
    assert (tmp_path / "log").read_bytes() == expected


def test_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(FileOutput(path, "tinc"), 0)
    logs.always.error("one")
    path.rename(tmp_path / "log.1")
    logs.always.error("two")
    log.reopen()
    logs.always.error("three")
    assert [line.split(": ")[1] for line in path.read_text().splitlines()] == ["three"]
    old = (tmp_path / "log.1").read_text().splitlines()
    assert [line.split(": ")[1] for line in old] == ["one", "two"]
    log.close()


def test_a_rotation_that_fails_keeps_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "log"
    log = Log(FileOutput(path, "tinc"), 0)
    path.rename(tmp_path / "kept")
    folder.rmdir()
    log.reopen()
    log.close()
    assert (
        (tmp_path / "kept")
        .read_text()
        .endswith(f": Unable to reopen log file {path}: No such file or directory\n")
    )


def test_a_short_write_does_not_tear_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []

    def short(descriptor: int, data: bytes) -> int:
        written.append(data)
        return min(len(data), 1)

    output = FileOutput(tmp_path / "log", "tinc")
    monkeypatch.setattr(os, "write", short)
    output.write_line(logging.INFO, 0.0, "Ready")
    monkeypatch.undo()
    output.close()
    assert written[1:] == [b"\n"]


def test_other_outputs_are_not_reopened(memory: Memory) -> None:
    log = Log(memory, 0)
    log.reopen()
    log.rename("tinc.vpn")
    assert memory.lines == []
    log.close()


def test_open_log_to_a_file(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", "tinc", 3)
    assert isinstance(log.output, FileOutput)
    assert log.level == 3
    log.close()


def test_a_log_file_that_cannot_be_opened(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_log(Path("/nonexistent/log"), "tinc", 0)
    logs.always.error("still heard")
    log.close()
    assert capfd.readouterr().err == (
        "Could not open log file /nonexistent/log: No such file or directory\n"
        "still heard\n"
    )


def test_the_output_can_change() -> None:
    first, second = Memory(), Memory()
    log = Log(first, 0)
    logs.always.error("one")
    log.use(second)
    logs.always.error("two")
    assert (first.lines, second.lines) == (["one"], ["two"])
    log.close()


def test_errors_are_mirrored_for_a_while(memory: Memory) -> None:
    log, other = Log(Memory(), 0), Memory()
    log.mirror_errors(other)
    logs.always.warning("a warning")
    logs.always.error("an error")
    log.end_mirror()
    log.end_mirror()
    logs.always.error("later")
    assert other.lines == ["an error"]
    log.close()


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
    output.write_line(level, time.mktime(moment), "Ready")
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


def test_a_hanging_syslogd_is_left_alone_for_a_while() -> None:
    clock, fake = Clock(), FakeSocket()
    output = SyslogOutput("tinc", Syslogd(fake).connect, clock)
    fake.failure = TimeoutError("timed out")
    syslog_record(output, logging.INFO)
    fake.failure = None
    syslog_record(output, logging.INFO)
    assert (fake.sent, output.lost, fake.closed) == ([], 2, False)
    clock.now += SYSLOG_PAUSE
    syslog_record(output, logging.INFO)
    assert len(fake.sent) == 1
