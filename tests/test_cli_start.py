"""A start from outside, with run_daemon replaced by a few lines."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tincd_compat import cli
from tincd_compat.service import process

STRAW = """
import os, signal, sys, types
from tincd_compat import logs
from tincd_compat.errors import DeviceError
def run_daemon(options, entries):
{body}
module = types.ModuleType("tincd_compat.daemon.run")
module.run_daemon = run_daemon
sys.modules["tincd_compat.daemon.run"] = module
from tincd_compat.cli import main
sys.exit(main(["tincd", *sys.argv[1:]]))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "tinc.conf").write_text("Name = alpha\nDeviceType = dummy\n")
    return tmp_path


def start(
    net: Path,
    body: str,
    *words: str,
    open_too: int | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run tincd in the directory ``net`` with these lines as its daemon.

    :param open_too: a descriptor that it is given beside the usual ones
    """
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    code = STRAW.format(body=indented)
    return subprocess.run(
        [sys.executable, "-c", code, "-c", ".", "--pidfile=pid", *words],
        cwd=net,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        pass_fds=() if open_too is None else (open_too,),
        capture_output=True,
        text=True,
        check=False,
    )


STARTING = "tincd 1.0.36 starting, debug level {}\n"


def test_in_the_foreground(net: Path) -> None:
    body = """
print(open("pid").read() == f"{os.getpid()}\\n", os.getcwd())
print(open("/proc/self/comm").read(), end="")
print(*open("/proc/self/cmdline").read().split("\\0"))
print(options.netname, options.directory, options.ident, options.detach)
print(options.debug_level, options.user, options.mlock, options.chroot)
print([(host, e.variable, e.value) for host, e in options.options])
print([e.variable for e in entries], options.listen_fds)
os.kill(os.getpid(), signal.SIGALRM)  # held until the daemon can handle it
options.ready()
return 3
"""
    words = ["-D", "-d", "-n", "vpn", "-o", "Port=1", "-o", "b.Port=2", "-Uu"]
    done = start(net, body, *words)
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        f"True {net}",
        "tincd",
        f"tincd -c . --pidfile=pid {' '.join(words)}",
        "vpn . tinc.vpn False",
        "1 u False False",
        "[(None, 'Port', '1'), ('b', 'Port', '2')]",
        "['Port', 'Name', 'DeviceType'] None",
    ]
    both = "Both netname and configuration directory given, using the latter...\n"
    assert done.stderr == both + STARTING.format(1)
    assert done.returncode == 3
    assert not (net / "pid").exists()


def test_handed_over_sockets_keep_us_in_the_foreground(net: Path) -> None:
    body = 'print(options.listen_fds, options.detach, "LISTEN_PID" in os.environ)'
    done = start(net, f"{body}\nreturn 0", "-D", LISTEN_PID="1", LISTEN_FDS="2")
    assert done.stdout == "2 False False\n"


def test_a_log_file(net: Path) -> None:
    (net / "hosts").mkdir()
    body = 'logs.always.error("a\\x1bb")\nreturn 0'
    done = start(net, body, "-D", "-n", "vpn", "--logfile=log", "-d2")
    lines = (net / "log").read_text().splitlines()
    assert [re.sub(r"^.{19} (.*)\[\d+\]", r"\1", line) for line in lines] == [
        "tinc.vpn: tincd 1.0.36 starting, debug level 2",
        r"tinc.vpn: a\x1bb",
    ]
    assert done.stderr.count("\n") == 1


def test_configuration_errors_go_to_the_log_file(net: Path) -> None:
    (net / "tinc.conf").write_text("Port\n")
    done = start(net, "return 0", "-n", "vpn", "--logfile=log")
    assert done.returncode == 1
    assert (net / "log").read_text().count(" tinc[") == 1
    assert "No value for variable `Port' on line 1" in (net / "log").read_text()
    assert "No value" not in done.stderr
    assert not (net / "pid").exists()


def test_a_refusal_from_inside(net: Path) -> None:
    done = start(net, 'raise DeviceError("Could not open /dev/net/tun")', "-D")
    assert done.stderr == STARTING.format(0) + "Could not open /dev/net/tun\n"
    assert done.returncode == 1
    assert not (net / "pid").exists()


def test_a_bug_is_shown_and_ends_with_status_1(net: Path) -> None:
    done = start(net, 'raise KeyError("oops")', "-D")
    lines = done.stderr.splitlines()
    assert lines[1:3] == ["tincd failed", "Traceback (most recent call last):"]
    assert lines[-1] == "KeyError: 'oops'"
    assert done.returncode == 1
    assert not (net / "pid").exists()


def test_only_one_at_a_time(net: Path) -> None:
    (net / "pid").write_text(f"{os.getpid()}\n")
    done = start(net, "return 0", "-D")
    assert done.stderr.startswith(f"A tincd is already running with pid {os.getpid()}.")
    assert done.returncode == 1
    assert (net / "pid").read_text() == f"{os.getpid()}\n"


def test_an_impossible_pid_file(net: Path) -> None:
    (net / "pid").mkdir()
    done = start(net, "return 0")
    assert done.stderr == "Couldn't write pid file pid: Is a directory\n".replace(
        " pid:", f" {net}/pid:"
    )
    assert done.returncode == 1


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(20_000)
    os.close(descriptor)


def test_in_the_background(net: Path) -> None:
    """The parent goes when the daemon is ready; ``-k`` ends it and its pid file."""
    body = f"""
logs.always.warning("a warning")
options.ready()
report = open("{net}/report", "w")
streams = [os.readlink(f"/proc/self/fd/{{n}}") for n in (0, 1, 2)]
print(os.getcwd(), os.getsid(0) == os.getpid(), *streams, file=report, flush=True)
signal.sigwait([signal.SIGTERM])
print(options.directory, options.pidfile, options.logfile, file=report, flush=True)
logs.always.error("an error after readiness")
return 0
"""
    os.mkfifo(net / "report")
    with subprocess.Popen(["/bin/cat", str(net / "report")], stdout=-1) as reader:
        done = start(net, body, "--logfile=log", "-n", "vpn")
        pid = int((net / "pid").read_text())
        assert done.returncode == 0
        assert done.stderr.count("\n") == 1
        assert Path(f"/proc/{pid}/comm").read_text() == "tincd\n"
        assert cli.main(["tincd", f"--pidfile={net}/pid", "-k"]) == 0
        wait_for_end(pid)
        report = reader.communicate()[0].decode().splitlines()
    assert report == [
        "/ True /dev/null /dev/null /dev/null",
        f"{net} {net}/pid {net}/log",
    ]
    assert not (net / "pid").exists()
    texts = [line.split("]: ")[1] for line in (net / "log").read_text().splitlines()]
    assert texts == [
        "tincd 1.0.36 starting, debug level 0",
        "a warning",
        "an error after readiness",
    ]


def test_a_start_in_the_background_that_fails_is_seen(net: Path) -> None:
    body = 'logs.always.warning("a warning")\nlogs.always.error("no key")\nreturn 1'
    done = start(net, body, "--logfile=log")
    assert (done.returncode, done.stderr) == (1, "no key\n")
    assert not (net / "pid").exists()


def test_python_m_is_called_tincd(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["/x/tincd_compat/__main__.py", "-x"]) == 1
    name = process.PROCESS_NAME
    assert capsys.readouterr().err.startswith(f"{name}: invalid option -- 'x'\n")


SHOW_OPEN = """
options.leave_root()
for name in sorted(os.listdir("/proc/self/fd"), key=int):
    try:
        print(name, os.readlink(f"/proc/self/fd/{name}"))
    except FileNotFoundError:
        pass  # that of the listing
return 0
"""


@pytest.fixture
def directory() -> Iterator[int]:
    """A descriptor from which every file can be opened."""
    opened = os.open("/", os.O_RDONLY)
    yield opened
    os.close(opened)


def test_what_is_open_before_the_root_changes(net: Path, directory: int) -> None:
    """No directory, and no file but the log: neither ours nor what we were given."""
    done = start(net, SHOW_OPEN, "-D", "-R", "--logfile=log", open_too=directory)
    nothing = os.path.realpath(os.devnull)
    first, second, third, *rest = done.stdout.splitlines()
    assert first == f"0 {nothing}"
    assert second.startswith("1 pipe:")
    assert third.startswith("2 pipe:")
    assert [line.partition(" ")[2] for line in rest] == [str(net / "log")]
    # It is out of reach by then.
    assert (net / "pid").exists()


def test_without_a_new_root_all_stays_open(net: Path, directory: int) -> None:
    body = f'print(os.readlink("/proc/self/fd/{directory}"))\nreturn 0'
    done = start(net, body, "-D", "--logfile=log", open_too=directory)
    assert done.stdout == "/\n"
    assert not (net / "pid").exists()
