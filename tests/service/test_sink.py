from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tincd_compat.service import sink
from tincd_compat.service.sink import Sink, open_sink, sink_of

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of one page; its end to write to waits, as that of a shell does."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def fill(to: Sink) -> int:
    """Write lines until there is no room; return the bytes that were taken."""
    taken = 0
    try:
        while True:
            taken += to.write(LINE)
    except BlockingIOError:
        return taken


@pytest.mark.parametrize("owner", ["we", "somebody else"])
def test_a_full_pipe_does_not_stop_us(
    pipe: tuple[int, int], owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pipe
    if owner == "somebody else":

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            to = sink_of(writing)
    else:
        to = sink_of(writing)
    taken = fill(to)
    to.wait(0.0)
    assert 0 < taken <= 4096
    assert len(os.read(reading, 1 << 16)) == taken
    assert to.write(LINE) == len(LINE)
    to.close()
    # The others who have the pipe wait as they did.
    assert os.get_blocking(writing)


def test_a_terminal_that_was_stopped_does_not_stop_us() -> None:
    """As with control-S, or behind a line that takes nothing any more."""
    master, terminal = os.openpty()
    try:
        to = sink_of(terminal)
        assert fill(to) > 0
        to.close()
        assert os.get_blocking(terminal)
    finally:
        os.close(master)
        os.close(terminal)


def test_a_file_is_written_to_where_it_is_open(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        to = sink_of(file.fileno())
        assert to.write(LINE) == len(LINE)
        to.close()
        file.write(b"more")
    assert (tmp_path / "log").read_bytes() == LINE + b"more"


def test_a_file_is_made_and_appended_to(tmp_path: Path) -> None:
    for _ in range(2):
        to = open_sink(tmp_path / "log")
        to.write(LINE)
        to.close()
        to.close()
    assert (tmp_path / "log").read_bytes() == LINE * 2


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    to = open_sink(path)
    assert fill(to) > 0
    to.close()


def test_a_directory_is_no_sink(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_sink(tmp_path)


def test_no_sink_is_inherited_or_makes_a_terminal_ours() -> None:
    assert sink._FLAGS & os.O_CLOEXEC
    assert sink._FLAGS & os.O_NOCTTY
