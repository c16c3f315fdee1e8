"""A client of the control socket without a socket: what it says and hears."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

import h11

from tincd_compat.transport.http import HttpAnswer, HttpRequest, Pause, Records
from tincd_compat.transport.httpsession import MAX_REQUEST, HttpSession

GET = b"GET /v1/nodes?node=alpha HTTP/1.1\r\nHost: d\r\n\r\n"

POST = b"POST /v1/purge HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nbody"


class Client:
    """A session and its client; ``now`` is the time for both."""

    def __init__(
        self, answer: Callable[[HttpRequest], HttpAnswer] | None = None
    ) -> None:
        self.now = 100.0
        self.asked: list[HttpRequest] = []
        self._answer = answer or (lambda request: HttpAnswer(200, b"{}\n"))
        self.session = HttpSession(self._note, self.now)

    def _note(self, request: HttpRequest) -> HttpAnswer:
        self.asked.append(request)
        return self._answer(request)

    def work(self, until: float = 1e9) -> None:
        self.session.work(lambda: self.now, until)

    def says(self, *parts: bytes) -> None:
        """Say something in parts, each with all the turns that it takes."""
        for part in parts:
            for start in range(0, len(part), MAX_REQUEST):
                piece = part[start : start + MAX_REQUEST]
                if fits := piece[: self.session.room]:
                    self.session.receive(fits, self.now)
                    self.turns()

    def turns(self, most: int = 10_000) -> None:
        while self.session.busy and most:
            self.work()
            most -= 1

    def hears(self) -> bytes:
        heard = bytes(self.session.out)
        self.session.sent(len(heard), self.now)
        return heard

    def reads(self) -> bytes:
        """Return what is said until nothing more comes."""
        heard = b""
        while self.session.out:
            heard += self.hears()
            self.turns()
        return heard


def parsed(heard: bytes, requests: Iterable[str] = ("GET",)) -> list[tuple[int, bytes]]:
    """Return status and body of each answer, as another implementation reads them."""
    client, found = h11.Connection(h11.CLIENT), list[tuple[int, bytes]]()
    client.receive_data(heard)
    for method in requests:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "d")]))
        client.send(h11.EndOfMessage())
        status, body = 0, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            else:
                assert isinstance(event, h11.Data), event
                body += event.data
        found.append((status, body))
        if client.our_state is h11.DONE and client.their_state is h11.DONE:
            client.start_next_cycle()
    return found


def error_of(heard: bytes) -> tuple[int, str]:
    [(status, body)] = parsed(heard)
    return status, json.loads(body)["error"]


def statuses(heard: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d+)", heard)


def records(*steps: bytes | Pause) -> Records:
    yield from steps


def endless() -> Records:
    while True:
        yield b"x" * 999 + b"\n"
