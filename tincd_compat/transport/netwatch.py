"""Noticing that this host's network has changed: links, addresses, routes.

The kernel tells by netlink.  What happens on our own interface is ignored, because our
scripts make it happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from tincd_compat import logs

#: Seconds to wait for more: one cable makes a dozen messages.
SETTLE: Final = 1.0

_INTERESTING: Final = frozenset(
    {
        "RTM_NEWLINK",
        "RTM_DELLINK",
        "RTM_NEWADDR",
        "RTM_DELADDR",
        "RTM_NEWROUTE",
        "RTM_DELROUTE",
    }
)


def concerns(message: Any, own_index: int) -> bool:
    """Tell whether a netlink message is about a network other than our own."""
    if message.get("event") not in _INTERESTING:
        return False
    attributes = dict(message.get("attrs") or ())
    index = attributes.get("RTA_OIF", message.get("index"))
    return bool(index != own_index)


class NetworkWatch:
    """Calls ``changed`` once for each burst of changes; ends with :meth:`stop`."""

    def __init__(self, own_index: int, changed: Callable[[], None]) -> None:
        self._own_index = own_index
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            # Loading the library takes a fifth of a second; packets need not wait.
            library = await loop.run_in_executor(None, _load)
            async with library.AsyncIPRoute() as route:
                await route.bind(groups=_groups(library))
                while True:
                    async for message in route.get():
                        self.note(message)
        except Exception as error:
            # The library or the kernel does not want to: the daemon can do without.
            logs.status.warning("Cannot watch the network: %s", error)

    def note(self, message: Any) -> None:
        """Take one netlink message."""
        if self._timer is None and concerns(message, self._own_index):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SETTLE, self._settled)

    def _settled(self) -> None:
        self._timer = None
        logs.status.info("The network of this host has changed")
        self._changed()


def _load() -> Any:
    import pyroute2

    return pyroute2


def _groups(library: Any) -> int:
    rtnl = library.netlink.rtnl
    groups: int = (
        rtnl.RTMGRP_LINK
        | rtnl.RTMGRP_IPV4_IFADDR
        | rtnl.RTMGRP_IPV6_IFADDR
        | rtnl.RTMGRP_IPV4_ROUTE
        | rtnl.RTMGRP_IPV6_ROUTE
    )
    return groups
