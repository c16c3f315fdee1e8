"""An event loop that hands over packets first.

An event loop of asyncio runs much code between the kernel's report that a packet is
there and the call that fetches the packet.  That code is cheap only while it is in the
processor's caches, and for a packet that comes alone it is not.  Readers of packets are
called from within the selector instead, before the loop looks at anything.  Timers and
other descriptors follow in the same turn, so neither side starves.  A reader that
returns True has touched nothing but packets: the loop has nothing to look at, and the
next wait begins at once.

A server does both outside of Python: it waits on the epoll instance and moves packets,
and returns when something else is to be done.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Reader: TypeAlias = Callable[[], bool | None]
#: A server: takes an epoll descriptor and seconds (whole milliseconds; for ever if
#: negative), waits and moves packets.  The server returns False if a descriptor that is
#: none of its own is ready or has to be waited for.
Server: TypeAlias = Callable[[int, float], bool]

#: Descriptors reported in one turn: one for each listening address, and two.
_MAX_EVENTS: Final = 64


class PacketSelector(selectors.BaseSelector):
    """A selector that calls readers of packets itself, in front of another selector.

    ``failed`` gets the exception that a reader raises.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._others = selectors.EpollSelector()
        self._epoll = select.epoll()
        self._epoll.register(self._others.fileno(), select.EPOLLIN)
        self._readers: dict[int, Reader] = {}
        #: The server that waits in place of this selector, if there is one.
        self.server: Server | None = None

    def add_reader(self, fd: int, reader: Reader) -> None:
        """Call ``reader`` whenever the descriptor is readable."""
        if fd not in self._readers:
            self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = reader

    def remove_reader(self, fd: int) -> bool:
        """Forget a descriptor, which must be open still; False if it was unknown."""
        if self._readers.pop(fd, None) is None:
            return False
        self._epoll.unregister(fd)
        return True

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, call readers of packets; return the events of the other descriptors."""
        wait, end = -1.0, math.inf
        if timeout is not None:
            # The wait is rounded up, or the loop would turn until a timer is due.
            wait = math.ceil(timeout * 1000) / 1000 if timeout > 0 else 0.0
            end = time.monotonic() + wait
        if self.server is not None:
            if self._serve(self.server, wait):
                return self._others.select(0)
            if timeout is not None:
                wait = max(0.0, end - time.monotonic())
        others = False
        while events := self._epoll.poll(wait, _MAX_EVENTS):
            quiet = True
            for fd, _ in events:
                reader = self._readers.get(fd)
                if reader is None:
                    # That of the other selector, or one removed a moment ago.
                    others = True
                    continue
                try:
                    if reader() is not True:
                        quiet = False
                except Exception as error:
                    self._failed(error)
                    quiet = False
            if others or not quiet:
                break
            if timeout is not None:
                wait = end - time.monotonic()
                if wait <= 0:
                    break
        return self._others.select(0) if others else []

    def _serve(self, server: Server, seconds: float) -> bool:
        """Let the server wait; return False if the loop has something to look at."""
        try:
            return server(self._epoll.fileno(), seconds)
        except Exception as error:
            self._failed(error)
        return False

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._others.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._others.unregister(fileobj)

    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._others.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._others.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._others.get_map()

    def close(self) -> None:
        self.server = None
        self._readers.clear()
        self._epoll.close()
        self._others.close()


class PacketLoop(asyncio.SelectorEventLoop):
    """The loop of the daemon."""

    # The clock is read for every packet: without a function of asyncio's in between.
    time = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.packets = PacketSelector(self._reader_failed)
        super().__init__(self.packets)

    def _reader_failed(self, error: Exception) -> None:
        context = {"message": "Exception in a reader of packets", "exception": error}
        self.call_exception_handler(context)


def add_packet_reader(loop: asyncio.AbstractEventLoop, fd: int, reader: Reader) -> None:
    """Call ``reader`` first of all when the descriptor is readable."""
    if isinstance(loop, PacketLoop):
        loop.packets.add_reader(fd, reader)
    else:
        loop.add_reader(fd, reader)


def remove_packet_reader(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Undo :func:`add_packet_reader`."""
    if isinstance(loop, PacketLoop):
        loop.packets.remove_reader(fd)
    else:
        loop.remove_reader(fd)


def set_packet_server(loop: asyncio.AbstractEventLoop, server: Server | None) -> None:
    """Let ``server`` wait in the loop's place; None ends that.

    Readers have to be added all the same: they serve descriptors that the server leaves
    to the loop, and other kinds of loops.
    """
    if isinstance(loop, PacketLoop):
        loop.packets.server = server
