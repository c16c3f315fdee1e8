"""Looking up names without ever waiting for it.

The system's resolver can hang for minutes.  Each look-up has a thread of its own that
nobody joins: neither the event loop nor the end of the daemon waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.tcp import to_socket_address

#: How long a name may take to resolve, seconds.
PATIENCE: Final = 10.0

Lookup: TypeAlias = Callable[..., list[tuple[Any, ...]]]


async def resolve(
    host: str, port: str, family: int, *, lookup: Lookup = socket.getaddrinfo
) -> list[SocketAddress]:
    """Return the addresses of a host and port, in the resolver's order.

    OSError if it does not know them, TimeoutError if it does not answer.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[SocketAddress]] = loop.create_future()

    def work() -> None:
        try:
            found = lookup(host, port, family=family, type=socket.SOCK_STREAM)
            addresses = [to_socket_address(entry[4]) for entry in found]
        except (OSError, UnicodeError) as error:
            _deliver(loop, _fail, answer, error)
        else:
            _deliver(loop, _succeed, answer, addresses)

    threading.Thread(target=work, name=f"look up {host}", daemon=True).start()
    async with asyncio.timeout(PATIENCE):
        return await answer


def _deliver(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    try:
        loop.call_soon_threadsafe(*call)
    except RuntimeError:
        return  # the daemon has ended meanwhile


def _succeed(
    answer: asyncio.Future[list[SocketAddress]], addresses: list[SocketAddress]
) -> None:
    if not answer.done():
        answer.set_result(addresses)


def _fail(answer: asyncio.Future[list[SocketAddress]], error: Exception) -> None:
    if not answer.done():
        reason = error if isinstance(error, OSError) else OSError(0, str(error))
        answer.set_exception(reason)
