"""The program ``tincd``: its command line, ``-k``, ``-K`` and the way to the daemon.

Everything heavy is imported where it is needed: ``--version`` and ``-k`` are run by
scripts all the time, and a start has a third of a second until its pid file is missed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat import TINC_VERSION, __version__
from tincd_compat.errors import ConfigError, TincError
from tincd_compat.service import commandline, process
from tincd_compat.service.commandline import CommandLine
from tincd_compat.service.getopt import UsageError

if TYPE_CHECKING:
    from tincd_compat.config.parser import Entry
    from tincd_compat.config.paths import Paths
    from tincd_compat.service.start import StartOptions

    Line: TypeAlias = CommandLine[tuple[str | None, Entry]]

#: The name in a log file until the daemon has started, whatever the net.
FIRST_IDENT: Final = "tinc"

# Programs compare the first line, up to the second space, with versions of tinc.
VERSION_TEXT: Final = f"""\
tinc version {TINC_VERSION}
tincd-compat {__version__}, a replacement for C tincd {TINC_VERSION}.

tincd-compat comes with ABSOLUTELY NO WARRANTY.  This is free software,
and you are welcome to redistribute it under certain conditions;
see the file LICENSE for details."""

HELP_TEXT: Final = """\
Usage: {program} [option]...

  -c, --config=DIR               Read the configuration from DIR.
  -D, --no-detach                Stay in the foreground and log to stderr.
  -d, --debug[=LEVEL]            Raise the debug level by one or set it to LEVEL.
  -k, --kill[=SIGNAL]            Send SIGNAL (TERM) to the running tincd and exit.
  -n, --net=NETNAME              Use net NETNAME.
  -K, --generate-keys[=BITS]     Make an RSA key pair of BITS (2048) bits and exit.
  -L, --mlock                    Lock tincd into main memory.
      --logfile[=FILENAME]       Log to a file.
      --pidfile=FILENAME         Write the process id to FILENAME.
  -o, --option=[HOST.]KEY=VALUE  Set a configuration variable, of HOST or of all.
  -R, --chroot                   Change the root to the configuration directory.
  -U, --user=USER                Become USER once the network is set up.
      --check                    Look for mistakes in the configuration and exit.
      --json                     With --check: report them in JSON.
      --help                     Display this help and exit.
      --version                  Output version information and exit.

Report bugs to the maintainers of tincd-compat."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run tincd with ``argv``, the program's name first; return the exit status."""
    process.open_missing_streams()
    program, *arguments = sys.argv if argv is None else argv
    if program.endswith("__main__.py"):
        program = process.PROCESS_NAME
    try:
        line = commandline.parse(
            program,
            arguments,
            _read_setting,
            stop_at_word="POSIXLY_CORRECT" in os.environ,
        )
        return _run(program, arguments, line)
    except UsageError as error:
        process.complain(f"{error}\nTry `{program} --help' for more information.")
    except TincError as error:
        process.complain(str(error))
    # 1 would say that a check has found nothing worse than warnings.
    return 2 if "--check" in arguments else 1


def _read_setting(argument: str, number: int) -> tuple[str | None, Entry]:
    from tincd_compat.config.parser import parse_option

    return parse_option(argument, number)


def _run(program: str, arguments: list[str], line: Line) -> int:
    if line.version:
        _show(VERSION_TEXT)
        return 0
    if line.help:
        _show(HELP_TEXT.format(program=program))
        return 0
    from tincd_compat.config.paths import instance_paths

    paths = instance_paths(line.netname, line.directory)
    if line.check:
        return _check(line, paths)
    if paths.netname is not None and line.directory is not None:
        process.complain(
            "Both netname and configuration directory given, using the latter..."
        )
    if line.kill is not None:
        return _kill(line.kill, _pidfile(line, paths), paths.netname)
    if line.key_bits is not None:
        return _generate_keys(line.key_bits, line, paths)
    return _start((program, *arguments), line, paths)


def _pidfile(line: Line, paths: Paths) -> Path:
    return paths.pid_file if line.pidfile is None else Path(line.pidfile)


