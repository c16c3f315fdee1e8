"""How a device fails: tincd's patience with reads, and frames that are refused."""

from __future__ import annotations

import errno
from typing import Final

from tincd_compat import logs
from tincd_compat.errors import DeviceError

#: A device is given up when more reads than this fail and none succeeds in between.
MAX_READ_ERRORS: Final = 10
#: Seconds of rest after a failed read, for each failure so far.
READ_PAUSE: Final = 0.05

#: The system refuses a frame with these where the device would take others.
_OF_THE_FRAME: Final = frozenset(
    {errno.EINVAL, errno.EMSGSIZE, errno.ENOBUFS, errno.EAGAIN}
)


class WriteFailures:
    """The last frame that the system has refused, until it takes one again.

    The number of bytes written tells that, so that frames which pass cost nothing.
    """

    def __init__(self, info: str, path: str) -> None:
        self._info = info
        self._path = path
        self._words: str | None = None
        self._written = 0

    def failed(self, error: OSError, written: int, *, told: bool = False) -> None:
        """Note that a frame was refused, after ``written`` bytes of others.

        The failure is logged unless it was ``told`` already.
        """
        text = "Can't write to {} {}: {}"
        words = text.format(self._info, self._path, error.strerror)
        if error.errno not in _OF_THE_FRAME:
            self._words, self._written = words, written
        if not told:
            logs.always.error("%s", words)

    def words(self, written: int) -> str | None:
        """Return why frames are refused; None if they are not, ``written`` so far."""
        return self._words if written == self._written else None


class ReadFailures:
    """The count of failed reads in a row: first pauses, then the end of the device."""

    def __init__(self, info: str, path: str) -> None:
        self._info = info
        self._path = path
        self._words: str | None = None
        self._count = 0

    def failed(self, error: OSError) -> float:
        """Log a failure, return the seconds to rest; DeviceError when patience ends."""
        text = "Error while reading from {} {}: {}"
        self._words = text.format(self._info, self._path, error.strerror)
        logs.always.error("%s", self._words)
        self._count += 1
        if self._count > MAX_READ_ERRORS:
            raise DeviceError(f"Too many errors from {self._path}, exiting!")
        return self._count * READ_PAUSE

    def succeeded(self) -> None:
        self._count = 0

    @property
    def words(self) -> str | None:
        """Why the device cannot be read; None if it can."""
        return self._words if self._count else None
