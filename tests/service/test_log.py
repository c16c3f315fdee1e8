from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.memory import Clock, Memory
from tests.transport.fakes import FakeLoop
from tincd_compat import logs
from tincd_compat.service.floods import COUNT_EVERY, SAME_AT_ONCE
from tincd_compat.service.log import RETRY, Log, open_log
from tincd_compat.service.outputs import FileOutput, StderrOutput


@pytest.fixture
def memory() -> Iterator[Memory]:
    output = Memory()
    log = Log(output, 0)
    yield output
    log.close()


def test_a_traceback_has_lines_of_its_own(memory: Memory) -> None:
    try:
        raise RuntimeError("two\x07\nlines")
    except RuntimeError:
        logs.always.critical("failed\n", exc_info=True)
    assert memory.lines[0] == r"failed\x0a"
    assert memory.lines[1] == "Traceback (most recent call last):"
    assert memory.lines[-2:] == [r"RuntimeError: two\x07", "lines"]


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

    complain(SAME_AT_ONCE + 412)
    logs.always.error("somewhere else")
    assert memory.lines == [
        *["Bogus data received from x"] * SAME_AT_ONCE,
        "(last line repeated 412 times)",
        "somewhere else",
    ]
    memory.lines.clear()
    complain(SAME_AT_ONCE + 3)
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
    for _ in range(SAME_AT_ONCE + 1):
        logs.always.error("Bogus data")
    log.close()
    assert memory.lines[SAME_AT_ONCE:] == ["(last line repeated once)"]


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


@pytest.fixture
def common_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("common_umask")
@pytest.mark.parametrize(("level", "mode"), [(0, 0o644), (3, 0o644), (4, 0o600)])
def test_a_file_with_keys_is_private(tmp_path: Path, level: int, mode: int) -> None:
    """From level 4 on requests are logged as they are."""
    path = tmp_path / "log"
    log = open_log(path, "tinc", level)
    assert mode_of(path) == mode
    path.rename(tmp_path / "log.1")
    log.reopen()
    assert mode_of(path) == mode
    log.close()


@pytest.mark.usefixtures("common_umask")
def test_a_file_rotated_while_more_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = open_log(path, "tinc", 0)
    log.toggle_debug()
    path.unlink()
    log.reopen()
    assert mode_of(path) == 0o600
    log.toggle_debug()
    path.unlink()
    log.reopen()
    assert mode_of(path) == 0o644
    log.close()


@pytest.mark.usefixtures("common_umask")
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o640)
    log = open_log(path, "tinc", 5)
    log.reopen()
    log.close()
    assert mode_of(path) == 0o640


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


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    made = FakeLoop()
    yield made
    made.close()


def room(loop: FakeLoop, output: Memory, lines: int | None) -> None:
    """Let there be room for so many lines more, and the loop see it."""
    output.room = lines
    [descriptor] = loop.writers
    loop.writable(descriptor)


def test_what_waits_for_its_reader_is_written_from_the_loop(loop: FakeLoop) -> None:
    output = Memory()
    log = Log(output, 0)
    log.attend(loop)
    output.room = 0
    for number in range(3):
        logs.always.error("line %d", number)
    loop.settle()
    room(loop, output, 1)
    assert output.lines == ["line 0"]
    room(loop, output, None)
    assert output.lines == ["line 0", "line 1", "line 2"]
    assert loop.writers == {}
    logs.always.error("line 3")
    loop.settle()
    assert loop.writers == {}
    log.close()


def test_another_output_is_attended_too(loop: FakeLoop) -> None:
    first, output = Memory(), Memory()
    log = Log(first, 0)
    log.attend(loop)
    first.room = 0
    logs.always.error("one")
    loop.settle()
    log.use(output)
    output.room = 0
    logs.always.error("two")
    loop.settle()
    room(loop, output, None)
    assert (first.lines, output.lines) == ([], ["two"])
    log.close()


def test_what_waits_already_when_the_loop_begins(loop: FakeLoop) -> None:
    output = Memory()
    log = Log(output, 0)
    output.room = 0
    logs.always.error("one")
    log.attend(loop)
    loop.settle()
    assert len(loop.writers) == 1
    log.attend(None)
    assert loop.writers == {}
    logs.always.error("two")
    loop.settle()
    assert loop.writers == {}
    output.room = None
    log.close()
    assert output.lines == ["one", "two"]


def test_without_a_descriptor_to_watch_time_helps(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Memory()
    log = Log(output, 0)
    log.attend(loop)
    output.room = 0
    with monkeypatch.context() as patch:
        patch.setattr(output, "duplicate", lambda: os.dup(-1))
        logs.always.error("one")
        loop.settle()
        assert loop.writers == {}
    loop.advance(RETRY)
    room(loop, output, None)
    assert output.lines == ["one"]
    log.close()
