"""Operations with our private key: in a thread, one at a time, those that matter first.

Anybody who knows the name of a node can ask for such an operation, and with a long key
one takes a tenth of a second.  So they wait here, in this order:

1. Links that we dial.  There are not more of them than ConnectTo names, and they leave
   at a pace that lets each have its turn in time (:meth:`PrivateOperations.turn`).
2. Callers, in fair turns by the network that they call from.  A member among them is
   not known before its block is decrypted.  All callers together have a share of the
   time, and only so many wait as can be served before they lose patience; the others
   are told at once, so that they call again.

An operation whose link has ended meanwhile is not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tincd_compat.daemon.fairqueue import FairQueue
from tincd_compat.dataclass import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from tincd_compat.config.keys import PrivateKey

#: Part of the time in which the thread may work for callers.
CALLERS_SHARE: Final = 0.5
#: Seconds of work for callers that need not wait for their share, after a quiet time.
CALLERS_BURST: Final = 1.0
#: Seconds that an operation may have to wait: the peer gives up after PingTimeout, five
#: seconds if nobody has changed it, and needs the rest for the way and for itself.
QUEUE_PATIENCE: Final = 2.5
#: Callers that may wait however long an operation takes.
LEAST_CALLERS: Final = 4
#: Links that are dialled at once while it is unknown how long an operation takes.
FIRST_DIALS: Final = 4
#: Seconds that are not worth waiting for.
_MOMENT: Final = 0.001
#: How much of a new measurement goes into the length of an operation.
_SMOOTHING: Final = 0.25


class Crowded(Exception):
    """Too many operations are waiting; nobody will do this one."""


class Meter:
    """Work that is done at a fixed share of the time, and how much of it is ahead.

    :param share: seconds of work in each second
    :param burst: seconds of work that need not wait
    """

    def __init__(self, share: float, burst: float) -> None:
        self._share = share
        self._burst = burst
        self._ahead = 0.0
        self._at = 0.0

    def add(self, work: float, now: float) -> None:
        """Count seconds of work that are begun at ``now``."""
        self._ahead = max(0.0, self._ahead - (now - self._at) * self._share) + work
        self._at = now

    def delay(self, now: float) -> float:
        """Return how many seconds further work has to wait."""
        over = self._ahead - self._burst
        return max(0.0, over / self._share - (now - self._at))


@dataclass(slots=True, eq=False)
class _Operation:
    """``source`` is None for a link that we dialled; ``seconds`` is what it took."""

    ciphertext: bytes
    source: Hashable
    result: asyncio.Future[bytes]
    seconds: float = 0.0


class PrivateOperations:
    """The queue of decryptions; its methods are for the thread of the loop only."""

    def __init__(self, key: PrivateKey, loop: asyncio.AbstractEventLoop) -> None:
        self._key = key
        self._loop = loop
        self._own = FairQueue[_Operation]()
        self._callers = FairQueue[_Operation]()
        self._callers_time = Meter(CALLERS_SHARE, CALLERS_BURST)
        self._dials = Meter(1.0, QUEUE_PATIENCE)
        self._dialled = 0
        self._busy = False
        self._closed = False
        self._share_wait: asyncio.TimerHandle | None = None
        self._thread: Executor | None = None
        #: Links that wait for the meter do it one after the other.
        self._gate = asyncio.Lock()
        #: Seconds that an operation takes; None before the first.
        self.pace: float | None = None

    def __len__(self) -> int:
        """Return how many operations wait."""
        return len(self._own) + len(self._callers)

    # Asking.

    def ask(self, ciphertext: bytes, source: Hashable) -> asyncio.Future[bytes]:
        """Return the future block; to cancel it is to withdraw the question.

        :param source: where a caller calls from, or None for a link that we dialled

        The future has a ValueError if the key refuses the ciphertext, :class:`Crowded`
        if too many wait, or what else :meth:`PrivateKey.decrypt` raises.
        """
        result = self._loop.create_future()
        operation = _Operation(ciphertext, source, result)
        queue = self._own if source is None else self._callers
        queue.put(source, operation)
        result.add_done_callback(lambda _: queue.discard(source, operation))
        if self._crowded:
            self._callers.shed().result.set_exception(Crowded())
        self._begin()
        return result

    @property
    def _crowded(self) -> bool:
        waiting = len(self._callers)
        time = waiting * (self.pace or 0.0) / CALLERS_SHARE
        return waiting > LEAST_CALLERS and time > QUEUE_PATIENCE

    # Doing.

    def _begin(self) -> None:
        """Begin the operation whose turn it is, unless one is being done."""
        if self._busy or self._closed:
            return
        operation = self._next()
        if operation is None:
            return
        self._busy = True
        work = self._loop.run_in_executor(self._worker(), self._work, operation)
        work.add_done_callback(partial(self._done, operation))

    def _worker(self) -> Executor:
        if self._thread is None:
            # Not before somebody needs it: a start should not wait for the import.
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "private key")
        return self._thread

    def _next(self) -> _Operation | None:
        if self._own:
            return self._own.take()
        if not self._callers or self._share_wait is not None:
            return None
        delay = self._callers_time.delay(self._loop.time())
        if delay > _MOMENT:
            self._share_wait = self._loop.call_later(delay, self._share_is_back)
            return None
        return self._callers.take()

    def _share_is_back(self) -> None:
        self._share_wait = None
        self._begin()

    def _work(self, operation: _Operation) -> bytes:
        """Do an operation, in the thread."""
        began = self._loop.time()
        try:
            return self._key.decrypt(operation.ciphertext)
        finally:
            operation.seconds = self._loop.time() - began

    def _done(self, operation: _Operation, work: asyncio.Future[bytes]) -> None:
        self._busy = False
        self._measure(operation)
        self._begin()
        error = None if work.cancelled() else work.exception()
        if operation.result.done():
            return
        if work.cancelled():
            operation.result.cancel()
        elif error is not None:
            operation.result.set_exception(error)
        else:
            operation.result.set_result(work.result())

    def _measure(self, operation: _Operation) -> None:
        seconds = operation.seconds
        if operation.source is not None:
            self._callers_time.add(seconds, self._loop.time())
        if self.pace is None:
            self.pace = seconds
        else:
            self.pace += (seconds - self.pace) * _SMOOTHING

    # Dialling.

    async def turn(self) -> float:
        """Wait until a link may be dialled; return for how many seconds that was.

        The first few may at once.  So many more follow as their operations can be done
        within QUEUE_PATIENCE, and then one as often as an operation is done.  Whoever
        gives up waiting has taken nothing from the others.
        """
        began = self._loop.time()
        async with self._gate:
            if self.pace is None:
                if self._dialled < FIRST_DIALS:
                    self._dialled += 1
                    return 0.0
                await self._try()
            delay = self._dials.delay(self._loop.time())
            if delay > _MOMENT:
                await asyncio.sleep(delay)
            self._dials.add(self.pace or 0.0, self._loop.time())
        return self._loop.time() - began

    async def _try(self) -> None:
        """Find out how long an operation takes."""
        # Whoever needs the key next is told what is wrong with it, if something is.
        with suppress(Exception):
            await self.ask(b"\x01".rjust(self._key.size, b"\0"), None)

    def close(self) -> None:
        """Do nothing any more; what is being done comes to its end unheard."""
        self._closed = True
        if self._share_wait is not None:
            self._share_wait.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
