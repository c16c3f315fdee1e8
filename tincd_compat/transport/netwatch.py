"""Noticing that this host's network has changed: links, addresses, routes.

The kernel tells by netlink.  What happens on our own interface is ignored, because our
scripts make it happen.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from tincd_compat import logs

#: Seconds to wait for more: one cable makes a dozen messages.
SETTLE: Final = 1.0
#: Bursts told at once, and the seconds that each costs later ones.  Where the network
#: never rests, containers or routes coming and going, the back-off has to keep its
#: meaning.
PROMPT: Final = 10
RECOVERY: Final = 10.0

_READ_SIZE: Final = 1 << 16
#: What the kernel calls RTMGRP_LINK, and _IFADDR and _ROUTE of IPv4 and of IPv6.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
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


class NetlinkSocket(Protocol):
    """What the watch needs of a socket; never blocks."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def open_netlink() -> NetlinkSocket:
    """Return a socket that hears of changes from now on; OSError if there is none."""
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    try:
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        raise
    return sock


def concerns(message: Any, own_index: int) -> bool:
    """Tell whether a netlink message is about a network other than our own."""
    if message.get("event") not in _INTERESTING:
        return False
    attributes = dict(message.get("attrs") or ())
    index = attributes.get("RTA_OIF", message.get("index"))
    return bool(index != own_index)


class NetworkWatch:
    """Calls ``changed`` once for each burst of changes; ends with :meth:`stop`."""

    def __init__(
        self,
        own_index: int,
        changed: Callable[[], None],
        connect: Callable[[], NetlinkSocket] = open_netlink,
    ) -> None:
        self._own_index = own_index
        self._changed = changed
        self._connect = connect
        self._socket: NetlinkSocket | None = None
        self._parse: Callable[[bytes], Iterable[Any]] = lambda _: ()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._allowance = float(PROMPT)
        self._counted = 0.0

    def start(self) -> None:
        """Begin to listen; what happens before the messages can be read waits."""
        try:
            self._socket = self._connect()
        except OSError as error:
            self._give_up(error)
            return
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._close()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            # Loading the library takes a fifth of a second; packets need not wait.
            self._parse = await loop.run_in_executor(None, _load)
        except Exception as error:
            self._give_up(error)
            return
        if self._socket is not None:
            loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ_SIZE)
            # A routing daemon can make thousands: one is enough to know.
            for message in self._parse(data) if self._timer is None else ():
                self.note(message)
        except BlockingIOError:
            pass
        except OSError:
            # So much has happened that the kernel could not keep it for us.
            self._plan()
        except Exception as error:
            self._give_up(error)

    def note(self, message: Any) -> None:
        """Take one netlink message."""
        if concerns(message, self._own_index):
            self._plan()

    def _plan(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._delay(loop.time()), self._settled)

    def _delay(self, now: float) -> float:
        """Return the seconds until a burst may be told, and charge for that."""
        recovered = self._allowance + (now - self._counted) / RECOVERY
        self._allowance = min(PROMPT, recovered) - 1
        self._counted = now
        return max(SETTLE, -self._allowance * RECOVERY)

    def _settled(self) -> None:
        self._timer = None
        logs.status.info("The network of this host has changed")
        self._changed()

    def _give_up(self, error: Exception) -> None:
        """The library or the kernel does not want to: the daemon can do without."""
        logs.status.warning("Cannot watch the network: %s", error)
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _load() -> Callable[[bytes], Iterable[Any]]:
    from pyroute2.netlink.rtnl.marshal import MarshalRtnl

    parse: Callable[[bytes], Iterable[Any]] = MarshalRtnl().parse
    return parse
