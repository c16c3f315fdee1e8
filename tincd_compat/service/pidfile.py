"""The pid file: one tincd per file, and how ``tincd -k`` finds it.

The file holds the decimal process id and a newline.  It is there with and without
``-D``, and it goes last: init scripts wait for that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from pathlib import Path
from typing import Final

from tincd_compat.errors import ConfigError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NUMBER: Final = re.compile(rb"\s*([+-]?[0-9]{1,18})")
#: Bytes of the file that are read, more than a process id has.
_LONGEST_NUMBER: Final = 64


def parse_pid(content: bytes) -> int | None:
    """Return the number that ``content`` begins with, None if it is no process id.

    0 and negative numbers would signal whole process groups.  1 is right: it is what
    a tincd has that is the only program of its container.
    """
    match = _NUMBER.match(content)
    pid = int(match[1]) if match else 0
    return pid if pid > 0 else None


def read_pid(path: Path) -> int | None:
    """Return the process id in the file, None if it cannot be read or holds none."""
    try:
        with path.open("rb") as file:
            return parse_pid(file.read(_LONGEST_NUMBER))
    except OSError:
        return None


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def process_name(pid: int) -> str | None:
    """Return the name that ``pidof`` looks for, None if it cannot be had."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return None


def kill_running(path: Path, netname: str | None, number: int) -> tuple[int, str]:
    """Send a signal to the tincd named by the pid file: ``tincd -k``.

    Returns the exit status and the line for stderr, if any.  A process that is gone is
    a success, which takes its pid file away; one that must not be signalled is too.
    """
    net = f" for net `{netname}'" if netname is not None else ""
    pid = read_pid(path)
    if pid is None:
        return 1, f"No other tincd is running{net}."
    try:
        os.kill(pid, number)
    except (ProcessLookupError, OverflowError):
        with contextlib.suppress(OSError):
            path.unlink()
        return 0, f"The tincd{net} is no longer running. Removing stale lock file."
    except OSError:
        pass
    return 0, ""


class PidFile:
    """This daemon's pid file, from :meth:`claim` to :meth:`remove`.

    The lock of a claim belongs to the open file, so it survives the fork of a daemon
    that detaches: two starts at once cannot both succeed, and the file never holds the
    number of a parent that is about to leave.
    """

    def __init__(self, path: Path, netname: str | None) -> None:
        self.path = path
        self._netname = netname
        self._file: int | None = None
        self._claimed = False

    def claim(self) -> None:
        """Open and lock the file; ConfigError if a tincd runs or it is not writable."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            self._file = os.open(self.path, flags, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running = parse_pid(os.pread(self._file, _LONGEST_NUMBER, 0))
        except OSError as error:
            self._close()
            raise ConfigError(
                f"Couldn't write pid file {self.path}: {error.strerror}"
            ) from error
        if running and running != os.getpid() and process_exists(running):
            self._close()
            net = f" for net `{self._netname}'" if self._netname is not None else ""
            text = f"A tincd is already running{net} with pid {running}."
            raise ConfigError(text + self._doubt(running))
        self._claimed = True

    def _doubt(self, pid: int) -> str:
        """Return what to do if a crash left the file and its number is another's."""
        name = process_name(pid)
        if name in (None, "tincd"):
            return ""
        advice = f"if there is no tincd, remove {self.path}"
        return f" (process {pid} is {name}: {advice})"

    def publish(self) -> str | None:
        """Write this process's id and release the lock; ConfigError if that fails.

        A full disk is no reason to leave a host without its VPN: then the file stays
        empty and locked, so that there still is no second tincd, and the line that
        should be logged is returned.
        """
        if self._file is None:
            raise ValueError("publish() without claim()")
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            problem = f"Could not write pid file {self.path}: {error.strerror}"
            if error.errno in _FULL:
                return problem
            self.remove()
            raise ConfigError(problem) from error
        os.close(self._file)
        self._file = None
        return None

    def leave(self) -> None:
        """Let go of the file, since its path is about to mean another one, or none.

        A directory kept open to remove it would lead out of a new root directory.
        """
        self._close()

    def remove(self) -> None:
        """Delete the file, if it is still ours.

        After a change of user the directory is seldom writable, and after one of the
        root it is out of reach; then the file stays, and the next start sees that it is
        stale.
        """
        if not self._claimed:
            return
        try:
            if self._file is not None or self._names_us():
                os.unlink(self.path)
        except OSError as error:
            if error.errno not in (
                errno.ENOENT,
                errno.EACCES,
                errno.EPERM,
                errno.EROFS,
            ):
                raise
        finally:
            self._close()

    def _names_us(self) -> bool:
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return parse_pid(os.read(file, _LONGEST_NUMBER)) == os.getpid()
        finally:
            os.close(file)

    def _close(self) -> None:
        """Close file and directory; the last open copy of the file holds the lock."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._claimed = False
