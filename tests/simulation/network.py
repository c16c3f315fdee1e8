"""A network without sockets and a clock without time.

:class:`VirtualLoop` is an event loop whose clock stands still while anything runs and
leaps to the next timer when nothing does.  :class:`Network` joins the daemons on it by
ordered byte streams that take time, fill up, fall silent and break as TCP connections
do.  Everything random is drawn from seeded generators, so a run repeats exactly.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final

#: Bytes that one direction of a stream holds before its writer is blocked: what the
#: receive and send buffers of two kernels take together.
CAPACITY: Final = 512 * 1024
#: Bytes sent within this many seconds arrive together, as from a busy machine.
TOGETHER: Final = 0.02
#: Timers and sums of times agree this well, in seconds.
ROUNDING: Final = 1e-6
#: Seconds a byte travels, at least and at most; each link has its own figure.
DELAYS: Final = (0.01, 0.09)
#: Seconds that connecting may take longer than that; weights are made of it.
JITTER: Final = 0.01


class _Clockwork:
    """Stands where an event loop has its selector: waiting is what moves the clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        if timeout > 0:
            self.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time, which serves the ends of :class:`Stream`.

    Errors in callbacks end the run instead of a log line being their end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Clockwork()
        self._ends: dict[int, End] = {}
        self._next_fd = 3
        self._error: BaseException | None = None

    def time(self) -> float:
        return self._selector.now

    def run_for(self, seconds: float) -> None:
        """Let that much time pass."""
        self.call_later(seconds, self.stop)
        self.run_forever()
        if self._error is not None:
            raise self._error

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, BaseException):
            error = RuntimeError(context["message"])
        self._error = self._error or error
        self.stop()

    # What the base class leaves open.

    def _process_events(self, event_list: list[object]) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""

    def register(self, end: End) -> int:
        """Give an end of a stream its number."""
        self._next_fd += 1
        self._ends[self._next_fd] = end
        return self._next_fd

    def __del__(self, _warn: object = None) -> None:
        """Do not ask to be closed: nothing of the system's is held."""

    def unregister(self, fd: int) -> None:
        del self._ends[fd]

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        end = self._ends[fd]
        end.reader = lambda: callback(*args)
        end.wake_reader()

    def remove_reader(self, fd: Any) -> bool:
        self._ends[fd].reader = None
        return True

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        self._ends[fd].writer = lambda: callback(*args)

    def remove_writer(self, fd: Any) -> bool:
        self._ends[fd].writer = None
        return True


class Traffic:
    """What went over all streams: lines by request number, and the fullest stream."""

    def __init__(self) -> None:
        self.lines: Counter[int] = Counter()
        self.fullest = 0
        #: When the last line that is neither PING nor PONG was sent.
        self.last_news = 0.0

    def count(self, lines: Iterable[bytes], now: float) -> None:
        found = Counter(line[:2] for line in lines)
        for number, count in found.items():
            self.lines[int(number)] += count
        if found.keys() - {b"8", b"9"}:
            self.last_news = now

    @property
    def gossip(self) -> int:
        """Flooded messages so far: ADD_SUBNET to KEY_CHANGED."""
        return sum(self.lines[number] for number in range(10, 15))


class _Direction:
    """One direction of a stream: bytes under way, then bytes to be read."""

    def __init__(self, loop: VirtualLoop, delay: float, traffic: Traffic) -> None:
        self._loop = loop
        self._delay = delay
        self._traffic = traffic
        self._under_way: deque[tuple[float, bytearray]] = deque()
        self._unfinished = b""
        self.arrived = bytearray()
        self.held = False
        self.ended = False
        self.size = 0
        self.reader: End
        self.writer: End

    @property
    def room(self) -> int:
        return CAPACITY - self.size

    def push(self, data: bytes) -> None:
        """Put bytes on the way; the end of the stream is no bytes at all."""
        now = self._loop.time()
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._traffic.count(lines, now)
        self.size += len(data)
        self._traffic.fullest = max(self._traffic.fullest, self.size)
        arrival = now + self._delay
        if data and self._under_way and self._under_way[-1][0] > arrival - TOGETHER:
            self._under_way[-1][1].extend(data)
            return
        self._under_way.append((arrival, bytearray(data)))
        self._loop.call_at(arrival, self._arrive)

    def hold(self, held: bool) -> None:
        """Stop or resume the delivery; nothing is lost, as TCP sends again."""
        self.held = held
        if not held and self._under_way:
            self._loop.call_later(self._delay, self._arrive)

    def _arrive(self) -> None:
        if self.held:
            return
        now = self._loop.time() + ROUNDING
        while self._under_way and self._under_way[0][0] <= now:
            data = self._under_way.popleft()[1]
            self.arrived += data
            self.ended = self.ended or not data
        if self.reader.fileno() < 0:
            # Nobody will read it.
            self.read(len(self.arrived))
        self.reader.wake_reader()

    def read(self, limit: int) -> bytes:
        data = bytes(self.arrived[:limit])
        del self.arrived[:limit]
        self.size -= len(data)
        if self.writer.writer is not None and data:
            self._loop.call_later(self._delay, self.writer.wake_writer)
        return data


