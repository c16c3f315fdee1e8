from __future__ import annotations

import signal

import pytest

from tincd_compat.errors import ConfigError
from tincd_compat.service import commandline
from tincd_compat.service.commandline import CommandLine
from tincd_compat.service.getopt import UsageError


def numbered(argument: str, number: int) -> str:
    if "=" not in argument:
        raise ConfigError(f"no value in {number}")
    return f"{number}:{argument}"


def parse(*words: str) -> CommandLine[str]:
    return commandline.parse("tincd", words, numbered)


def test_nothing_given() -> None:
    assert parse() == CommandLine()


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["-c", "/x"], {"directory": "/x"}),
        (["-n", "foo"], {"netname": "foo"}),
        (["-n", "."], {"netname": "."}),
        (["-n", ".", "-n", "b"], {"netname": "b"}),
        (["-n", ".", "-n", "."], {"netname": "."}),
        (["--check"], {"check": True}),
        (["--json", "--check"], {"check": True, "json": True}),
        (["--ch"], {"chroot": True}),
        (["--co=x"], {"directory": "x"}),
        (["-D"], {"no_detach": True}),
        (["-L"], {"mlock": True}),
        (["--mlock"], {"mlock": True}),
        (["-R"], {"chroot": True}),
        (["-U", "a", "--user=b"], {"user": "b"}),
        (["--bypass-security"], {"bypass_security": True}),
        (["--help"], {"help": True}),
        (["--version"], {"version": True}),
        (["--logfile"], {"log_to_file": True}),
        (["--logfile", "--logfile"], {"log_to_file": True}),
        (["--logfile=f"], {"log_to_file": True, "logfile": "f"}),
        (["--logfile", "f"], {"log_to_file": True, "logfile": "f"}),
        (["--logfile", "--logfile=f"], {"log_to_file": True, "logfile": "f"}),
        (["--logfile=f", "--logfile"], {"log_to_file": True, "logfile": "f"}),
        (["--pidfile=p"], {"pidfile": "p"}),
        (["-o", "A=b", "-ox.C=d"], {"settings": ["1:A=b", "2:x.C=d"]}),
        (["-d"], {"debug_level": 1}),
        (["-d", "-d"], {"debug_level": 2}),
        (["-d", "3", "-d"], {"debug_level": 4}),
        (["-d5"], {"debug_level": 5}),
        (["-dd"], {"debug_level": 0}),
        (["-d", "x"], {"debug_level": 0}),
        (["--debug= 3x"], {"debug_level": 3}),
        (["-d-1"], {"debug_level": -1}),
        (["-k"], {"kill": signal.SIGTERM}),
        (["-kHUP"], {"kill": signal.SIGHUP}),
        (["-k", "usr1"], {"kill": signal.SIGUSR1}),
        (["--kill=Usr2"], {"kill": signal.SIGUSR2}),
        (["-kwinch"], {"kill": signal.SIGWINCH}),
        (["-kINT"], {"kill": signal.SIGINT}),
        (["-kALRM"], {"kill": signal.SIGALRM}),
        (["-kABRT"], {"kill": signal.SIGABRT}),
        (["-kKILL"], {"kill": signal.SIGKILL}),
        (["-k", "1x"], {"kill": 1}),
        (["-k", " 15"], {"kill": 15}),
        (["-k", "HUP", "-k"], {"kill": signal.SIGTERM}),
        (["-K"], {"key_bits": 2048}),
        (["-K4096"], {"key_bits": 4096}),
        (["-K", "1031"], {"key_bits": 1024}),
        (["-K", "512x"], {"key_bits": 512}),
        (["-K", "--kill"], {"key_bits": 2048, "kill": signal.SIGTERM}),
    ],
)
def test_options(words: list[str], changes: dict[str, object]) -> None:
    expected: CommandLine[str] = CommandLine()
    for name, value in changes.items():
        setattr(expected, name, value)
    assert parse(*words) == expected


def bad_signal(text: str) -> str:
    return (
        f"Invalid argument `{text}'; SIGNAL must be a number or one of "
        "HUP, TERM, KILL, USR1, USR2, WINCH, INT or ALRM."
    )


def bad_bits(text: str) -> str:
    return (
        f"Invalid argument `{text}'; BITS must be a number equal to or "
        "greater than 512."
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-n", "a", "-n", "b"], "Only one netname can be given."),
        (["-n", "a", "-n", "."], "Only one netname can be given."),
        (["-c", "a", "-c", "b"], "Only one configuration directory can be given."),
        (["-c", ".", "-c", "b"], "Only one configuration directory can be given."),
        (["--pidfile=a", "--pidfile=a"], "Only one pidfile can be given."),
        (["--logfile=a", "--logfile=b"], "Only one logfile can be given."),
        (["-n", "a", "-n", "b", "-x"], "Only one netname can be given."),
        (["--json"], "The option --json goes with --check only."),
        (["--chec"], "tincd: unrecognized option '--chec'"),
        (["--check=x"], "tincd: option '--check' doesn't allow an argument"),
        (["--js"], "tincd: unrecognized option '--js'"),
        (["-k", "FOO"], bad_signal("FOO")),
        (["-kQUIT"], bad_signal("QUIT")),
        (["-kSIGHUP"], bad_signal("SIGHUP")),
        (["-k", "0"], bad_signal("0")),
        (["-k", ""], bad_signal("")),
        (["-K", "FOO"], bad_bits("FOO")),
        (["-K511"], bad_bits("511")),
        (["-K", "1024", "-K", "3"], bad_bits("3")),
    ],
)
def test_refused(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    assert str(caught.value) == text


def test_errors_come_in_the_order_of_the_words() -> None:
    with pytest.raises(ConfigError, match="no value in 2"):
        parse("-o", "A=b", "-o", "B", "-x")
    with pytest.raises(UsageError, match="invalid option -- 'x'"):
        parse("-x", "-o", "B")
