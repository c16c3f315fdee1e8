"""Noticing that this host's network has changed: links, addresses, routes.

The kernel tells by netlink, and is asked once for all that there is: only a difference
is a change.  What happens on our own interface is ignored, because our scripts make it
happen.

While a change waits to be told, news is not looked at: afterwards everything is asked
for again.  So a storm costs what a change costs.  Until all has been answered nobody
knows what is new, and any news counts.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from tincd_compat import logs
from tincd_compat.transport.hostnetwork import HostNetwork, Message, requests, split

#: Seconds to wait for more: one cable makes a dozen messages.
SETTLE: Final = 1.0
#: Bursts told at once, and the seconds that each costs later ones.  Where the network
#: never rests, containers or routes coming and going, the back-off has to keep its
#: meaning.
PROMPT: Final = 10
RECOVERY: Final = 10.0

#: Bytes of one read.  The kernel makes its answers no longer, and so many of them are
#: understood in a millisecond.
_NETLINK_READ_SIZE: Final = 1 << 14
#: What the kernel calls RTMGRP_LINK, and _IFADDR and _ROUTE of IPv4 and of IPv6.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


class NetlinkSocket(Protocol):
    """What the watch needs of a socket; never blocks."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def send(self, data: bytes, /) -> int: ...

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


class NetworkWatch:
    """Calls ``changed`` once for each burst of changes; ends with :meth:`stop`."""

    def __init__(
        self,
        own_index: int,
        changed: Callable[[], None],
        connect: Callable[[], NetlinkSocket] = open_netlink,
    ) -> None:
        self._changed = changed
        self._connect = connect
        self._socket: NetlinkSocket | None = None
        self._network = HostNetwork(own_index)
        #: The requests still to be made of the kernel; the first is being answered.
        self._asking: deque[bytes] = deque()
        #: The number of answers whose end has not been read.
        self._unanswered = 0
        #: Whether messages were passed over, so that the tables may be wrong.
        self._stale = False
        self._timer: asyncio.TimerHandle | None = None
        self._allowance = float(PROMPT)
        self._counted = 0.0

    def start(self) -> None:
        """Begin to listen, and ask the kernel for its tables."""
        try:
            self._socket = self._connect()
        except OSError as error:
            self._give_up(error)
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket.fileno(), self._readable)
        self._ask_again()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._close()

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            for message in split(self._socket.recv(_NETLINK_READ_SIZE)):
                self._heard(message)
        except BlockingIOError:
            pass
        except OSError:
            # The kernel had more messages than the socket's buffer takes.
            self._miss()

    def _heard(self, message: Message) -> None:
        """Take a netlink message; a change of the tables begins or joins a burst."""
        if message.ends_answer:
            self._ask_next()
            self._answered()
        elif not self._network.concerns(message):
            return
        elif not message.answers and self._timer is not None:
            self._stale = True
        else:
            changed = self._network.take(message)
            if not message.answers and (changed or self._unanswered):
                self._plan()

    def _miss(self) -> None:
        """Note that messages were lost: the tables are asked for anew."""
        self._stale = True
        self._plan()

    # What there is.

    def _ask_again(self) -> None:
        """Request all tables of the kernel, unless an answer is under way."""
        if self._unanswered:
            return
        self._stale = False
        self._network.clear()
        self._asking.extend(requests())
        self._unanswered = len(self._asking)
        self._ask()

    def _ask(self) -> None:
        if self._asking and self._socket is not None:
            try:
                self._socket.send(self._asking[0])
            except OSError as error:
                self._give_up(error)

    def _ask_next(self) -> None:
        if self._asking:
            self._asking.popleft()
            self._ask()

    def _answered(self) -> None:
        """Make the next request; after the last, ask anew if messages were missed."""
        self._unanswered = max(0, self._unanswered - 1)
        if self._stale and not self._unanswered and self._timer is None:
            self._ask_again()

    # What is told.

    def _plan(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._delay(loop.time()), self._settled)

    def _delay(self, now: float) -> float:
        """Return the seconds until a burst may be reported, and charge for it."""
        recovered = self._allowance + (now - self._counted) / RECOVERY
        self._allowance = min(PROMPT, recovered) - 1
        self._counted = now
        return max(SETTLE, -self._allowance * RECOVERY)

    def _settled(self) -> None:
        self._timer = None
        if self._stale:
            self._ask_again()
        logs.status.info("The network of this host has changed")
        self._changed()

    def _give_up(self, error: Exception) -> None:
        """Stop watching: the kernel refuses, and the daemon can do without."""
        logs.status.warning("Cannot watch the network: %s", error)
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
