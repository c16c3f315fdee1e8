"""The connections of operators on the control socket, within bounds of their cost.

All clients together have a millisecond in a turn of the loop; a client that is not done
by then waits in line for the next turn, behind packets and timers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat.transport.http import HttpAnswer, HttpRequest, refusal
from tincd_compat.transport.interest import SocketInterest
from tincd_compat.transport.tcp import EXHAUSTED
from tincd_compat.transport.turns import Turns

if TYPE_CHECKING:
    from tincd_compat.transport.httpsession import HttpSession

#: Clients at a time; a further one is told to come again.
MAX_CLIENTS: Final = 16
#: Seconds that all clients together may keep the loop in a turn.
OPERATORS_TURN: Final = 0.001
#: Seconds between two looks at who has been waited for too long.
CHECK_INTERVAL: Final = 1.0


Failed: TypeAlias = Callable[[str, BaseException], None]


def session_class() -> type[HttpSession]:
    """Load what a connection needs, h11 above all.

    Most daemons never have an operator, and h11 is a twentieth of a start: so the first
    connection loads it, or a daemon that will not be able to read its files any more.
    """
    from tincd_compat.transport.httpsession import HttpSession

    return HttpSession


class OperatorConnection:
    """Moves bytes between an accepted socket and its session."""

    def __init__(
        self,
        sock: socket.socket,
        session: HttpSession,
        loop: asyncio.AbstractEventLoop,
        turns: Turns,
        ended: Callable[[OperatorConnection], None],
        failed: Failed,
    ) -> None:
        self._sock = sock
        self._session = session
        self._loop = loop
        self._turns = turns
        self._ended = ended
        self._failed = failed
        self._interest = SocketInterest(loop, sock)
        self._unread = False
        self._interest.read(self._readable)

    def _readable(self) -> None:
        self._unread = True
        if not self._turns.begin(self):
            self._interest.read(None)

    def _writable(self) -> None:
        self._interest.write(None)
        self._turns.begin(self)

    def wake(self) -> None:
        """Go on with an answer that waits for an event."""
        if self._session.parked:
            self._session.wake()
            self._turns.join(self)

    def check(self) -> None:
        """Give the client up if it was waited for too long."""
        self._session.check(self._loop.time())
        self._turns.join(self)

    def work(self, until: float) -> bool:
        """Read, handle and send once; True if there is more to do."""
        if self._sock.fileno() < 0:
            return False
        try:
            self._read()
            self._session.work(self._loop.time, until)
            self._send()
        except OSError:
            # The client is gone, and whatever it wanted to know with it.
            self._session.drop()
        except Exception as error:
            self._failed("Answering an operator", error)
            self._session.give_up()
            with contextlib.suppress(OSError):
                self._send()
        if self._session.over:
            self.close()
            return False
        self._interest.read(self._readable if self._session.room > 0 else None)
        return self._session.busy

    def _read(self) -> None:
        room = self._session.room
        if not self._unread or not room:
            return
        self._unread = False
        with contextlib.suppress(BlockingIOError, InterruptedError):
            self._session.receive(self._sock.recv(room), self._loop.time())

    def _send(self) -> None:
        session = self._session
        if self._interest.writing or not session.out:
            return
        with contextlib.suppress(BlockingIOError, InterruptedError):
            session.sent(self._sock.send(session.out), self._loop.time())
        if session.out:
            self._interest.write(self._writable)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._interest.write(None)
            self._interest.read(None)
            self._sock.close()
            self._ended(self)


class Operators:
    """All clients of a listening socket.

    ``answer(sock, request)`` returns the answer to a client's request.
    """

    def __init__(
        self,
        listening: socket.socket,
        answer: Callable[[socket.socket, HttpRequest], HttpAnswer],
        failed: Failed,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._listening = listening
        self._answer = answer
        self._failed = failed
        self._loop = loop or asyncio.get_running_loop()
        self._turns = Turns(self._loop, seconds=OPERATORS_TURN)
        self._clients: dict[OperatorConnection, None] = {}
        self._checking: asyncio.TimerHandle | None = None
        #: Accepting is given a rest.
        self._resting: asyncio.TimerHandle | None = None
        self._listen()

    def __len__(self) -> int:
        return len(self._clients)

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                # The client stays in the queue, and would wake the loop all the time.
                self._rest()
            return
        sock.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            self._turn_away(sock)
            return
        try:
            new_session = session_class()
        except (ImportError, OSError) as error:
            # The files are gone with an upgrade, or no descriptor is free for them.
            self._failed("Loading what answers operators", error)
            sock.close()
            return
        client = OperatorConnection(
            sock,
            new_session(partial(self._answer, sock), self._loop.time()),
            self._loop,
            self._turns,
            self._gone,
            self._failed,
        )
        self._clients[client] = None
        if self._checking is None:
            self._check_later()

    def _rest(self) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._resting = self._loop.call_later(CHECK_INTERVAL, self._listen)

    def _listen(self) -> None:
        self._resting = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _turn_away(self, sock: socket.socket) -> None:
        content = refusal(503, "too-many", f"There are {MAX_CLIENTS} clients").content
        assert isinstance(content, bytes)
        head = f"Content-Type: application/json\r\nContent-Length: {len(content)}"
        text = f"HTTP/1.1 503 \r\n{head}\r\nConnection: close\r\n\r\n"
        with contextlib.suppress(OSError):
            sock.send(text.encode() + content)
        sock.close()

    def _gone(self, client: OperatorConnection) -> None:
        self._clients.pop(client, None)

    def _check_later(self) -> None:
        self._checking = self._loop.call_later(CHECK_INTERVAL, self._check)

    def _check(self) -> None:
        self._checking = None
        for client in tuple(self._clients):
            client.check()
        if self._clients:
            self._check_later()

    def wake(self) -> None:
        """Go on with all answers that wait for an event."""
        for client in self._clients:
            client.wake()

    def close(self) -> None:
        """End all connections; the listening socket stays open."""
        for timer in filter(None, (self._checking, self._resting)):
            timer.cancel()
        self._checking = self._resting = None
        self._loop.remove_reader(self._listening.fileno())
        for client in tuple(self._clients):
            client.close()