class End:
    """One end of a stream, with as much of ``socket.socket`` as is used of it."""

    def __init__(
        self, loop: VirtualLoop, incoming: _Direction, outgoing: _Direction
    ) -> None:
        self._loop = loop
        self._incoming = incoming
        self._outgoing = outgoing
        incoming.reader = outgoing.writer = self
        self.reader: Callable[[], None] | None = None
        self.writer: Callable[[], None] | None = None
        self._fd = loop.register(self)

    def fileno(self) -> int:
        return self._fd

    def recv(self, size: int) -> bytes:
        if not self._incoming.arrived and not self._incoming.ended:
            raise BlockingIOError
        return self._incoming.read(size)

    def send(self, data: bytes | memoryview) -> int:
        room = self._outgoing.room
        if room <= 0:
            raise BlockingIOError
        part = bytes(data[:room])
        self._outgoing.push(part)
        return len(part)

    def close(self) -> None:
        """Let the other side read what was sent, and then the end."""
        if self._fd >= 0:
            self._loop.unregister(self._fd)
            self._fd = -1
            self.reader = self.writer = None
            self.hang_up()

    def hang_up(self) -> None:
        """End the outgoing direction."""
        self._outgoing.push(b"")

    def wake_reader(self) -> None:
        """Call whoever waits for input while there is any."""
        if self.reader is None:
            return
        if self._incoming.arrived or self._incoming.ended:
            self.reader()
            if self._incoming.arrived:
                self._loop.call_soon(self.wake_reader)

    def wake_writer(self) -> None:
        if self.writer is not None and self._outgoing.room > 0:
            self.writer()


class Stream:
    """A connection between two hosts, the caller first."""

    def __init__(
        self,
        loop: VirtualLoop,
        hosts: tuple[str, str],
        delay: float,
        traffic: Traffic,
    ) -> None:
        self.hosts = hosts
        there = _Direction(loop, delay, traffic)
        back = _Direction(loop, delay, traffic)
        self._directions = (there, back)
        self.ends = (End(loop, back, there), End(loop, there, back))

    @property
    def closed(self) -> bool:
        return all(end.fileno() < 0 for end in self.ends)

    def hold(self, held: bool) -> None:
        for direction in self._directions:
            direction.hold(held)


class Network:
    """Who can reach whom, and the streams between them."""

    def __init__(self, seed: int) -> None:
        self.loop = VirtualLoop()
        self.traffic = Traffic()
        self.jitter = JITTER
        self._random = Random(seed)
        self._listening: dict[str, Callable[[End, str], None]] = {}
        self._delays: dict[frozenset[str], float] = {}
        self._streams: list[Stream] = []
        self._side: dict[str, int] = {}

    def listen(self, host: str, accept: Callable[[End, str], None] | None) -> None:
        """Let a host be called, or with None be down."""
        if accept is None:
            self._listening.pop(host, None)
        else:
            self._listening[host] = accept

    async def connect(self, caller: str, host: str, patience: float) -> End:
        """Call a host; OSError if it is down, TimeoutError if it cannot be reached."""
        delay = self._delay(caller, host)
        if self._cut(caller, host):
            await asyncio.sleep(patience)
            raise TimeoutError
        await asyncio.sleep(2 * delay + self._random.uniform(0, self.jitter))
        accept = self._listening.get(host)
        if accept is None:
            raise ConnectionRefusedError(111, "Connection refused")
        stream = Stream(self.loop, (caller, host), delay, self.traffic)
        self.streams().append(stream)
        ours, theirs = stream.ends
        stream.hold(self._cut(caller, host))
        accept(theirs, caller)
        return ours

    def drop(self, host: str) -> None:
        """Close every stream of a host, as a kernel does when a process is killed."""
        for stream in self._streams:
            if host in stream.hosts:
                stream.ends[stream.hosts.index(host)].close()

    def sever(self, first: str, second: str) -> None:
        """Break every stream between two hosts; both see the end."""
        for stream in self._streams:
            if set(stream.hosts) == {first, second}:
                for end in stream.ends:
                    end.hang_up()

    def streams(self) -> list[Stream]:
        """The connections that are open on at least one side."""
        self._streams = [stream for stream in self._streams if not stream.closed]
        return self._streams

    def partition(self, side: Iterable[str]) -> None:
        """Let nothing pass between these hosts and the others."""
        self._side = dict.fromkeys(side, 1)
        self._hold()

    def heal(self) -> None:
        """End the partition; what was under way arrives."""
        self._side = {}
        self._hold()

    def _hold(self) -> None:
        for stream in self._streams:
            stream.hold(self._cut(*stream.hosts))

    def _cut(self, first: str, second: str) -> bool:
        return self._side.get(first, 0) != self._side.get(second, 0)

    def _delay(self, first: str, second: str) -> float:
        pair = frozenset((first, second))
        if pair not in self._delays:
            self._delays[pair] = self._random.uniform(*DELAYS)
        return self._delays[pair]
