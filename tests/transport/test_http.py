"""Requests and answers on the control socket, byte for byte and without a socket."""

from __future__ import annotations

import pytest

from tests.transport.asking import (
    GET,
    POST,
    Client,
    error_of,
    parsed,
    records,
)
from tincd_compat.transport.http import (
    NDJSON,
    RECORDS_AT_ONCE,
    HttpAnswer,
    HttpRequest,
    Pause,
    Records,
)
from tincd_compat.transport.httpsession import (
    ENOUGH,
    MAX_PARAMETERS,
    MAX_REQUEST,
    parse_target,
)


def test_a_request_is_answered() -> None:
    client = Client(lambda request: HttpAnswer(200, b'{"a":1}\n'))
    client.says(GET)
    assert client.asked == [HttpRequest("GET", "/v1/nodes", {"node": "alpha"})]
    assert parsed(client.hears()) == [(200, b'{"a":1}\n')]
    assert not client.session.over


def test_records_come_one_after_the_other() -> None:
    lines = [b"%d\n" % number for number in range(1000)]
    client = Client(lambda request: HttpAnswer(200, iter(lines), NDJSON))
    client.says(GET)
    heard = client.reads()
    assert b"application/x-ndjson" in heard
    assert parsed(heard) == [(200, b"".join(lines))]


def test_an_old_client_hears_the_end_by_the_end_of_the_connection() -> None:
    client = Client(lambda request: HttpAnswer(200, iter([b"1\n", b"2\n"])))
    client.says(b"GET / HTTP/1.0\r\n\r\n")
    assert client.hears().endswith(b"\r\n\r\n1\n2\n")
    assert client.session.over


def test_a_body_is_read_and_counts_for_nothing() -> None:
    client = Client()
    client.says(POST, GET)
    assert [request.method for request in client.asked] == ["POST", "GET"]


def test_pipelined_requests_are_answered_one_by_one_in_their_order() -> None:
    client = Client(lambda request: HttpAnswer(200, iter([request.path.encode()])))
    client.session.receive(GET + POST, client.now)
    client.work()
    client.turns()
    answers = parsed(client.reads(), ["GET", "POST"])
    assert answers == [(200, b"/v1/nodes"), (200, b"/v1/purge")]


def test_hundreds_of_requests_at_once_cost_a_step_each() -> None:
    client = Client(lambda request: HttpAnswer(200, b"x" * 1000))
    short = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
    client.session.receive(short * (MAX_REQUEST // len(short)), client.now)
    client.work()
    assert len(client.asked) <= RECORDS_AT_ONCE
    client.turns()
    assert len(client.session.out) <= ENOUGH + 2000
    client.reads()
    assert len(client.asked) == MAX_REQUEST // len(short)
    assert not client.session.over


# What is no request.


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /?%ff=1 HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /?" + b"a&" * 99 + b"b HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_nonsense_is_refused(said: bytes) -> None:
    client = Client()
    client.says(said)
    assert not client.asked
    assert error_of(client.hears())[0] == 400
    assert client.session.over


def test_a_fault_of_ours_is_told_and_raised() -> None:
    def answer(request: HttpRequest) -> HttpAnswer:
        raise ZeroDivisionError

    client = Client(answer)
    client.session.receive(GET, client.now)
    with pytest.raises(ZeroDivisionError):
        client.work()
    client.session.give_up()
    assert error_of(client.hears()) == (500, "internal")
    assert client.session.over


def test_what_is_made_in_a_turn_is_one_chunk() -> None:
    parts = (b"1\n", b"2\n", Pause.TURN, b"3\n")
    client = Client(lambda request: HttpAnswer(200, records(*parts)))
    client.session.receive(GET, client.now)
    client.work()
    assert client.hears().endswith(b"\r\n\r\n4\r\n1\n2\n\r\n")
    client.work()
    assert client.hears() == b"2\r\n3\n\r\n0\r\n\r\n"


def test_an_answer_that_fails_in_the_middle_has_no_end() -> None:
    def failing() -> Records:
        yield b"1\n"
        raise ZeroDivisionError

    client = Client(lambda request: HttpAnswer(200, failing()))
    client.session.receive(GET, client.now)
    with pytest.raises(ZeroDivisionError):
        client.work()
    client.session.give_up()
    heard = client.hears()
    assert b"1\n" in heard
    assert not heard.endswith(b"0\r\n\r\n")
    assert client.session.over


def test_an_answer_that_fails_at_once_is_a_fault_of_ours_too() -> None:
    def failing() -> Records:
        yield Pause.TURN
        raise ZeroDivisionError

    client = Client(lambda request: HttpAnswer(200, failing()))
    client.session.receive(GET, client.now)
    client.work()
    with pytest.raises(ZeroDivisionError):
        client.work()
    client.session.give_up()
    assert error_of(client.hears()) == (500, "internal")


def test_a_status_can_be_what_the_work_has_come_to() -> None:
    found = [200]

    def work() -> Records:
        yield Pause.TURN
        found[0] = 409
        yield b"late\n"

    client = Client(lambda request: HttpAnswer(lambda: found[0], work()))
    client.says(GET)
    assert parsed(client.hears()) == [(409, b"late\n")]


def test_an_empty_record_sends_the_status_and_nothing_else() -> None:
    client = Client(lambda request: HttpAnswer(200, records(b"", Pause.EVENT)))
    client.says(GET)
    assert client.session.parked
    assert client.hears().endswith(b"\r\n\r\n")


def test_targets() -> None:
    assert parse_target("/v1/explain?to=10.0.0.1&x") == (
        "/v1/explain",
        {"to": "10.0.0.1", "x": ""},
    )
    assert parse_target("http://d/v1/nodes?node=a%2Fb") == (
        "/v1/nodes",
        {"node": "a/b"},
    )
    assert parse_target("/?a=1&a=2") == ("/", {"a": "2"})
    with pytest.raises(ValueError, match="fields"):
        parse_target("/?" + "a&" * MAX_PARAMETERS + "b")
