"""The control socket: where operators ask the daemon, and who may ask for what.

Whoever may open the file may look; that is for its mode and group to say.  To change
something takes the superuser, or the user that the daemon runs as.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from tincd_compat.dataclass import dataclass

#: Connections that wait to be accepted.
BACKLOG: Final = 16
#: What the file's mode is without a group, and with one.
OWNER_ONLY: Final = 0o600
WITH_GROUP: Final = 0o660

_CREDENTIALS: Final = struct.Struct("3i")
#: What shows that nobody listens behind a file.
_DEAD: Final = (errno.ECONNREFUSED, errno.ENOENT)


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end when it connected."""

    pid: int
    uid: int
    gid: int

    def may_change(self, own_uid: int) -> bool:
        """Tell whether it may do more than look; ``own_uid`` is the daemon's user."""
        return self.uid in (0, own_uid)


def peer_of(sock: socket.socket) -> Peer:
    """Return who is at the other end (SO_PEERCRED)."""
    size = _CREDENTIALS.size
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return Peer(*_CREDENTIALS.unpack(found))


def group_id(name: str) -> int | None:
    """Return the number of a group, None if there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


class ControlSocket:
    """The listening socket and its file, from opening to :meth:`close`."""

    def __init__(self, path: Path, sock: socket.socket, identity: tuple[int, int]):
        self.path = path
        self.sock = sock
        self._identity = identity

    def close(self) -> None:
        """Stop listening and delete the file, if it is still ours.

        After a change of user the directory is seldom writable, and after one of the
        root it is out of reach; then the file stays, and the next start replaces it.
        """
        self.sock.close()
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()


def open_control_socket(path: Path, group: int | None) -> ControlSocket:
    """Listen at ``path`` for the owner, and for a group if there is one.

    A file that is there is replaced if it is a socket and nobody answers.  OSError for
    whatever prevents the socket.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # The file is made with the mode of the socket, and is nobody else's even for a
        # moment.
        os.fchmod(sock.fileno(), OWNER_ONLY)
        try:
            sock.bind(bytes(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            sock.bind(bytes(path))
    except OSError:
        sock.close()
        raise
    control = ControlSocket(path, sock, _identity(path))
    try:
        if group is not None:
            os.chown(path, -1, group, follow_symlinks=False)
            path.chmod(WITH_GROUP)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        control.close()
        raise
    return control


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _remove_stale(path: Path) -> None:
    """Delete a socket that nobody listens at; OSError if it is anything else."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener whose queue is full would let us wait.
        probe.setblocking(False)
        try:
            probe.connect(bytes(path))
        except OSError as error:
            if error.errno not in _DEAD:
                raise OSError(errno.EADDRINUSE, "another process listens") from error
        else:
            raise OSError(errno.EADDRINUSE, "another process listens")
    path.unlink(missing_ok=True)