def _logfile(line: Line, paths: Paths) -> Path | None:
    if not line.log_to_file:
        return None
    return paths.log_file if line.logfile is None else Path(line.logfile)


def _check(line: Line, paths: Paths) -> int:
    """Print what is wrong with the configuration; 0, 1 (warnings) or 2 (errors)."""
    import json

    from tincd_compat.config.check.configuration import check_configuration
    from tincd_compat.config.check.findings import exit_status, summary
    from tincd_compat.config.paths import CONFIGURATION
    from tincd_compat.daemon.configuration import SUITES
    from tincd_compat.service.interfaces import host_addresses
    from tincd_compat.service.outputs import printable

    here = paths.directory.is_relative_to(CONFIGURATION)
    findings = check_configuration(
        paths.directory,
        line.settings,
        SUITES,
        environment=os.environ,
        hostname=os.uname().nodename,
        netname=paths.netname,
        nets=CONFIGURATION,
        chroot=line.chroot,
        user=line.user,
        # What lies elsewhere may be for another host.
        host_addresses=host_addresses if here else dict,
    )
    if line.json:
        _show(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        _show("".join(f"{printable(str(finding))}\n" for finding in findings), end="")
        process.complain(printable(f"{paths.directory}: {summary(findings)}"))
    return exit_status(findings)


def _show(text: str, end: str = "\n") -> None:
    """Write to standard output, whose reader may have seen enough before the end."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        process.null_streams(1)


def _kill(number: int, pidfile: Path, netname: str | None) -> int:
    from tincd_compat.service.pidfile import kill_running

    status, text = kill_running(pidfile, netname, number)
    if text:
        process.complain(text)
    return status


def _generate_keys(bits: int, line: Line, paths: Paths) -> int:
    from tincd_compat.config.keygen import Console, generate_keys
    from tincd_compat.config.settings import name_for_keys
    from tincd_compat.service.log import open_log

    log = open_log(_logfile(line, paths), FIRST_IDENT, line.debug_level)
    try:
        name = name_for_keys(
            paths.directory,
            line.settings,
            environment=os.environ,
            hostname=os.uname().nodename,
        )
    finally:
        log.close()
    console = Console(sys.stdin, sys.stdout, sys.stderr)
    generate_keys(paths.directory, name, bits, console)
    return 0


def _start(argv: tuple[str, ...], line: Line, paths: Paths) -> int:
    from tincd_compat.service import log, start

    detach, listen_fds = start.take_listen_fds(
        os.environ, os.getpid(), not line.no_detach
    )
    inherited: tuple[int, ...] = ()
    if line.chroot:
        inherited = process.inherited_descriptors(listen_fds or 0)
    # A process that detaches leaves for another working directory.
    place: Callable[[Path], Path] = start.absolute if detach else Path
    logfile = _logfile(line, paths)
    if logfile is not None:
        logfile = place(logfile)
    options = start.StartOptions(
        netname=paths.netname,
        directory=place(paths.directory),
        ident=paths.ident,
        uml_socket=paths.uml_socket,
        pidfile=place(_pidfile(line, paths)),
        logfile=logfile,
        debug_level=line.debug_level,
        detach=detach,
        options=tuple(line.settings),
        mlock=line.mlock,
        chroot=line.chroot,
        user=line.user,
        bypass_security=line.bypass_security,
        argv=argv,
        listen_fds=listen_fds,
        inherited=inherited,
        log=log.open_log(logfile, FIRST_IDENT, line.debug_level),
    )
    try:
        return _launch(options)
    finally:
        options.log.close()


def _launch(options: StartOptions) -> int:
    from tincd_compat import logs
    from tincd_compat.config.parser import options_for, read_server_config
    from tincd_compat.service.start import launch

    try:
        entries = read_server_config(
            options.directory, options_for(options.options, None)
        )
    except ConfigError as error:
        logs.always.error("%s", error)
        return 1

    def serve(options: StartOptions) -> int:
        process.import_asyncio()
        from tincd_compat.daemon.run import run_daemon

        return run_daemon(options, entries)

    return launch(options, serve)
