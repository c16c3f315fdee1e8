"""HTTP of one operator's connection, without its socket: bytes in, answers out.

The grammar is h11's.  What this module adds are the bounds: how long a request may be
and take, how much of an answer is made at a time, and how much of it may wait for a
client that does not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import h11

from tincd_compat.transport.http import (
    RECORDS_AT_ONCE,
    HttpAnswer,
    HttpRequest,
    Pause,
    Records,
    refusal,
)

#: Bytes of a request, its head and body together, and seconds until it is whole.
MAX_REQUEST: Final = 8 * 1024
REQUEST_PATIENCE: Final = 5.0
#: Parameters that a query may have.
MAX_PARAMETERS: Final = 16
#: Records are made while fewer bytes than this wait for the client.
ENOUGH: Final = 64 * 1024
#: Bytes that may wait for the client at most, and seconds without it taking any.
MAX_UNSENT: Final = 256 * 1024
UNREAD_PATIENCE: Final = 30.0


def parse_target(target: str) -> tuple[str, dict[str, str]]:
    """Return path and query; ValueError if the target of a request is neither.

    A parameter without a value is an empty one, and of two the last one counts.
    """
    parts = urlsplit(target)
    query = parse_qsl(
        parts.query,
        keep_blank_values=True,
        errors="strict",
        max_num_fields=MAX_PARAMETERS,
    )
    return parts.path, dict(query)


class HttpSession:
    """One HTTP connection from its first byte to its last.

    ``answer`` is called once for each request that is whole.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpAnswer], now: float) -> None:
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST)
        self._head: h11.Request | None = None
        #: Bytes received since the last whole request.
        self._received = 0
        #: Some of these bytes have not been parsed.
        self._unparsed = False
        #: The answer of which not even the status was sent.
        self._begun: HttpAnswer | None = None
        #: What is left of the answer under way.
        self._records: Records | None = None
        #: Records that were made and are not framed yet: a turn's are one chunk, which
        #: costs us, and whoever reads, as much as a chunk of one record.
        self._made = bytearray()
        #: The answer goes on when something happens.
        self._parked = False
        #: The client sends nothing any more.
        self._hung_up = False
        self._closing = False
        #: Since when the client has sent no whole request, or has taken nothing.
        self._since = now
        #: Bytes that wait for the client.
        self.out = bytearray()

    @property
    def over(self) -> bool:
        """Whether the connection is to be closed now."""
        return self._closing and not self.out

    @property
    def room(self) -> int:
        """How many bytes may be received."""
        if self._closing or self._hung_up:
            return 0
        return MAX_REQUEST - self._received

    @property
    def parked(self) -> bool:
        """Whether the answer waits for something to happen."""
        return self._parked

    @property
    def busy(self) -> bool:
        """Whether there is something to do that needs nothing of the client."""
        ahead = len(self.out) + len(self._made)
        if self._closing or self._parked or ahead >= ENOUGH:
            return False
        return self._records is not None or self._unparsed

    # Input.

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the client, no more than there is room for; none are its end.

        A client that has sent its last byte may still read what it has asked for, but
        does not wait for events.
        """
        if self._closing or self._hung_up:
            return
        if not self._received and self._records is None:
            self._since = now
        self._received += len(data)
        self._hung_up = not data
        self._unparsed = True
        self._http.receive_data(data)
        if self._hung_up and self._parked:
            self.drop()

    def work(self, clock: Callable[[], float], until: float) -> None:
        """Handle requests and make records until a time, one in each step.

        No more records are made than the client can take soon.
        """
        for _ in range(RECORDS_AT_ONCE):
            if not self.busy:
                break
            if self._records is None:
                self._look_for_request(clock())
            elif not self._make(self._records, clock()):
                break
            if clock() >= until:
                break
        self._frame_made()

    def _look_for_request(self, now: float) -> None:
        try:
            event = self._http.next_event()
            while isinstance(event, h11.Request | h11.Data):
                if isinstance(event, h11.Request):
                    self._head = event
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, "bad-request", str(error))
            return
        if isinstance(event, h11.EndOfMessage):
            self._received = len(self._http.trailing_data[0])
            self._handle(now)
            return
        self._unparsed = False
        if isinstance(event, h11.ConnectionClosed):
            self._closing = True
        elif self._received >= MAX_REQUEST:
            text = f"A request has at most {MAX_REQUEST} bytes"
            self._refuse(413, "too-large", text)

    def _handle(self, now: float) -> None:
        assert self._head is not None
        head, self._head = self._head, None
        try:
            path, query = parse_target(head.target.decode("ascii"))
        except ValueError as error:
            self._refuse(400, "bad-request", str(error))
            return
        try:
            answer = self._answer(HttpRequest(head.method.decode("ascii"), path, query))
        except Exception:
            self._fail()
            raise
        self._respond(answer, now)

    # Answers.

    def _refuse(self, status: int, code: str, text: str) -> None:
        """Answer what is no request, or none in time, and close the connection."""
        self._closing = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send_whole(refusal(status, code, text), close=True)

    def _fail(self) -> None:
        self._refuse(500, "internal", "This is a fault of tincd; see its log")

    def _respond(self, answer: HttpAnswer, now: float) -> None:
        if isinstance(answer.content, bytes):
            self._send_whole(answer)
            self._answered(now)
        else:
            self._begun, self._records = answer, answer.content

    def _send_whole(self, answer: HttpAnswer, *, close: bool = False) -> None:
        assert isinstance(answer.content, bytes)
        more = [("Content-Length", str(len(answer.content)))]
        if close:
            more.append(("Connection", "close"))
        self._send_head(answer, *more)
        self._send(h11.Data(data=answer.content))
        self._send(h11.EndOfMessage())

    def _send_head(self, answer: HttpAnswer, *more: tuple[str, str]) -> None:
        status = answer.status if isinstance(answer.status, int) else answer.status()
        headers = [("Content-Type", answer.content_type), *more]
        self._send(h11.Response(status_code=status, headers=headers))

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self.out += data
        if len(self.out) > MAX_UNSENT:
            self.drop()

    def _make(self, records: Records, now: float) -> bool:
        """Make a record of the answer; False if the next one is for another turn."""
        try:
            step = next(records, None)
        except Exception:
            if self._begun is not None:
                self._fail()
            raise
        if self._begun is not None and not isinstance(step, Pause):
            begun, self._begun = self._begun, None
            self._send_head(begun)
        if step is None:
            self._records = None
            self._frame_made()
            self._send(h11.EndOfMessage())
            self._answered(now)
        elif isinstance(step, Pause):
            self._parked = step is Pause.EVENT
            if self._parked and self._hung_up:
                self.drop()
            return False
        else:
            self._made += step
        return True

    def _frame_made(self) -> None:
        if self._made:
            made, self._made = bytes(self._made), bytearray()
            self._send(h11.Data(data=made))

    def _answered(self, now: float) -> None:
        """Go on to the next request, which may be here already."""
        if self._closing:
            return
        self._since = now
        ended = (h11.CLOSED, h11.MUST_CLOSE)
        if self._http.our_state in ended or self._http.their_state in ended:
            self._closing = True
        else:
            self._http.start_next_cycle()
            self._unparsed = True

    def wake(self) -> None:
        """Go on with an answer that waits: something has happened."""
        self._parked = False

    def sent(self, count: int, now: float) -> None:
        """Note that the client has taken bytes of :attr:`out`."""
        if count:
            del self.out[:count]
            self._since = now

    # Time.

    def check(self, now: float) -> None:
        """Give up a client that has not asked, or does not read, for too long."""
        waited = now - self._since
        if self.out:
            if waited >= UNREAD_PATIENCE:
                self.drop()
        elif self._records is None and not self._closing:
            if waited < REQUEST_PATIENCE:
                return
            if self._received:
                text = f"A request has to be whole in {REQUEST_PATIENCE:.0f} seconds"
                self._refuse(408, "too-slow", text)
                self._since = now
            else:
                self._closing = True

    def give_up(self) -> None:
        """Make nothing more: an answer that was begun ends in the middle."""
        self._closing = True
        self._records = None
        self._frame_made()
        self._parked = False

    def drop(self) -> None:
        """End the connection at once, whatever is unsent."""
        self.give_up()
        self.out.clear()
