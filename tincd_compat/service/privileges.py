"""Locked memory, priority, chroot and the change of user.

A failure raises :class:`DeviceError`, or :class:`ConfigError` for an unknown user, with
tincd's line; all of them end the start.
"""

from __future__ import annotations

import importlib
import os
import pwd
import time
from pathlib import Path
from typing import Final

from tincd_compat import logs
from tincd_compat.errors import ConfigError, DeviceError

_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_LOCKED_STACK: Final = 1 << 20

#: Modules imported only when first used.  In a chroot, and for a user who may not
#: read where Python is installed, that is too late.
_LATE_IMPORTS: Final = (
    "concurrent.futures.thread",
    "encodings.idna",
    "linecache",
    "subprocess",
    "traceback",
    "unicodedata",
)


def _failed(call: str, error: OSError) -> DeviceError:
    return DeviceError(f"System call `{call}' failed: {error.strerror}")


def lock_memory() -> None:
    """Keep all memory, present and future, out of swap: ``--mlock``."""
    import threading

    # The stack of a thread is locked whole.
    threading.stack_size(_LOCKED_STACK)
    _lock(_MCL_CURRENT | _MCL_FUTURE)


def allow_growth() -> None:
    """Before locked memory loses root: see that there can be more of it.

    What anybody else may lock is limited, mostly to a few megabytes, and beyond that
    not even a thread could be had any more.  The limit is lifted; where that is not
    allowed, what comes from now on is not locked.
    """
    import resource

    unlimited = resource.RLIM_INFINITY
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (unlimited, unlimited))
    except (OSError, ValueError):
        logs.always.warning(
            "Only the memory in use by now stays locked: the limit of locked memory "
            "(ulimit -l, LimitMEMLOCK=) is too low for more"
        )
        _lock(_MCL_CURRENT)


def _lock(flags: int) -> None:
    import ctypes  # heavy, and rarely asked for

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(flags):
        number = ctypes.get_errno()
        raise _failed("mlockall", OSError(number, os.strerror(number)))


def set_priority(nice: int) -> None:
    """Set the nice value, -20 to 19, whatever it is now: ProcessPriority."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError as error:
        raise _failed("setpriority", error) from error


def import_late_modules() -> None:
    """Import what could not be found any more once the rights or the root are gone."""
    for name in _LATE_IMPORTS:
        importlib.import_module(name)


def drop(user: str | None, root: Path | None) -> None:
    """Become ``user`` inside ``root``; None leaves that as it is.

    The groups go first and the user last, since each step needs the rights that the
    next one gives up.  Afterwards ``/`` is the working directory if there is a root.
    """
    if user is not None or root is not None:
        import_late_modules()
    account = None
    if user is not None:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise ConfigError(f"unknown user `{user}'") from None
        try:
            os.initgroups(account.pw_name, account.pw_gid)
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        except OSError as error:
            raise _failed("initgroups", error) from error
    if root is not None:
        _change_root(root)
    if account is not None:
        _change_user(account.pw_uid)


def _change_root(root: Path) -> None:
    time.tzset()  # reads the time zone while its file is in reach
    time.localtime()
    try:
        os.chroot(root)
        os.chdir("/")
    except OSError as error:
        raise _failed("chroot", error) from error


def _change_user(uid: int) -> None:
    try:
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise _failed("setuid", error) from error
    if uid == 0:
        return
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise DeviceError("Privileges could be regained after setuid")
