"""Texts of log lines and errors about messages of a peer or a proxy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tincd_compat import logs
from tincd_compat.errors import PeerError
from tincd_compat.meta.events import UnknownRequest
from tincd_compat.meta.messages import Request

_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


class PeerLabel:
    """The peer of one connection as log lines name it: ``NAME (HOST port PORT)``.

    ``name`` returns the name that the peer has by now; ``hostname`` may be changed.
    """

    __slots__ = ("_name", "hostname")

    def __init__(self, name: Callable[[], str], hostname: str) -> None:
        self._name = name
        self.hostname = hostname

    def __str__(self) -> str:
        return f"{self._name()} ({self.hostname})"


def printable(line: bytes) -> str:
    r"""Return bytes as text, ``\xNN`` for all but printable ASCII."""
    return line.decode("ascii", "backslashreplace").translate(_ESCAPES)


def logs_requests() -> bool:
    """Whether every single request is logged."""
    return logs.protocol.isEnabledFor(logging.DEBUG)


def log_request(text: str, request: Request, peer: str, line: bytes) -> None:
    """Log a request: by name at debug level 3, with its text from level 4 on."""
    if logs.meta.isEnabledFor(logging.DEBUG):
        logs.meta.debug(text + ": %s", request.name, peer, printable(line))
    elif logs.protocol.isEnabledFor(logging.DEBUG):
        logs.protocol.debug(text, request.name, peer)


def while_processing(request: Request, error: PeerError) -> PeerError:
    """Name the request under way in the error about it, as a second log line."""
    line = f"Error while processing {request.name} from {{peer}}"
    return PeerError(f"{error.template}\n{line}", error.fault)


@contextmanager
def processing(request: Request) -> Iterator[None]:
    """Name the request in each PeerError of the block, as a second log line."""
    try:
        yield
    except PeerError as error:
        raise while_processing(request, error) from error


def unknown_request(line: bytes) -> PeerError:
    """Return the error about a request that tinc does not have."""
    text = "Unknown request from {peer}"
    if logs.meta.isEnabledFor(logging.DEBUG):
        return UnknownRequest(f"{text}: {printable(line)}")
    return PeerError(text)
