"""The web server of the exporter, without its socket: what a request may cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.admin.exported import (
    Connection,
    served,
)
from tincd_compat.admin import webserver
from tincd_compat.admin.places import MOST_CONNECTIONS, MOST_FOLLOWERS, Places
from tincd_compat.admin.replies import HttpReply


class TestServer:
    def test_a_request_is_answered_and_the_connection_closed(self) -> None:
        connection = Connection(b"GET /metrics HT", b"TP/1.1\r\nHost: x\r\n", b"\r\n")
        head, body = served(connection)
        assert head.startswith("HTTP/1.0 200 OK\r\nServer: tincd-compat\r\n")
        assert "\r\nContent-Length: 15\r\n" in f"{head}\r\n"
        assert "\r\nCache-Control: no-store\r\n" in f"{head}\r\n"
        assert body == "hello /metrics\n"
        assert connection.timeouts[-1] == webserver.ANSWER_TIME

    def test_without_a_body(self) -> None:
        head, body = served(Connection(b"HEAD / HTTP/1.0\r\n\r\n"))
        assert "\r\nContent-Length: 8" in head
        assert body == ""

    def test_one_request_of_a_connection(self) -> None:
        _, body = served(Connection(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"))
        assert body == "hello /a\n"

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get"])
    def test_nothing_is_changed_by_http(self, method: str) -> None:
        head, _ = served(Connection(f"{method} /metrics HTTP/1.1\r\n\r\n".encode()))
        assert head.startswith("HTTP/1.0 501 ")

    @pytest.mark.parametrize(
        "junk",
        [b"\r\n\r\n", b"\x16\x03\x01\n\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n"],
    )
    def test_junk_calls_nobody(self, junk: bytes) -> None:
        def answer(target: str, host: str) -> HttpReply:
            raise AssertionError(target)

        head, body = served(Connection(junk), answer)
        assert "hello" not in head + body

    def test_a_request_has_a_length(self) -> None:
        pieces = [b"GET / HTTP/1.1\r\nX: "] + [b"a" * 4096] * 100
        connection = Connection(*pieces)
        head, _ = served(connection)
        assert head.startswith("HTTP/1.0 431 ")
        assert len(connection.pieces) > 95

    def test_slow_bytes_prolong_nothing(self) -> None:
        connection = Connection(*[b"G"] * 100, seconds=0.9)
        with pytest.raises(TimeoutError):
            served(connection)
        assert connection.now < webserver.REQUEST_TIME + 1
        assert connection.timeouts == sorted(connection.timeouts, reverse=True)
        assert not connection.sent

    def test_one_that_goes_is_told_nothing(self) -> None:
        assert served(Connection(b"GET / HT")) == ("", "")
        with pytest.raises(ConnectionResetError):
            served(Connection(b"GET", ConnectionResetError()))

    def test_a_fault_of_ours_surfaces(self) -> None:
        def answer(target: str, host: str) -> HttpReply:
            raise ZeroDivisionError("ours")

        lines: list[str] = []
        head, body = served(Connection(b"GET / HTTP/1.1\r\n\r\n"), answer, lines.append)
        assert head.startswith("HTTP/1.0 500 ")
        assert "ours" not in body
        assert "ZeroDivisionError: ours" in lines[0]

    def test_places_are_few_and_come_back(self) -> None:
        places = Places(2)
        assert [places.take() for _ in range(3)] == [True, True, False]
        places.give_back()
        assert places.take()
        assert 0 < MOST_CONNECTIONS + MOST_FOLLOWERS < 16


class Server(webserver.Server):
    """A server without a socket, and with one place."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log = log
        self._places = Places(1)
        self.closed: list[Any] = []

    def shutdown_request(self, request: Any) -> None:
        self.closed.append(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        raise request


class Thread:
    """A thread that begins when the test says so."""

    begun: list[Thread]

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.daemon = False
        self.work: Callable[[], None] = partial(target, *args)

    def start(self) -> None:
        assert self.daemon, "a connection must not hold up the end of the process"
        self.begun.append(self)


class TestConnections:
    @pytest.mark.parametrize(
        ("error", "is_logged"), [(ConnectionResetError(), False), (KeyError("x"), True)]
    )
    def test_who_finds_no_place_is_sent_away(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, is_logged: bool
    ) -> None:
        lines: list[str] = []
        begun: list[Thread] = []
        monkeypatch.setattr(Thread, "begun", begun, raising=False)
        monkeypatch.setattr("socketserver.threading.Thread", Thread)
        server = Server(lines.append)
        server.process_request(error, "a")
        server.process_request("second", "b")
        assert (len(begun), server.closed) == (1, ["second"])
        begun[0].work()
        assert server.closed == ["second", error]
        assert bool(lines) is is_logged
        server.process_request("third", "c")
        assert len(begun) == 2

    def test_a_thread_that_cannot_begin_takes_no_place(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_thread(target: Any, args: Any) -> Thread:
            raise RuntimeError("can't start new thread")

        server = Server(lambda line: None)
        for _ in range(3):
            monkeypatch.setattr("socketserver.threading.Thread", no_thread)
            with pytest.raises(RuntimeError):
                server.process_request("first", "a")
        assert server.closed == []
