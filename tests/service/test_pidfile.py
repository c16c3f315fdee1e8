from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tincd_compat.errors import ConfigError
from tincd_compat.service import pidfile
from tincd_compat.service.pidfile import (
    PidFile,
    kill_running,
    parse_pid,
    process_exists,
    process_name,
    read_pid,
)

#: Above any kernel's limit, 2**22.
NO_PROCESS = 99_999_999


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tinc.pid"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not us and ends with its input."""
    pipe = subprocess.PIPE
    with subprocess.Popen(["/bin/cat"], stdin=pipe, stdout=pipe, bufsize=0) as process:
        # It has a name of its own a moment after it is there.
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdout.read(1)
        yield process


@pytest.mark.parametrize(
    ("content", "pid"),
    [
        (b"", None),
        (b"abc\n", None),
        (b"x 12\n", None),
        (b"12\n", 12),
        (b"  12 junk", 12),
        (b"\n\n12", 12),
        (b"12\n34\n", 12),
        (b"12abc", 12),
        (b"1\n", 1),
        (b"0\n", None),
        (b"-1\n", None),
    ],
)
def test_what_counts_as_a_number(content: bytes, pid: int | None) -> None:
    assert parse_pid(content) == pid


def test_life_of_a_pid_file(path: Path) -> None:
    pidfile = PidFile(path, "foo")
    pidfile.claim()
    assert read_pid(path) is None
    pidfile.publish()
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.remove()
    assert not path.exists()
    pidfile.remove()


def test_mode_follows_the_umask(path: Path) -> None:
    before = os.umask(0o027)
    try:
        pidfile = PidFile(path, None)
        pidfile.claim()
        pidfile.publish()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    pidfile.remove()


@pytest.mark.parametrize("content", [b"", b"junk\n", b"%d\n" % NO_PROCESS])
def test_a_stale_file_is_replaced_whole(path: Path, content: bytes) -> None:
    path.write_bytes(content + b"and more\n")
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.publish()
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.remove()


def test_our_own_number_is_stale_too(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.publish()
    assert read_pid(path) == os.getpid()
    pidfile.remove()
    assert not path.exists()


@pytest.mark.parametrize(("netname", "net"), [(None, ""), ("foo", " for net `foo'")])
def test_a_running_tincd_is_left_alone(
    path: Path, other: subprocess.Popen[bytes], netname: str | None, net: str
) -> None:
    path.write_text(f"{other.pid}\n")
    pidfile = PidFile(path, netname)
    with pytest.raises(ConfigError) as caught:
        pidfile.claim()
    assert str(caught.value) == (
        f"A tincd is already running{net} with pid {other.pid}."
        f" (process {other.pid} is cat: if there is no tincd, remove {path})"
    )
    pidfile.remove()
    assert path.read_text() == f"{other.pid}\n"


@pytest.mark.parametrize("name", ["tincd", None])
def test_what_may_be_a_tincd_is_not_doubted(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    monkeypatch.setattr(pidfile, "process_name", lambda pid: name)
    path.write_text(f"{os.getppid()}\n")
    with pytest.raises(ConfigError) as caught:
        PidFile(path, None).claim()
    assert str(caught.value) == f"A tincd is already running with pid {os.getppid()}."


def test_names_of_processes(other: subprocess.Popen[bytes]) -> None:
    assert process_name(other.pid) == "cat"
    assert process_name(NO_PROCESS) is None


def test_a_second_start_at_the_same_moment_is_refused(path: Path) -> None:
    first, second = PidFile(path, None), PidFile(path, None)
    first.claim()
    with pytest.raises(ConfigError) as caught:
        second.claim()
    assert str(caught.value) == (
        f"Couldn't write pid file {path}: Resource temporarily unavailable"
    )
    first.publish()
    first.remove()


def test_an_impossible_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "pid"
    with pytest.raises(ConfigError) as caught:
        PidFile(path, None).claim()
    assert str(caught.value) == (
        f"Couldn't write pid file {path}: No such file or directory"
    )


def test_a_directory_is_no_pid_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Couldn't write pid file .*: Is a dir"):
        PidFile(tmp_path, None).claim()


def test_a_claim_that_leads_nowhere_leaves_nothing(path: Path) -> None:
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.remove()
    assert not path.exists()


def test_a_file_that_is_not_ours_any_more_stays(path: Path) -> None:
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.publish()
    path.write_text(f"{NO_PROCESS}\n")
    pidfile.remove()
    assert path.read_text() == f"{NO_PROCESS}\n"


def test_a_file_that_is_gone_already_is_no_error(path: Path) -> None:
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.publish()
    path.unlink()
    pidfile.remove()
    assert not path.exists()


def test_nothing_is_open_while_the_daemon_runs(path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    pidfile = PidFile(path, None)
    pidfile.claim()
    pidfile.publish()
    assert os.listdir("/proc/self/fd") == before
    pidfile.remove()
    assert not path.exists()


@pytest.mark.parametrize("published", [True, False])
def test_a_file_that_was_left_stays(path: Path, published: bool) -> None:
    """After chroot the path is another's."""
    before = os.listdir("/proc/self/fd")
    pidfile = PidFile(path, None)
    pidfile.claim()
    if published:
        pidfile.publish()
    pidfile.leave()
    assert os.listdir("/proc/self/fd") == before
    pidfile.remove()
    assert path.exists()


def test_processes() -> None:
    assert process_exists(os.getpid())
    assert not process_exists(NO_PROCESS)
    assert not process_exists(10**17)


@pytest.mark.parametrize(("netname", "net"), [(None, ""), ("foo", " for net `foo'")])
@pytest.mark.parametrize("content", [None, b"", b"abc", b"0", b"-1"])
def test_nobody_to_signal(
    path: Path, content: bytes | None, netname: str | None, net: str
) -> None:
    if content is not None:
        path.write_bytes(content)
    outcome = kill_running(path, netname, signal.SIGTERM)
    assert outcome == (1, f"No other tincd is running{net}.")
    assert path.exists() == (content is not None)


@pytest.mark.parametrize(("netname", "net"), [(None, ""), ("foo", " for net `foo'")])
def test_signalling_a_dead_tincd_cleans_up(
    path: Path, netname: str | None, net: str
) -> None:
    path.write_text(f"{NO_PROCESS}\n")
    assert kill_running(path, netname, signal.SIGTERM) == (
        0,
        f"The tincd{net} is no longer running. Removing stale lock file.",
    )
    assert not path.exists()


def test_signalling_a_living_one(path: Path, other: subprocess.Popen[bytes]) -> None:
    path.write_text(f"{other.pid}\n")
    assert kill_running(path, None, signal.SIGUSR1) == (0, "")
    assert other.wait() == -signal.SIGUSR1
    assert path.exists()


def test_a_signal_that_does_not_exist_is_nobodys_fault(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    assert kill_running(path, None, 99) == (0, "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_does_not_end_a_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    pidfile = PidFile(path, "vpn")
    pidfile.claim()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        problem = pidfile.publish()
    assert problem == f"Could not write pid file {path}: {os.strerror(number)}"
    assert path.read_text() == ""
    with pytest.raises(ConfigError, match="Couldn't write pid file"):
        PidFile(path, "vpn").claim()
    pidfile.remove()
    assert not path.exists()


def test_another_error_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    pidfile = PidFile(path, "vpn")
    pidfile.claim()
    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(ConfigError, match=r"Could not write pid file .*: Input"):
        pidfile.publish()
    assert not path.exists()
