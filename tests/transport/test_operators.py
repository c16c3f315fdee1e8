"""Clients of the control socket: how many there may be, and what they may cost."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest

from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat.transport.http import HttpAnswer, HttpRequest, Pause, Records
from tincd_compat.transport.httpsession import (
    MAX_REQUEST,
    REQUEST_PATIENCE,
    UNREAD_PATIENCE,
    HttpSession,
)
from tincd_compat.transport.operators import MAX_CLIENTS, OPERATORS_TURN, Operators

GET = b"GET /a HTTP/1.1\r\nHost: d\r\n\r\n"


class Place:
    """A listening socket, whoever comes, and what went wrong."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.listening = FakeSocket(loop.new_descriptor(), socket.AF_UNIX)
        self.answer: Callable[[HttpRequest], HttpAnswer] = lambda request: HttpAnswer(
            200, b"hi\n"
        )
        self.asked: list[tuple[socket.socket, HttpRequest]] = []
        self.failures: list[str] = []
        self.operators = loop.call(
            lambda: Operators(
                self.listening.socket,
                self._note,
                lambda what, error: self.failures.append(f"{what}: {error!r}"),
                loop,
            )
        )

    def _note(self, sock: socket.socket, request: HttpRequest) -> HttpAnswer:
        self.asked.append((sock, request))
        return self.answer(request)

    def come(self, says: bytes = b"") -> FakeSocket:
        client = FakeSocket(self.loop.new_descriptor(), socket.AF_UNIX)
        self.listening.callers.append((client, ()))
        self.loop.readable(self.listening.descriptor)
        if says:
            self.say(client, says)
        return client

    def say(self, client: FakeSocket, said: bytes) -> None:
        client.incoming.append(said)
        self.loop.readable(client.descriptor)


@pytest.fixture
def place(loop: FakeLoop) -> Place:
    return Place(loop)


def test_a_client_is_answered_and_may_ask_again(place: Place) -> None:
    client = place.come(GET)
    assert client.sent.endswith(b"hi\n")
    assert not client.blocking
    place.say(client, GET)
    assert client.sent.count(b"hi\n") == 2
    assert [sock for sock, _ in place.asked] == [client.socket, client.socket]


def test_a_client_that_hangs_up_is_gone(place: Place) -> None:
    client = place.come(GET)
    place.say(client, b"")
    assert client.closed
    assert len(place.operators) == 0
    assert client.descriptor not in place.loop.readers


def test_a_further_client_is_told_to_come_again(place: Place) -> None:
    clients = [place.come() for _ in range(MAX_CLIENTS)]
    further = place.come()
    assert further.sent.startswith(b"HTTP/1.1 503 ")
    assert b'"too-many"' in further.sent
    assert further.closed
    place.say(clients[0], b"")
    assert not place.come(GET).closed


def test_silent_clients_make_room(place: Place) -> None:
    clients = [place.come() for _ in range(MAX_CLIENTS)]
    place.loop.advance(REQUEST_PATIENCE + 1)
    assert all(client.closed for client in clients)
    assert not place.come(GET).closed


def test_a_client_that_does_not_read_is_dropped(place: Place) -> None:
    def endless() -> Records:
        while True:
            yield b"x" * 1000

    place.answer = lambda request: HttpAnswer(200, endless())
    client = FakeSocket(place.loop.new_descriptor(), socket.AF_UNIX)
    client.room = 100
    place.listening.callers.append((client, ()))
    place.loop.readable(place.listening.descriptor)
    place.say(client, GET)
    assert len(client.sent) == 100
    turns = place.loop.turns
    place.loop.advance(UNREAD_PATIENCE - 1)
    assert not client.closed
    assert place.loop.turns - turns < 200
    place.loop.advance(3)
    assert client.closed


def test_output_goes_on_when_the_client_reads(place: Place) -> None:
    place.answer = lambda request: HttpAnswer(200, iter([b"x" * 1000] * 300))
    client = FakeSocket(place.loop.new_descriptor(), socket.AF_UNIX)
    client.room = 100
    place.listening.callers.append((client, ()))
    place.loop.readable(place.listening.descriptor)
    place.say(client, GET)
    while client.descriptor in place.loop.writers:
        client.room = 5000
        place.loop.writable(client.descriptor)
    assert client.sent.count(b"x") == 300_000
    assert client.sent.endswith(b"0\r\n\r\n")


