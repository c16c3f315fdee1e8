"""``--user``: what the daemon cannot read or run any more once it is that user."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tincd_compat.config.check.findings import Report
from tincd_compat.dataclass import dataclass

_READ: Final = stat.S_IROTH
_WRITE: Final = stat.S_IWOTH
_RUN: Final = stat.S_IROTH | stat.S_IXOTH
_ENTER: Final = stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Account:
    """A user by number, and all groups it is in."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, wanted: int, status: os.stat_result) -> bool:
        """Tell whether the mode grants ``wanted``, bits as for everybody else."""
        if status.st_uid == self.uid:
            wanted <<= 6
        elif status.st_gid in self.groups:
            wanted <<= 3
        return status.st_mode & wanted == wanted


def find_account(name: str) -> Account | None:
    """Return a user of this machine, None if there is none of that name."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(name, entry.pw_uid, frozenset(groups))


def check_user(
    account: Account,
    directory: Path,
    files: Iterable[Path],
    scripts: Iterable[Path],
    report: Report,
) -> None:
    """Find what is read or run after the start, and out of reach by then.

    Access control lists and capabilities are not looked at, hence only warnings.
    """
    if account.uid == 0:
        return
    hosts = directory.absolute() / "hosts"
    for place in (*reversed(hosts.parents), hosts):
        if not _allowed(account, _ENTER, place):
            text = f"with --user {account.name} nothing in here is in reach"
            report.warning(place, f"{text} after the start")
            return
    for path in files:
        if not _allowed(account, _READ, path):
            text = f"with --user {account.name} it cannot be read after the start"
            report.warning(path, text)
    for path in scripts:
        if not _allowed(account, _RUN, path):
            text = f"with --user {account.name} it cannot be run after the start"
            report.warning(path, text)


def check_learning(
    account: Account, directory: Path, names: Iterable[str], report: Report
) -> None:
    """Find host files into which the Ed25519 key that a peer gives cannot be written.

    Only a peer that we dial gives it again after the next start: one that dials has the
    key of this node, and begins a session that takes both.
    """
    hosts = directory / "hosts"
    closed = [name for name in names if not _allowed(account, _WRITE, hosts / name)]
    if account.uid != 0 and closed:
        text = (
            f"with --user {account.name} the Ed25519 keys that peers give cannot be"
            " written here: add their lines by hand, or those that dial this node are"
            " refused after its next start"
        )
        report.info(hosts, text)


def _allowed(account: Account, wanted: int, path: Path) -> bool:
    """Tell whether a file that there is may be used; a missing one is no obstacle."""
    try:
        return account.may(wanted, path.stat())
    except OSError:
        return True
