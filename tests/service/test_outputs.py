from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.memory import Memory, record
from tests.texts import texts
from tincd_compat.service.outputs import (
    END_PATIENCE,
    FileOutput,
    Formatter,
    printable,
)


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


@given(texts() | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_nothing_unprintable_gets_through(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_arguments_that_do_not_fit_are_shown() -> None:
    wrong = logging.LogRecord("tincd", logging.INFO, "f", 1, "%d of it", ("x",), None)
    assert Formatter().format(wrong) == "%d of it ('x',)"


def test_file_time_is_local(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "log", "tinc.a\udce9")
    moment = (2026, 11, 3, 4, 5, 6, 0, 0, -1)
    output.write(output.form(logging.INFO, time.mktime(moment), "Ready"))
    output.close()
    expected = b"2026-11-03 04:05:06 tinc.a\xe9[%d]: Ready\n" % os.getpid()
    assert (tmp_path / "log").read_bytes() == expected


def test_a_short_write_does_not_tear_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []

    def short(descriptor: int, data: bytes) -> int:
        written.append(data)
        return min(len(data), 1)

    output = FileOutput(tmp_path / "log", "tinc")
    monkeypatch.setattr(os, "write", short)
    output.write(output.form(logging.INFO, 0.0, "Ready"))
    monkeypatch.undo()
    output.close()
    assert written[1:] == [b"\n"]


def test_the_end_waits_for_a_reader_a_while() -> None:
    output = Memory()
    output.room = 1
    waited: list[float] = []

    def read(seconds: float) -> None:
        waited.append(seconds)
        output.clock.now += seconds / 2
        output.room = 1

    output.wait = read  # type: ignore[method-assign]
    for number in range(3):
        output.handle(record(f"line {number}"))
    output.close()
    output.close()
    assert output.lines == ["line 0", "line 1", "line 2"]
    assert waited == [END_PATIENCE, END_PATIENCE / 2]


def test_the_end_does_not_wait_for_ever() -> None:
    output = Memory()
    output.room = 0
    output.handle(record("unread"))
    before = output.clock.now
    output.close()
    assert output.lines == []
    assert output.clock.now == before + END_PATIENCE


def test_a_fifo_without_a_reader_keeps_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    os.mkfifo(path)
    output = FileOutput(path, "tinc")
    output.handle(record("Ready"))
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    output.close()
    assert os.read(reader, 100).endswith(b": Ready\n")
    os.close(reader)
