"""The way through a proxy: the dialogue on a socket, or a command in its place.

:mod:`tincd_compat.meta.proxydialogues` decides what is sent; here are the time limit,
the bytes and the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from typing import ClassVar, Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.events import ConnectionLost
from tincd_compat.meta.proxydialogues import ProxyDialogue, ProxyProgress, Target

#: Bytes that are read from a proxy at once.
PROXY_READ_SIZE: Final = 4096

#: Seconds a command has to end by itself once its connection has, and then after TERM.
GRACE: Final = 0.5
TERM_PATIENCE: Final = 1.0
_POLL_INTERVAL: Final = 0.05


class ProxyClosed(PeerError):
    """The proxy ended the connection without a word; shown from debug level 1 on."""

    logger: ClassVar[logging.Logger] = logs.connections
    severity: ClassVar[int] = logs.NOTICE


@dataclass(frozen=True, slots=True)
class ProxyPassage:
    """A way to the peer: nobody but the peer will speak on ``socket``.

    ``address`` is where our edge says that the peer is, ``proxied`` whom a proxy was
    asked for, ``received`` what has come from the peer already, ``process`` a command
    to be ended with the connection.
    """

    socket: socket.socket
    address: SocketAddress
    proxied: Target | None = None
    received: bytes = b""
    process: ProxyProcess | None = None


async def converse(
    sock: socket.socket, dialogue: ProxyDialogue, patience: float
) -> ProxyProgress:
    """Get the request granted on a connected socket within ``patience`` seconds.

    PeerError, whose text is the log line, if that fails; the socket is closed then.
    """
    try:
        async with asyncio.timeout(patience):
            return await _converse(sock, dialogue)
    except TimeoutError:
        sock.close()
        line = "Timeout from {peer} during authentication"
        raise ConnectionLost(line, logging.WARNING, Fault.AUTH_TIMEOUT) from None
    except OSError as error:
        sock.close()
        line = f"Metadata socket read error for {{peer}}: {error.strerror}"
        raise PeerError(line) from error
    except BaseException:
        sock.close()
        raise


async def _converse(sock: socket.socket, dialogue: ProxyDialogue) -> ProxyProgress:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, dialogue.request)
    while data := await loop.sock_recv(sock, PROXY_READ_SIZE):
        progress = dialogue.receive_data(data)
        if progress.done:
            return progress
    raise ProxyClosed("Connection closed by {peer}")


def run_command(
    command: str, environment: Mapping[str, str]
) -> tuple[socket.socket, ProxyProcess]:
    """Start a shell command on the other end of the socket returned; OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env=environment,
                # A group of its own: the whole pipeline can be ended, ^C is for us.
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    return ours, ProxyProcess(command, process, ours)


class ProxyProcess:
    """The process behind a connection through a command."""

    def __init__(
        self, command: str, process: subprocess.Popen[bytes], sock: socket.socket
    ) -> None:
        self._command = command
        self._process = process
        self._socket = sock

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end_with(self, ended: asyncio.Event) -> None:
        """Wait for the end of the connection, then see to that of the process.

        Being cancelled, which happens when the daemon ends, hastens both.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await ended.wait()
        await self.end()

    async def end(self) -> None:
        """End the process, politely first, and reap it."""
        # The socket may stay open in the tarpit; the process must not notice that.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if await self._exited(GRACE):
            self._log_status()
            return
        self._signal(signal.SIGTERM)
        if not await self._exited(TERM_PATIENCE):
            self._signal(signal.SIGKILL)
            # A process that hangs in the kernel does not die of KILL: no wait for it.
            await self._exited(TERM_PATIENCE)

    async def _exited(self, patience: float) -> bool:
        """Tell whether the process ends in time; being cancelled ends the patience."""
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(round(patience / _POLL_INTERVAL)):
                if self._process.poll() is not None:
                    break
                await asyncio.sleep(_POLL_INTERVAL)
        return self._process.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        # The process is not reaped yet, so no other can have its number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _log_status(self) -> None:
        status = self._process.returncode
        if status > 0:
            logs.always.error(
                "%s exited with non-zero status %d", self._command, status
            )