def test_all_clients_together_have_a_millisecond_of_a_turn(place: Place) -> None:
    def slow() -> Records:
        for _ in range(100):
            place.loop.now += OPERATORS_TURN / 4
            yield b"x"

    place.answer = lambda request: HttpAnswer(200, slow())
    clients = [place.come() for _ in range(MAX_CLIENTS)]
    place.loop.longest_turn = 0.0
    for client in clients:
        client.incoming.append(GET)
        place.loop.call_soon(place.loop.readers[client.descriptor])
    place.loop.advance(0.1)
    assert all(client.sent.count(b"x") == 100 for client in clients)
    assert place.loop.longest_turn < 2 * OPERATORS_TURN


def test_who_waits_is_woken_and_costs_nothing_meanwhile(place: Place) -> None:
    def events() -> Records:
        yield b""
        yield Pause.EVENT
        yield b"now\n"
        yield Pause.EVENT

    place.answer = lambda request: HttpAnswer(200, events())
    client = place.come(GET)
    turns = place.loop.turns
    place.loop.advance(60)
    assert place.loop.turns - turns < 200
    assert b"now" not in client.sent
    place.loop.call(place.operators.wake)
    assert b"now" in client.sent
    place.say(client, b"")
    assert client.closed


def test_a_request_is_read_no_further_than_it_may_be_long(place: Place) -> None:
    client = place.come(b"x" * MAX_REQUEST * 2)
    assert client.sent.startswith(b"HTTP/1.1 4")
    assert client.closed


def test_our_fault_costs_the_client_alone_and_is_told(place: Place) -> None:
    def answer(request: HttpRequest) -> HttpAnswer:
        raise ZeroDivisionError

    place.answer = answer
    client = place.come(GET)
    assert client.sent.startswith(b"HTTP/1.1 500 ")
    assert client.closed
    assert place.failures == ["Answering an operator: ZeroDivisionError()"]
    place.answer = lambda request: HttpAnswer(200, b"hi\n")
    assert place.come(GET).sent.endswith(b"hi\n")


@pytest.mark.parametrize("method", ["send"])
def test_a_broken_connection_is_closed_in_silence(place: Place, method: str) -> None:
    client = FakeSocket(place.loop.new_descriptor(), socket.AF_UNIX)
    client.failing[method] = oserror(errno.EPIPE)
    place.listening.callers.append((client, ()))
    place.loop.readable(place.listening.descriptor)
    place.say(client, GET)
    assert client.closed
    assert place.failures == []


def test_a_caller_that_is_gone_already_is_nothing(place: Place) -> None:
    place.listening.callers.append(oserror(errno.ECONNABORTED))
    place.loop.readable(place.listening.descriptor)
    assert place.listening.descriptor in place.loop.readers


def test_without_descriptors_accepting_has_a_rest(place: Place) -> None:
    place.listening.callers.append(oserror(errno.EMFILE))
    place.loop.readable(place.listening.descriptor)
    assert place.listening.descriptor not in place.loop.readers
    place.loop.advance(2)
    assert place.listening.descriptor in place.loop.readers


def test_all_is_over_at_the_end(place: Place) -> None:
    clients = [place.come(GET) for _ in range(3)]
    place.loop.call(place.operators.close)
    assert all(client.closed for client in clients)
    assert not place.loop.readers
    assert not place.listening.closed


def test_what_cannot_be_loaded_costs_that_client_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> type[HttpSession]:
        raise ImportError("No module named 'h11'")

    with monkeypatch.context() as patch:
        patch.setattr("tincd_compat.transport.operators.session_class", gone)
        assert place.come().closed
    assert place.failures == [
        "Loading what answers operators: ImportError(\"No module named 'h11'\")"
    ]
    assert place.come(GET).sent.endswith(b"hi\n")
