"""Looking up names and addresses without ever waiting for it.

The system's resolver can hang for minutes.  Each look-up has a thread of its own that
nobody joins: neither the event loop nor the end of the daemon waits for it.  There are
so many of them at most, and strangers, whose addresses are looked up, cannot take those
of the nodes that we connect to.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.local import from_sockaddr
from tincd_compat.transport.udp_options import to_sockaddr

#: How long a look-up may take, seconds.
LOOKUP_PATIENCE: Final = 10.0
#: Threads at most that look up the addresses of nodes, and the names of callers.
MAX_LOOKUPS: Final = 64
MAX_REVERSE_LOOKUPS: Final = 16

_lookups: Final = threading.BoundedSemaphore(MAX_LOOKUPS)
_reverse_lookups: Final = threading.BoundedSemaphore(MAX_REVERSE_LOOKUPS)

Lookup: TypeAlias = Callable[..., list[tuple[Any, ...]]]
ReverseLookup: TypeAlias = Callable[[Any, int], tuple[str, str]]
T = TypeVar("T")


class Resolve(Protocol):
    """As :func:`resolve`."""

    def __call__(
        self, host: str, port: str, family: int
    ) -> Awaitable[list[SocketAddress]]: ...


async def resolve(
    host: str, port: str, family: int, *, lookup: Lookup = socket.getaddrinfo
) -> list[SocketAddress]:
    """Return the addresses of a host and port, in the resolver's order.

    OSError if it does not know them, TimeoutError if it does not answer, or has not
    answered too many others.
    """

    def work() -> list[SocketAddress]:
        found = lookup(host, port, family=family, type=socket.SOCK_STREAM)
        return [from_sockaddr(entry[4]) for entry in found]

    return await _in_thread(work, _lookups)


async def name_of(
    address: SocketAddress, *, lookup: ReverseLookup = socket.getnameinfo
) -> str:
    """Return the address with names for host and port, as far as they have any.

    OSError and TimeoutError as for :func:`resolve`.
    """

    def work() -> str:
        host, port = lookup(to_sockaddr(address), 0)
        return f"{host} port {port}"

    return await _in_thread(work, _reverse_lookups)


async def _in_thread(work: Callable[[], T], slots: threading.Semaphore) -> T:
    if not slots.acquire(blocking=False):
        raise TimeoutError("too many look-ups wait for the resolver")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            # An exception in a thread has nobody above it: it goes to the caller.
            _deliver(loop, _fail, answer, error)
        else:
            _deliver(loop, _succeed, answer, result)
        finally:
            slots.release()

    try:
        threading.Thread(target=run, name="look-up", daemon=True).start()
    except RuntimeError as error:  # there may be no more of them
        slots.release()
        raise OSError(0, str(error)) from error
    async with asyncio.timeout(LOOKUP_PATIENCE):
        return await answer


def _deliver(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    try:
        loop.call_soon_threadsafe(*call)
    except RuntimeError:
        return  # the daemon has ended meanwhile


def _succeed(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], error: Exception) -> None:
    if not answer.done():
        # A name that DNS cannot express is one that no resolver knows.
        unknown = isinstance(error, UnicodeError)
        answer.set_exception(OSError(0, str(error)) if unknown else error)
