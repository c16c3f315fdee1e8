"""Names and paths that follow from the netname and the configuration directory."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from tincd_compat.errors import ConfigError

#: Build-time roots of Debian's tincd.
CONFIGURATION: Final = Path("/etc/tinc")
_RUNTIME: Final = Path("/run")
_LOGS: Final = Path("/var/log")


class Paths(NamedTuple):
    """Where an instance keeps its things.

    ``ident`` names the instance in syslog and in the log file; ``log_file`` is the one
    used if ``--logfile`` names none.
    """

    netname: str | None
    ident: str
    directory: Path
    pid_file: Path
    log_file: Path
    uml_socket: Path


def control_socket(pid_file: Path) -> Path:
    """Return where operators ask the daemon that has this pid file."""
    name = pid_file.name.removesuffix(".pid")
    return pid_file.with_name(f"{name}.sock")


def instance_paths(netname: str | None, directory: str | None = None) -> Paths:
    """Return the paths for ``-n NETNAME`` and ``-c DIRECTORY``.

    ``.`` stands for no netname.  The directory is used literally and changes nothing
    else.  ConfigError for a netname that cannot be part of a file name.
    """
    if netname == ".":
        netname = None
    if netname is not None and (netname in ("", "..") or "/" in netname):
        raise ConfigError(f"Invalid netname `{netname}': it must be a plain file name")
    ident = "tinc" if netname is None else f"tinc.{netname}"
    default = CONFIGURATION if netname is None else CONFIGURATION / netname
    return Paths(
        netname=netname,
        ident=ident,
        directory=default if directory is None else Path(directory),
        pid_file=_RUNTIME / f"{ident}.pid",
        log_file=_LOGS / f"{ident}.log",
        uml_socket=_RUNTIME / f"{ident}.umlsocket",
    )
