"""Files as such: scripts that cannot run, names that mean nothing, permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from tincd_compat.addresses import valid_name
from tincd_compat.config.check.findings import Report

SCRIPTS: Final = (
    "tinc-up",
    "tinc-down",
    "host-up",
    "host-down",
    "subnet-up",
    "subnet-down",
)

_EXECUTABLE: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def _mode(path: Path) -> int | None:
    """Return the mode behind links; None if there is nothing or it cannot be known."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def _host_scripts(directory: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(directory / "hosts"))
    except OSError:
        return []
    return [directory / "hosts" / name for name in names if _script_node(name)]


def _script_node(name: str) -> str | None:
    """Return the node whose script a file in hosts/ is; None if it is none."""
    node, dash, word = name.rpartition("-")
    return node if dash and word in ("up", "down") and valid_name(node) else None


def present_scripts(directory: Path) -> list[Path]:
    """Return the scripts that there are; none of them has to be."""
    found = [directory / name for name in SCRIPTS] + _host_scripts(directory)
    return [path for path in found if _mode(path) is not None]


def check_scripts(
    directory: Path, interpreter: str | None, chroot: bool, report: Report
) -> None:
    """Look at the scripts that there are."""
    present = present_scripts(directory)
    for path in present:
        check_writable(path, report)
        mode = _mode(path) or 0
        if stat.S_ISDIR(mode):
            report.error(path, "a script is expected here, not a directory")
        elif not interpreter and not mode & _EXECUTABLE:
            report.error(path, "the script is not executable; `chmod +x' makes it so")
    if chroot and present and _mode(directory / "bin" / "sh") is None:
        text = "with --chroot scripts after the start need bin/sh in here"
        report.warning(directory, text)


def check_writable(path: Path, report: Report) -> None:
    """Complain if everybody may change what tincd reads or runs."""
    mode = _mode(path)
    if mode is not None and mode & stat.S_IWOTH:
        report.warning(path, "everybody may write here; `chmod o-w' forbids it")


def check_host_names(directory: Path, report: Report) -> None:
    """Find files in hosts/ that look like those of a node and are none.

    What has a dot or a tilde in its name is a backup or belongs to another program.
    """
    try:
        names = sorted(os.listdir(directory / "hosts"))
    except OSError:
        return
    for name in names:
        plain = name.replace("-", "_")
        if valid_name(plain) and not valid_name(name) and not _script_node(name):
            text = "this is not the name of a node: letters, digits and _ make one"
            report.warning(directory / "hosts" / name, text)
