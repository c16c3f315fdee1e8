"""Host names, and their addresses from before the root directory changed.

In the new root directory there is a resolver only as far as somebody has put its files
there.  So with ``-R`` every name that we may dial is looked up once before: that loads
what the resolver needs, and the addresses serve when it knows no others later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.resolver import Resolve, resolve

#: How long a start waits for the resolver, seconds.  Later answers count too.
RESOLVER_PATIENCE: Final = 5.0
#: How many look-ups are under way at once; the resolver has threads for twice as many.
_AT_ONCE: Final = 32


class Names:
    """Looks names up; :meth:`learn` makes it remember."""

    def __init__(self, lookup: Resolve = resolve) -> None:
        self._lookup = lookup
        self._known: dict[tuple[str, str, int], list[SocketAddress]] = {}
        #: Names that nobody has asked for since they were looked up.
        self._fresh: set[tuple[str, str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def learn(self, targets: Iterable[tuple[str, str]], family: int) -> None:
        """Look up hosts and ports, as far as that needs a resolver."""
        slots = asyncio.Semaphore(_AT_ONCE)
        for host, port in dict.fromkeys(targets):
            if SocketAddress.parse(host, port) is None:
                task = asyncio.create_task(self._learn(host, port, family, slots))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=RESOLVER_PATIENCE)

    async def _learn(
        self, host: str, port: str, family: int, slots: asyncio.Semaphore
    ) -> None:
        key = host, port, family
        # Whoever dials the name says why it is not known.
        with suppress(OSError):
            async with slots:
                self._known[key] = await self._lookup(host, port, family)
            self._fresh.add(key)

    async def resolve(self, host: str, port: str, family: int) -> list[SocketAddress]:
        """Return addresses, as :func:`tincd_compat.transport.resolver.resolve` does.

        What was learned is the first answer, and later that for want of a better one.
        """
        key = host, port, family
        if key in self._fresh:
            self._fresh.discard(key)
            return self._known[key]
        try:
            found = await self._lookup(host, port, family)
        except OSError:
            if key not in self._known:
                raise
            text = "No resolver knows %s in this root directory: using what it was"
            logs.connections.info(text, host)
            return self._known[key]
        if key in self._known:
            self._known[key] = found
        return found

    def stop(self) -> None:
        """Stop waiting for answers of the resolver."""
        for task in self._tasks:
            task.cancel()
