"""Hostnames = yes: log lines name a peer's host and port instead of numbering them.

The look-up takes its time in a thread; until it is answered, log lines show numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.meta.connection import MetaConnection
from tincd_compat.transport.resolver import name_of

NameOf: TypeAlias = Callable[[SocketAddress], Awaitable[str]]


class HostNames:
    """Names of hosts in log lines, as they become known."""

    def __init__(self, lookup: NameOf = name_of) -> None:
        self._lookup = lookup
        self._tasks: set[asyncio.Task[None]] = set()

    def improve(self, connection: MetaConnection, address: SocketAddress) -> None:
        """Look the address up and put its names into the lines that follow."""
        task = asyncio.ensure_future(self._improve(connection, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _improve(
        self, connection: MetaConnection, address: SocketAddress
    ) -> None:
        try:
            connection.name_host(await self._lookup(address))
        except OSError:
            return  # the numbers are as good

    def close(self) -> None:
        """Look nothing up any more."""
        for task in self._tasks:
            task.cancel()
