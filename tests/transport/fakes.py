"""An event loop whose clock only jumps, and sockets that are lists of bytes."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, cast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def oserror(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class FakeLoop(asyncio.BaseEventLoop):
    """asyncio's own scheduling; time passes at once, and descriptors are ready on call.

    ``complaints`` is what came to the exception handler: errors that nobody caught.
    """

    _ready: deque[Any]

    def __init__(self) -> None:
        super().__init__()
        # What -X dev makes of a loop takes down who has made each future and handle,
        # from pytest on: that is half of the time.
        self.set_debug(False)
        self._selector = self
        self.now = 1000.0
        #: How often the loop has gone round.
        self.turns = 0
        self.readers: dict[int, Callable[[], object]] = {}
        self.writers: dict[int, Callable[[], object]] = {}
        self.signals: dict[int, Callable[[], object]] = {}
        self.complaints: list[dict[str, Any]] = []
        #: Jobs for the thread pool, done by :meth:`finish_work`.
        self.work: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []
        #: What connecting leads to, by host; without an entry it succeeds.
        self.connecting: dict[str, BaseException | asyncio.Future[None]] = {}
        self.connected: list[tuple[Any, Any]] = []
        self._numbers = count(100)
        #: Seconds that one turn of the loop has taken at most.
        self.longest_turn = 0.0
        self._turned = self.now
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    # For asyncio.

    def time(self) -> float:
        return self.now

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "the test waits for something that never happens"
        self.longest_turn = max(self.longest_turn, self.now - self._turned)
        self.now += timeout
        self.turns += 1
        self._turned = self.now
        return []

    def _process_events(self, _events: list[Any]) -> None:
        """No descriptor is watched."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def add_reader(self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        self.readers[fd] = partial(callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        return self.readers.pop(fd, None) is not None

    def add_writer(self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        self.writers[fd] = partial(callback, *args)

    def remove_writer(self, fd: Any) -> bool:
        return self.writers.pop(fd, None) is not None

    def add_signal_handler(
        self, sig: int, callback: Callable[[*Ts], Any], *args: *Ts
    ) -> None:
        self.signals[sig] = partial(callback, *args)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        self.work.append((future, partial(func, *args)))
        return future

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self.connected.append((sock, address))
        outcome = self.connecting.get(address[0])
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is not None:
            await outcome

    # For tests.

    def new_descriptor(self) -> int:
        return next(self._numbers)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.run_until_complete(work)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function inside the running loop, then let everything settle."""

        async def calling() -> T:
            return function(*args)

        result = self.run(calling())
        self.settle()
        return result

    def settle(self) -> None:
        """Do all that is due now; time stands still."""
        self.run(self._idle())

    async def _idle(self) -> None:
        await asyncio.sleep(0)
        while self._ready:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass, and do all that falls due."""
        self.run(asyncio.sleep(seconds))
        self.settle()

    def readable(self, fd: int) -> None:
        """Do what happens when there is something to read."""
        self.call_soon(self.readers[fd])
        self.settle()

    def writable(self, fd: int) -> None:
        self.call_soon(self.writers[fd])
        self.settle()

    def signal(self, number: int) -> None:
        self.call_soon(self.signals[number])
        self.settle()

    def finish_work(self) -> None:
        """Let the threads come to an end."""
        work, self.work = self.work, []
        for future, function in work:
            try:
                result = function()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)
        self.settle()

    def fail_work(self, error: Exception) -> None:
        """Let the threads fail."""
        work, self.work = self.work, []
        for future, _ in work:
            future.set_exception(error)
        self.settle()

    def errors(self) -> list[BaseException]:
        """Take the errors that nobody caught."""
        complaints, self.complaints = self.complaints, []
        return [complaint["exception"] for complaint in complaints]

    def shut(self) -> None:
        """End every task; a test fails here if an error got past its code."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.settle()
        self.close()
        assert self.complaints == []


class FakeSocket:
    """The part of ``socket.socket`` that is used.

    ``incoming`` is what reads find, ``callers`` what ``accept`` finds; both may hold
    errors, and are an empty non-blocking socket when there is nothing left.  ``room``
    is how many bytes the kernel still takes.
    """

    def __init__(
        self,
        descriptor: int,
        family: int = socket.AF_INET,
        name: tuple[Any, ...] = ("10.0.0.1", 655),
    ) -> None:
        self.descriptor = descriptor
        self.family = family
        self.name = name
        self.incoming: deque[bytes | OSError] = deque()
        self.callers: deque[tuple[FakeSocket, tuple[Any, ...]] | OSError] = deque()
        self.sent = bytearray()
        self.room = 1 << 30
        self.closed = False
        self.blocking = True
        self.inheritable = True
        self.options: dict[tuple[int, int], Any] = {}
        self.bound: Any = None
        self.backlog: int | None = None
        #: Errors by the name of the method they come from.
        self.failing: dict[str, Exception] = {}

    @property
    def socket(self) -> socket.socket:
        """The same, as the code under test takes it."""
        return cast(socket.socket, self)

    def _fail(self, method: str) -> None:
        if method in self.failing:
            raise self.failing[method]

    def fileno(self) -> int:
        return -1 if self.closed else self.descriptor

    def close(self) -> None:
        self.closed = True

    def setblocking(self, flag: bool) -> None:
        self.blocking = flag

    def set_inheritable(self, flag: bool) -> None:
        self.inheritable = flag

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self._fail("setsockopt")
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int, _size: int = 0) -> Any:
        return self.options.get((level, option), 0)

    def bind(self, address: Any) -> None:
        self._fail("bind")
        self.bound = address

    def listen(self, backlog: int) -> None:
        self._fail("listen")
        self.backlog = backlog

    def getsockname(self) -> tuple[Any, ...]:
        self._fail("getsockname")
        return self.name

    def accept(self) -> tuple[FakeSocket, tuple[Any, ...]]:
        caller = self.callers.popleft() if self.callers else oserror(errno.EAGAIN)
        if isinstance(caller, OSError):
            raise caller
        return caller

    def recv(self, size: int) -> bytes:
        data = self.incoming.popleft() if self.incoming else oserror(errno.EAGAIN)
        if isinstance(data, OSError):
            raise data
        if len(data) > size:
            self.incoming.appendleft(data[size:])
        return data[:size]

    def send(self, data: bytes | memoryview) -> int:
        self._fail("send")
        if not self.room:
            raise oserror(errno.EAGAIN)
        taken = bytes(data[: self.room])
        self.sent += taken
        self.room -= len(taken)
        return len(taken)
