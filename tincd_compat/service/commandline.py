"""tincd's command line: which options there are and what they ask for.

Nothing is opened or looked up here, and nothing heavy imported: ``tincd -k`` is a
process of its own each time.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Final, Generic, TypeVar

from tincd_compat.dataclass import dataclass
from tincd_compat.service.getopt import Argument, Option, Parser, UsageError

#: What a ``-o`` argument is read into; this module only passes it on.
Setting = TypeVar("Setting")

DEFAULT_KEY_BITS: Final = 2048
SMALLEST_KEY_BITS: Final = 512

OPTIONS: Final = (
    Option("config", "c", Argument.REQUIRED),
    Option("kill", "k", Argument.OPTIONAL),
    Option("net", "n", Argument.REQUIRED),
    Option("help"),
    Option("version"),
    Option("no-detach", "D"),
    Option("generate-keys", "K", Argument.OPTIONAL),
    Option("debug", "d", Argument.OPTIONAL),
    Option("bypass-security"),
    Option("mlock", "L"),
    Option("chroot", "R"),
    Option("user", "U", Argument.REQUIRED),
    Option("logfile", "", Argument.OPTIONAL),
    Option("pidfile", "", Argument.REQUIRED),
    Option("option", "o", Argument.REQUIRED),
    Option("check", whole=True),
    Option("json", whole=True),
)

_FLAGS: Final = {
    "help": "help",
    "version": "version",
    "no-detach": "no_detach",
    "bypass-security": "bypass_security",
    "mlock": "mlock",
    "chroot": "chroot",
    "check": "check",
    "json": "json",
}

#: Options that may be given once: the attribute, and the noun of the complaint.
_ONCE: Final = {
    "net": ("netname", "netname"),
    "config": ("directory", "configuration directory"),
    "pidfile": ("pidfile", "pidfile"),
    "logfile": ("logfile", "logfile"),
}

SIGNAL_NAMES: Final = {
    "HUP": signal.SIGHUP,
    "TERM": signal.SIGTERM,
    "KILL": signal.SIGKILL,
    "USR1": signal.SIGUSR1,
    "USR2": signal.SIGUSR2,
    "WINCH": signal.SIGWINCH,
    "INT": signal.SIGINT,
    "ALRM": signal.SIGALRM,
    "ABRT": signal.SIGABRT,
}

_NUMBER: Final = re.compile(r"\s*([+-]?[0-9]{1,18})", re.ASCII)


@dataclass(slots=True)
class CommandLine(Generic[Setting]):
    """What the options ask for; None where a name or path was not given."""

    #: As given: ``.`` stands for no netname.
    netname: str | None = None
    directory: str | None = None
    no_detach: bool = False
    debug_level: int = 0
    #: ``-k``: the signal to send.
    kill: int | None = None
    #: ``-K``: the size of the new key in bits.
    key_bits: int | None = None
    settings: list[Setting] = field(default_factory=list)
    mlock: bool = False
    chroot: bool = False
    user: str | None = None
    #: ``--logfile`` with a name or without.
    log_to_file: bool = False
    logfile: str | None = None
    pidfile: str | None = None
    bypass_security: bool = False
    help: bool = False
    version: bool = False
    #: ``--check``: look at the configuration only.
    check: bool = False
    #: ``--json``: what it finds is for programs.
    json: bool = False


def parse(
    program: str,
    arguments: Sequence[str],
    read_setting: Callable[[str, int], Setting],
    *,
    stop_at_word: bool = False,
) -> CommandLine[Setting]:
    """Read the words after ``argv[0]``.

    ``read_setting`` is given the argument of each ``-o`` and its number, from 1.  The
    errors come in the order of the command line: :class:`UsageError`, or whatever
    ``read_setting`` raises.
    """
    line: CommandLine[Setting] = CommandLine()
    parser = Parser(program, OPTIONS)
    for option, value in parser.scan(arguments, stop_at_word=stop_at_word):
        if option.long == "option":
            line.settings.append(read_setting(value or "", len(line.settings) + 1))
        else:
            _apply(line, option.long, value)
    if line.json and not line.check:
        raise UsageError("The option --json goes with --check only.")
    return line


def _apply(line: CommandLine[Setting], name: str, value: str | None) -> None:
    if name in _FLAGS:
        setattr(line, _FLAGS[name], True)
    elif name == "debug":
        line.debug_level = line.debug_level + 1 if value is None else _integer(value)
    elif name == "kill":
        line.kill = signal.SIGTERM if value is None else _signal_number(value)
    elif name == "generate-keys":
        line.key_bits = DEFAULT_KEY_BITS if value is None else _key_bits(value)
    elif name == "user":
        line.user = value
    else:
        line.log_to_file |= name == "logfile"
        if value is not None:
            _set_once(line, name, value)


def _set_once(line: CommandLine[Setting], name: str, value: str) -> None:
    attribute, noun = _ONCE[name]
    given = getattr(line, attribute)
    # "-n ." asks for no netname, so a netname may still follow it.
    if given is not None and (name, given) != ("net", "."):
        raise UsageError(f"Only one {noun} can be given.")
    setattr(line, attribute, value)


def _integer(text: str) -> int:
    """Return the number ``text`` begins with, else 0: C's ``atoi``."""
    match = _NUMBER.match(text)
    return int(match[1]) if match else 0


def _signal_number(text: str) -> int:
    number = SIGNAL_NAMES.get(text.upper()) or _integer(text)
    if not number:
        raise UsageError(
            f"Invalid argument `{text}'; SIGNAL must be a number or one of "
            "HUP, TERM, KILL, USR1, USR2, WINCH, INT or ALRM."
        )
    return int(number)


def _key_bits(text: str) -> int:
    bits = _integer(text)
    if bits < SMALLEST_KEY_BITS:
        raise UsageError(
            f"Invalid argument `{text}'; BITS must be a number equal to or greater "
            f"than {SMALLEST_KEY_BITS}."
        )
    return bits - bits % 8
