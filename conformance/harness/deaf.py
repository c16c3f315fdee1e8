"""A datagram socket of the host whose owner has stopped reading."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final

_FILLER: Final = b"filler"
_MAX_DATAGRAM: Final = 1 << 16


class Deaf:
    """A UNIX datagram socket at ``path``; it reads when it is told to."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._path = path

    def __enter__(self) -> Deaf:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def fill(self) -> None:
        """Leave no room for anybody's next datagram."""
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
            contextlib.suppress(BlockingIOError),
        ):
            filler.setblocking(False)
            filler.connect(str(self._path))
            while True:
                filler.send(_FILLER)

    def read_all(self) -> list[bytes]:
        """Return the datagrams that wait, those of :meth:`fill` left out."""
        found: list[bytes] = []
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(_MAX_DATAGRAM))
        return [each for each in found if each != _FILLER]

    def hears(self, text: bytes, seconds: float) -> bool:
        """Read until a datagram has ``text`` in it; False if none has in time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                if text in self._socket.recv(_MAX_DATAGRAM):
                    return True
        return False
