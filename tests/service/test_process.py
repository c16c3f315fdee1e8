from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tincd_compat.service import process
from tincd_compat.service.process import Readiness, await_child


@pytest.fixture
def mask() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("mask")
def test_held_signals_reach_their_handlers() -> None:
    seen: list[int] = []
    process.hold_signals()
    # To this thread alone: a watchdog of the test runner that has only just started
    # holds nothing back, and would end the whole run.
    for number in (signal.SIGALRM, signal.SIGHUP):
        signal.pthread_kill(threading.get_ident(), number)
    assert signal.sigpending() == {signal.SIGALRM, signal.SIGHUP}

    async def daemon() -> None:
        both = asyncio.Event()

        def note(number: int) -> None:
            seen.append(number)
            if len(seen) == 2:
                both.set()

        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGHUP: lambda: note(signal.SIGHUP),
            signal.SIGALRM: lambda: note(signal.SIGALRM),
        }
        process.handle_signals(loop, handlers)
        assert not signal.sigpending()
        await both.wait()

    asyncio.run(daemon())
    assert sorted(seen) == [signal.SIGHUP, signal.SIGALRM]


def child_with_pipe(code: str) -> tuple[int, subprocess.Popen[bytes]]:
    """Start Python with the writing end of a pipe, whose number is ``sys.argv[1]``."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-Ic", f"import os, sys\n{code}", str(write_end)]
    child = subprocess.Popen(command, pass_fds=[write_end])
    os.close(write_end)
    return read_end, child


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("os.write(int(sys.argv[1]), b'\\0'); sys.exit(5)", 0),
        ("sys.exit(5)", 5),
        ("sys.exit(0)", 0),
        ("os.kill(os.getpid(), 9)", 1),
    ],
)
def test_the_parent_ends_as_the_child_says(code: str, status: int) -> None:
    read_end, child = child_with_pipe(code)
    assert await_child(read_end, child.pid) == status
    os.close(read_end)
    child.wait()  # already reaped in most cases: Popen takes that for status 0


def test_ready_in_the_foreground_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nulled: list[int] = []
    monkeypatch.setattr(process, "null_streams", nulled.append)
    readiness = Readiness()
    readiness.ready()
    readiness.ready()
    assert nulled == []


def test_ready_tells_the_parent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nulled: list[int] = []
    monkeypatch.setattr(process, "null_streams", nulled.append)
    read_end, write_end = os.pipe()
    readiness = Readiness(write_end)
    readiness.ready()
    readiness.ready()
    assert os.read(read_end, 9) == b"\0"
    assert os.read(read_end, 9) == b""
    os.close(read_end)
    assert nulled == [2]


def test_ready_after_the_parent_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "null_streams", lambda *descriptors: None)
    read_end, write_end = os.pipe()
    os.close(read_end)
    Readiness(write_end).ready()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(write_end)


def test_a_name_the_kernel_refuses_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def refuse(path: Path, text: str) -> int:
        tried.append(path)
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    process.set_name(["tincd", "-n", "vpn"])
    assert tried == [Path("/proc/self/comm")]


CLOSED_STREAMS = """
import os, sys
from tincd_compat.service import process
process.open_missing_streams()
process.open_missing_streams()
null = os.stat(os.devnull)
assert all(os.path.samestat(os.fstat(n), null) for n in (0, 1, 2))
process.complain("nobody hears this")
os.fstat(3) if os.path.exists("/proc/self/fd/3") else None
# The next descriptor is not a standard one.
assert os.open(os.devnull, os.O_RDONLY) > 2
"""


def test_closed_standard_streams_are_filled() -> None:
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    command = ["/bin/sh", "-c", shell, sys.executable, CLOSED_STREAMS]
    assert subprocess.run(command, check=False).returncode == 0


def test_complaints_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    process.complain("No other tincd is running.")
    assert capsys.readouterr().err == "No other tincd is running.\n"
