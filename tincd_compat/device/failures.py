"""How much a device may fail: tincd's patience with reads that go wrong."""

from __future__ import annotations

from typing import Final

from tincd_compat import logs
from tincd_compat.errors import DeviceError

#: A device is given up when more reads than this fail and none succeeds in between.
MAX_READ_ERRORS: Final = 10
#: Seconds of rest after a failed read, for each failure so far.
READ_PAUSE: Final = 0.05


class ReadFailures:
    """The count of failed reads in a row: first pauses, then the end of the device."""

    def __init__(self, info: str, path: str) -> None:
        self._info = info
        self._path = path
        self._count = 0

    def failed(self, error: OSError) -> float:
        """Log a failure, return the seconds to rest; DeviceError when patience ends."""
        logs.always.error(
            "Error while reading from %s %s: %s", self._info, self._path, error.strerror
        )
        self._count += 1
        if self._count > MAX_READ_ERRORS:
            raise DeviceError(f"Too many errors from {self._path}, exiting!")
        return self._count * READ_PAUSE

    def succeeded(self) -> None:
        self._count = 0
