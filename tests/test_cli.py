"""The program from outside: texts, statuses, and a start with a daemon of straw."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tincd_compat import cli
from tincd_compat.service import process

HINT = "Try `tincd --help' for more information.\n"
SIGNALS = (
    "SIGNAL must be a number or one of HUP, TERM, KILL, USR1, USR2, WINCH, INT or ALRM."
)
BITS = "BITS must be a number equal to or greater than 512."
NO_FILE = "No such file or directory"

#: Command line and stderr of tincd 1.0.36; the status is 1 in each case.
REFUSED: list[tuple[str, str]] = [
    ("-x", f"tincd: invalid option -- 'x'\n{HINT}"),
    ("-h", f"tincd: invalid option -- 'h'\n{HINT}"),
    ("-V", f"tincd: invalid option -- 'V'\n{HINT}"),
    ("-W foo", f"tincd: invalid option -- 'W'\n{HINT}"),
    ("-Dx", f"tincd: invalid option -- 'x'\n{HINT}"),
    ("-D=", f"tincd: invalid option -- '='\n{HINT}"),
    ("-L=1", f"tincd: invalid option -- '='\n{HINT}"),
    ("-k -1", f"tincd: invalid option -- '1'\n{HINT}"),
    ("--version -x", f"tincd: invalid option -- 'x'\n{HINT}"),
    ("--foo", f"tincd: unrecognized option '--foo'\n{HINT}"),
    ("--syslog", f"tincd: unrecognized option '--syslog'\n{HINT}"),
    ("--ma", f"tincd: unrecognized option '--ma'\n{HINT}"),
    ("---", f"tincd: unrecognized option '---'\n{HINT}"),
    ("-n", f"tincd: option requires an argument -- 'n'\n{HINT}"),
    ("-Dn", f"tincd: option requires an argument -- 'n'\n{HINT}"),
    ("-c", f"tincd: option requires an argument -- 'c'\n{HINT}"),
    ("-U", f"tincd: option requires an argument -- 'U'\n{HINT}"),
    ("-o", f"tincd: option requires an argument -- 'o'\n{HINT}"),
    ("-nx -d -n", f"tincd: option requires an argument -- 'n'\n{HINT}"),
    ("--net", f"tincd: option '--net' requires an argument\n{HINT}"),
    ("--o", f"tincd: option '--option' requires an argument\n{HINT}"),
    ("--p", f"tincd: option '--pidfile' requires an argument\n{HINT}"),
    ("--u", f"tincd: option '--user' requires an argument\n{HINT}"),
    ("--no-detach=1", f"tincd: option '--no-detach' doesn't allow an argument\n{HINT}"),
    ("--versio=1", f"tincd: option '--version' doesn't allow an argument\n{HINT}"),
    ("--help=", f"tincd: option '--help' doesn't allow an argument\n{HINT}"),
    (
        "--bypass=1",
        f"tincd: option '--bypass-security' doesn't allow an argument\n{HINT}",
    ),
    (
        "--n",
        "tincd: option '--n' is ambiguous; possibilities: '--net' '--no-detach'\n"
        + HINT,
    ),
    (
        "--c=/x -k",
        "tincd: option '--c=/x' is ambiguous; possibilities: '--config' '--chroot'\n"
        + HINT,
    ),
    (
        "--=x",
        "tincd: option '--=x' is ambiguous; possibilities: '--config' '--kill' "
        "'--net' '--help' '--version' '--no-detach' '--generate-keys' '--debug' "
        "'--bypass-security' '--mlock' '--chroot' '--user' '--logfile' '--pidfile' "
        f"'--option'\n{HINT}",
    ),
    ("foo", f"tincd: unrecognized argument 'foo'\n{HINT}"),
    ("foo --version", f"tincd: unrecognized argument 'foo'\n{HINT}"),
    ("--version foo", f"tincd: unrecognized argument 'foo'\n{HINT}"),
    ("-d foo bar", f"tincd: unrecognized argument 'bar'\n{HINT}"),
    ("foo -d bar", f"tincd: unrecognized argument 'foo'\n{HINT}"),
    ("-nfoo bar baz", f"tincd: unrecognized argument 'bar'\n{HINT}"),
    ("--no-detach foo", f"tincd: unrecognized argument 'foo'\n{HINT}"),
    ("--logfile x y", f"tincd: unrecognized argument 'y'\n{HINT}"),
    ("-k TERM extra", f"tincd: unrecognized argument 'extra'\n{HINT}"),
    ("-R x", f"tincd: unrecognized argument 'x'\n{HINT}"),
    ("-- -x", f"tincd: unrecognized argument '-x'\n{HINT}"),
    ("-d -- -k", f"tincd: unrecognized argument '-k'\n{HINT}"),
    ("-D -", f"tincd: unrecognized argument '-'\n{HINT}"),
    ("-n a -n b -x", f"Only one netname can be given.\n{HINT}"),
    ("-n b -n .", f"Only one netname can be given.\n{HINT}"),
    ("-c a -c b", f"Only one configuration directory can be given.\n{HINT}"),
    ("--pidfile a --pidfile b", f"Only one pidfile can be given.\n{HINT}"),
    ("--logfile=a --logfile=b", f"Only one logfile can be given.\n{HINT}"),
    ("-k FOO", f"Invalid argument `FOO'; {SIGNALS}\n{HINT}"),
    ("-kQUIT", f"Invalid argument `QUIT'; {SIGNALS}\n{HINT}"),
    ("-k SIGHUP", f"Invalid argument `SIGHUP'; {SIGNALS}\n{HINT}"),
    ("-k0", f"Invalid argument `0'; {SIGNALS}\n{HINT}"),
    ("--ki=FOO", f"Invalid argument `FOO'; {SIGNALS}\n{HINT}"),
    ("--kill=", f"Invalid argument `'; {SIGNALS}\n{HINT}"),
    ("-k FOO --version", f"Invalid argument `FOO'; {SIGNALS}\n{HINT}"),
    ("-K FOO", f"Invalid argument `FOO'; {BITS}\n{HINT}"),
    ("-K511", f"Invalid argument `511'; {BITS}\n{HINT}"),
    ("-K 1024 -K 3", f"Invalid argument `3'; {BITS}\n{HINT}"),
    ("-K 100 --version", f"Invalid argument `100'; {BITS}\n{HINT}"),
    ("-o Port", "No value for variable `Port' in command line option 1\n"),
    ("-o x.y= -k", "No value for variable `x.y' in command line option 1\n"),
    ("-o A=b -o B", "No value for variable `B' in command line option 2\n"),
    ("-o X= --version", "No value for variable `X' in command line option 1\n"),
    (
        "-D -c /nonexistent",
        f"Cannot open config file /nonexistent/tinc.conf: {NO_FILE}\n"
        f"Failed to read `/nonexistent/tinc.conf': {NO_FILE}\n",
    ),
    (
        "-c /nonexistent -n foo",
        "Both netname and configuration directory given, using the latter...\n"
        f"Cannot open config file /nonexistent/tinc.conf: {NO_FILE}\n"
        f"Failed to read `/nonexistent/tinc.conf': {NO_FILE}\n",
    ),
    (
        "--logfile=/nonexistent/log -c /nonexistent",
        f"Could not open log file /nonexistent/log: {NO_FILE}\n"
        # tincd is silent from here on, which hides why it does not start.
        f"Cannot open config file /nonexistent/tinc.conf: {NO_FILE}\n"
        f"Failed to read `/nonexistent/tinc.conf': {NO_FILE}\n",
    ),
    ("--pidfile=/nonexistent/pid -k", "No other tincd is running.\n"),
    (
        "--pidfile=/nonexistent/pid -n foo -kHUP",
        "No other tincd is running for net `foo'.\n",
    ),
    (
        "--pidfile=/nonexistent/pid -n foo -c x -k",
        "Both netname and configuration directory given, using the latter...\n"
        "No other tincd is running for net `foo'.\n",
    ),
    ("--pidfile=/nonexistent/pid -n . -c x -k", "No other tincd is running.\n"),
]


@pytest.mark.parametrize(("words", "stderr"), REFUSED)
def test_refused(words: str, stderr: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tincd", *words.split()]) == 1
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", stderr)


def test_the_program_is_called_what_it_was_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["/usr/sbin/tincd", "-x"]) == 1
    assert capsys.readouterr().err == (
        "/usr/sbin/tincd: invalid option -- 'x'\n"
        "Try `/usr/sbin/tincd --help' for more information.\n"
    )


def test_posixly_correct(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    assert cli.main(["tincd", "foo", "-x"]) == 1
    assert capsys.readouterr().err.startswith("tincd: unrecognized argument 'foo'\n")


@pytest.mark.parametrize(
    "words",
    ["--version", "--ver", "--v", "--help --version", "-k --version", "-d x --version"],
)
def test_version(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tincd", *words.split()]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("tinc version 1.0.36\n")
    assert captured.err == ""


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tincd", "--help", "-k"]) == 0
    first, blank, *lines = capsys.readouterr().out.splitlines()
    assert (first, blank) == ("Usage: tincd [option]...", "")
    described = [line for line in lines if line.startswith("  ")]
    assert len(described) == 16
    assert all(re.match(r"  (-\w,|   ) --\S+ +(?<=^.{33})\S", x) for x in described)
    assert lines[-2] == ""


def test_kill_cleans_up_after_the_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pidfile = tmp_path / "pid"
    pidfile.write_text("99999999\n")
    assert cli.main(["tincd", "-n", "foo", f"--pidfile={pidfile}", "-k"]) == 0
    assert not pidfile.exists()
    assert capsys.readouterr().err == (
        "The tincd for net `foo' is no longer running. Removing stale lock file.\n"
    )


HEAVY = ("asyncio", "cryptography", "logging", "socket", "pyroute2", "ctypes")


@pytest.mark.parametrize("words", [["--version"], ["--pidfile=/nonexistent", "-k"]])
def test_the_light_commands_are_light(words: list[str]) -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from tincd_compat.cli import main\n"
        "main(['tincd', *sys.argv[1:]])\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = done.stderr.splitlines()[-1].split()
    assert "tincd_compat.service.commandline" in imported
    assert not set(HEAVY) & set(imported)


def test_generating_keys(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "tinc.conf").write_text("Name = alpha\n")
    command = [sys.executable, "-m", "tincd_compat", "-c", str(tmp_path), "-K1024"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    assert capfd.readouterr() == ("", "Generating 1024 bits keys:\nDone.\n")
    assert "RSA PRIVATE KEY" in (tmp_path / "rsa_key.priv").read_text()
    assert "RSA PUBLIC KEY" in (tmp_path / "hosts" / "alpha").read_text()


# A start, with run_daemon replaced by a few lines.

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
    net: Path, body: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run tincd in the directory ``net`` with these lines as its daemon."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    code = STRAW.format(body=indented)
    return subprocess.run(
        [sys.executable, "-c", code, "-c", ".", "--pidfile=pid", *words],
        cwd=net,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
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
    assert done.stderr == f"A tincd is already running with pid {os.getpid()}.\n"
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


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """A configuration with an unknown variable, without a key and host files."""
    (tmp_path / "hosts").mkdir()
    (tmp_path / "tinc.conf").write_bytes(b"Name = a\nMode\xff\x1b = router\n")
    return tmp_path


def test_check_prints_one_line_each(
    mistaken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tincd", "-n", "foo", "-c", str(mistaken), "--check"]) == 2
    captured = capsys.readouterr()
    first, *others = captured.out.splitlines()
    assert first.startswith(
        f"{mistaken}/tinc.conf:2: warning: unknown variable `Mode\\xff\\x1b': "
    )
    assert [line.split(": ")[1] for line in others] == ["error", "error"]
    assert captured.err == f"{mistaken}: 2 errors, 1 warning\n"


def test_check_for_programs(mistaken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tincd", "-c", str(mistaken), "--check", "--json", "-o", "Mode=x"]
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    [given] = [finding for finding in found if finding["file"] is None]
    assert (given["line"], given["variable"]) == (1, "Mode")
    assert (len(found), captured.err) == (4, "")


@pytest.mark.parametrize("words", ["--check -x", "--check -o Mode", "-n / --check"])
def test_a_check_that_is_not_understood(words: str) -> None:
    assert cli.main(["tincd", *words.split()]) == 2


def test_check_wins_over_signals_and_keys(
    mistaken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tincd", "-c", str(mistaken), "-K", "-k", "--check"]) == 2
    assert not (mistaken / "rsa_key.priv").exists()


def test_a_reader_who_has_seen_enough(mistaken: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    words = [sys.executable, "-m", "tincd_compat", "-c", str(mistaken), "--check"]
    done = subprocess.run(
        words, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write_end)
    assert done.returncode == 2
    assert done.stderr == f"{mistaken}: 2 errors, 1 warning\n"
