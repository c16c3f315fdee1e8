"""The control socket as ControlSocket and ControlGroup configure it, kept open.

Nothing else depends on the control socket: an error that prevents it is logged once,
and the daemon goes on without.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tincd_compat import logs
from tincd_compat.config import paths
from tincd_compat.service.control_socket import (
    ControlSocket,
    Peer,
    group_id,
    open_control_socket,
    peer_of,
)
from tincd_compat.transport.http import HttpAnswer, HttpRequest
from tincd_compat.transport.operators import Failed, Operators

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings

#: Path and group of a socket; None is no group.
_Place: TypeAlias = tuple[Path, int | None]


class ControlListener:
    """The control socket and its clients; ``answer`` handles their requests."""

    def __init__(
        self,
        settings: CurrentSettings,
        pid_file: Path,
        answer: Callable[[Peer, HttpRequest], HttpAnswer],
        failed: Failed,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._settings = settings
        self._pid_file = pid_file
        self._answer = answer
        self._failed = failed
        self._loop = loop
        self._place: _Place | None = None
        self._socket: ControlSocket | None = None
        self._operators: Operators | None = None

    def open(self) -> None:
        """Open what the settings in force say, if it is not open already."""
        wanted = self._wanted()
        if wanted == self._place and self._socket is not None:
            return
        self.close()
        self._place = wanted
        if wanted is None:
            return
        try:
            self._socket = open_control_socket(*wanted)
        except OSError as error:
            reason = error.strerror or error
            logs.always.warning("Could not open %s: %s", wanted[0], reason)
            return
        self._operators = Operators(
            self._socket.sock, self._answer_client, self._failed, self._loop
        )

    def _wanted(self) -> _Place | None:
        settings = self._settings.current
        if settings.control_socket == "no":
            return None
        path = paths.control_socket(self._pid_file)
        if settings.control_socket != "yes":
            path = Path(settings.control_socket)
        return path, group_id(settings.control_group)

    def _answer_client(self, sock: socket.socket, request: HttpRequest) -> HttpAnswer:
        return self._answer(peer_of(sock), request)

    def wake(self) -> None:
        """Go on with all answers that wait for an event."""
        if self._operators is not None:
            self._operators.wake()

    def close(self) -> None:
        """Send all clients away and take the socket and its file away."""
        if self._operators is not None:
            self._operators.close()
            self._operators = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._place = None
