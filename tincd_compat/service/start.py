"""From a parsed command line to a running daemon, and back to an exit status.

The order is what start scripts and the other end of ``tincd -k`` can see:

1. the pid file is claimed, so that a second start fails in front of its user;
2. the process detaches; the parent waits for step 5;
3. signals are held, then the pid file gets the number of the process that stays;
4. the log gets its real name and place, and says that tincd is starting;
5. ``serve`` builds the daemon, calls ``ready`` when the device is open, and runs it;
6. the pid file goes, last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path

from tincd_compat import TINC_VERSION, logs
from tincd_compat.config.parser import Options
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import TincError
from tincd_compat.service import privileges, process
from tincd_compat.service.log import Log
from tincd_compat.service.outputs import StderrOutput
from tincd_compat.service.pidfile import PidFile
from tincd_compat.service.syslog import SyslogOutput


def _nothing() -> None:
    """Do nothing: in the foreground no parent waits, and nothing is to be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What the command line and the environment say about this run."""

    netname: str | None
    #: Where ``tinc.conf`` is.
    directory: Path
    #: ``tinc`` or ``tinc.NET``.
    ident: str
    #: Where a UML device listens unless Device says otherwise.
    uml_socket: Path
    pidfile: Path
    #: None means stderr in the foreground and syslog in the background.
    logfile: Path | None
    debug_level: int
    detach: bool
    #: ``-o`` in order: the host it is for, None for all, and the setting.
    options: Options
    mlock: bool
    chroot: bool
    user: str | None
    bypass_security: bool
    #: The whole command line, with the program's name.
    argv: tuple[str, ...]
    #: Number of listening TCP sockets handed over from descriptor 3 on (sd_listen_fds);
    #: None to open our own.
    listen_fds: int | None
    log: Log
    #: To be called once, when the device is open and before tinc-up: the start has
    #: succeeded as far as whoever waits for it cares.
    ready: Callable[[], None] = _nothing
    #: Descriptors that were open before anything of ours, beside the standard streams
    #: and the listening sockets.
    inherited: tuple[int, ...] = ()
    #: To be called before the root directory changes: closes what the start has open
    #: outside.
    leave_root: Callable[[], None] = _nothing


def take_listen_fds(
    environment: MutableMapping[str, str], pid: int, detach: bool
) -> tuple[bool, int | None]:
    """Return whether to detach after all, and how many sockets were handed over.

    LISTEN_PID with our own ``pid`` keeps us in the foreground.  In the foreground
    LISTEN_FDS counts whatever LISTEN_PID says.  LISTEN_PID is taken out of
    ``environment``; tinc-up still sees LISTEN_FDS.
    """
    if environment.pop("LISTEN_PID", "") == str(pid):
        detach = False
    if detach or "LISTEN_FDS" not in environment:
        return detach, None
    count = environment["LISTEN_FDS"]
    return detach, int(count) if count.isascii() and count.isdigit() else 0


def launch(options: StartOptions, serve: Callable[[StartOptions], int]) -> int:
    """Run ``serve`` as the daemon that ``options`` ask for; return the exit status.

    When detaching this returns in the child only.  TincError means that it was refused
    before it began, with a line for stderr.
    """
    pidfile = PidFile(options.pidfile, options.netname)
    pidfile.claim()
    readiness = process.detach() if options.detach else process.Readiness()
    process.hold_signals()
    process.set_name(options.argv)
    problem = pidfile.publish()
    try:
        _place_log(options)
        if problem is not None:
            logs.always.warning("%s", problem)
        given = replace(
            options,
            ready=_release(options.log, readiness),
            leave_root=_leave_root(pidfile, options.inherited),
        )
        return _run(given, serve)
    finally:
        pidfile.remove()


def _place_log(options: StartOptions) -> None:
    log = options.log
    log.rename(options.ident)
    if options.detach:
        if isinstance(log.output, StderrOutput):
            log.use(SyslogOutput(options.ident))
        # As long as somebody waits for the start, they see why it fails.
        log.mirror_errors(StderrOutput())
    logs.always.log(
        logs.NOTICE,
        "tincd %s starting, debug level %d",
        TINC_VERSION,
        options.debug_level,
    )


def _release(log: Log, readiness: process.Readiness) -> Callable[[], None]:
    def ready() -> None:
        log.end_mirror()
        readiness.ready()

    return ready


def _leave_root(pidfile: PidFile, inherited: Sequence[int]) -> Callable[[], None]:
    def leave() -> None:
        pidfile.leave()
        process.close_all(inherited)

    return leave


def _run(options: StartOptions, serve: Callable[[StartOptions], int]) -> int:
    try:
        if options.mlock:
            privileges.lock_memory()
        return serve(options)
    except TincError as error:
        logs.always.error("%s", error)
    except Exception:
        logs.always.critical("tincd failed", exc_info=True)
    return 1


def absolute(path: Path) -> Path:
    """Return ``path`` as it is understood here, for a process that leaves for ``/``."""
    return Path(os.path.abspath(path))
