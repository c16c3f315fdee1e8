"""The program from outside: what it prints and how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tincd_compat import cli

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


#: A start up to where the daemon is made, which tells what is loaded instead.
LOADED = """
import sys
from tincd_compat.cli import main
from tincd_compat.service import process
def daemon(options, entries):
    print(*sys.modules)
    raise SystemExit(0)
import_asyncio = process.import_asyncio
def then_replace():
    import_asyncio()
    from tincd_compat.daemon import run
    run.Daemon = daemon
process.import_asyncio = then_replace
main(sys.argv)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a daemon that begins."""
    net = tmp_path_factory.mktemp("net")
    (net / "tinc.conf").write_text("Name = alpha\nDeviceType = dummy\n")
    words = ["-D", "-c", str(net), f"--pidfile={net / 'pid'}"]
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


#: A plain start does without these, and why.
SPARED = {
    "pyroute2": "twelve megabytes, for --check",
    "ssl": "a megabyte, for TLS",
    "h11": "a twentieth of a start, for the first operator",
    "tincd_compat.config.check": "for --check",
    "tincd_compat.config.keygen": "for -K",
    "tincd_compat.observe.schemas": "for the command",
    "tincd_compat.admin": "is the command",
}


@pytest.mark.parametrize("name", SPARED)
def test_a_daemon_is_spared_what_a_start_does_not_need(
    name: str, loaded: set[str]
) -> None:
    assert "tincd_compat.daemon.daemon" in loaded
    assert name not in loaded, SPARED[name]


def test_tls_is_there_for_whoever_imports_it_later() -> None:
    code = (
        "import sys\n"
        "from tincd_compat.service.process import import_asyncio\n"
        "import_asyncio()\n"
        "before = 'ssl' in sys.modules\n"
        "import asyncio, ssl\n"
        "async def ready(): return ssl.SSLContext\n"
        "print(before, asyncio.run(ready()).__name__)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "False SSLContext\n"


def test_generating_keys(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "tinc.conf").write_text("Name = alpha\n")
    command = [sys.executable, "-m", "tincd_compat", "-c", str(tmp_path), "-K1024"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    assert capfd.readouterr() == ("", "Generating 1024 bits keys:\nDone.\n")
    assert "RSA PRIVATE KEY" in (tmp_path / "rsa_key.priv").read_text()
    assert "RSA PUBLIC KEY" in (tmp_path / "hosts" / "alpha").read_text()
