"""Requests and answers on the control socket, byte for byte and without a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.transport.http import (
    ENOUGH,
    MAX_PARAMETERS,
    MAX_REQUEST,
    MAX_UNSENT,
    NDJSON,
    RECORDS_AT_ONCE,
    REQUEST_PATIENCE,
    UNREAD_PATIENCE,
    HttpAnswer,
    HttpRequest,
    HttpSession,
    Pause,
    Records,
    parse_target,
)

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


# Bounds.


def test_a_turn_makes_no_more_than_so_many_records() -> None:
    made = list[int]()

    def numbers() -> Records:
        for number in range(1000):
            made.append(number)
            yield b"\n"

    client = Client(lambda request: HttpAnswer(200, numbers()))
    client.session.receive(GET, client.now)
    client.work()
    assert len(made) == RECORDS_AT_ONCE - 1
    client.work()
    assert len(made) == 2 * RECORDS_AT_ONCE - 1


def test_a_turn_is_over_when_its_time_is() -> None:
    made = list[int]()

    def slow() -> Records:
        while True:
            client.now += 0.0004
            made.append(1)
            yield b"\n"

    client = Client(lambda request: HttpAnswer(200, slow()))
    client.session.receive(GET, client.now)
    client.work(client.now + 0.001)
    assert len(made) == 3


def test_no_more_is_made_than_the_client_takes() -> None:
    client = Client(lambda request: HttpAnswer(200, endless()))
    client.says(GET)
    assert ENOUGH <= len(client.session.out) < ENOUGH + 2000
    client.session.sent(5000, client.now)
    assert client.session.busy
    client.turns()
    assert ENOUGH <= len(client.session.out) < ENOUGH + 2000


def test_more_than_may_wait_ends_the_connection() -> None:
    client = Client(lambda request: HttpAnswer(200, b"x" * MAX_UNSENT))
    client.says(GET)
    assert client.session.over


def test_a_client_that_does_not_read_is_dropped_in_time() -> None:
    client = Client(lambda request: HttpAnswer(200, endless()))
    client.says(GET)
    client.now += UNREAD_PATIENCE - 0.1
    client.session.check(client.now)
    assert not client.session.over
    client.session.sent(1, client.now)
    client.now += UNREAD_PATIENCE - 0.1
    client.session.check(client.now)
    assert not client.session.over
    client.now += 0.1
    client.session.check(client.now)
    assert client.session.over


def test_a_request_may_be_as_long_as_it_may() -> None:
    head = b"GET / HTTP/1.1\r\nHost: d\r\nX: "
    client = Client()
    client.says(head + b"x" * (MAX_REQUEST - len(head) - 4) + b"\r\n\r\n")
    assert len(client.asked) == 1
    assert not client.session.over


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"])
def test_a_longer_request_is_refused(end: bytes) -> None:
    client = Client()
    client.says(b"GET / HTTP/1.1\r\nHost: d\r\nX: " + b"x" * MAX_REQUEST + end)
    assert not client.asked
    status, _ = error_of(client.hears())
    assert status in (413, 431)
    assert client.session.over
    assert client.session.room == 0


def test_a_long_body_is_refused() -> None:
    client = Client()
    client.says(b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 99999\r\n\r\n")
    client.says(b"x" * 99_999)
    assert not client.asked
    assert error_of(client.hears()) == (413, "too-large")


def test_a_request_has_to_be_whole_in_time() -> None:
    client = Client()
    client.says(GET[:-1])
    client.now += REQUEST_PATIENCE - 0.1
    client.session.check(client.now)
    assert not client.session.out
    client.now += 0.1
    client.session.check(client.now)
    assert error_of(client.hears()) == (408, "too-slow")
    assert client.session.over


def test_bytes_one_by_one_win_no_time() -> None:
    client = Client()
    for byte in GET[:10]:
        client.says(bytes([byte]))
        client.now += REQUEST_PATIENCE / 9
        client.session.check(client.now)
    assert error_of(client.hears()) == (408, "too-slow")


def test_a_client_that_asks_nothing_is_sent_away_in_silence() -> None:
    client = Client()
    client.says(GET)
    client.hears()
    client.now += REQUEST_PATIENCE
    client.session.check(client.now)
    assert client.session.over
    assert not client.hears()


def test_who_waits_for_events_may_wait_for_long() -> None:
    events = records(b"1\n", Pause.EVENT, b"2\n", Pause.EVENT)
    client = Client(lambda request: HttpAnswer(200, events))
    client.says(GET)
    assert b"1\n" in client.hears()
    assert client.session.parked
    client.now += 3600
    client.session.check(client.now)
    assert not client.session.over
    assert not client.session.busy
    client.session.wake()
    client.turns()
    assert b"2\n" in client.hears()
    assert client.session.parked


def test_who_waits_for_events_is_gone_with_its_last_byte() -> None:
    client = Client(lambda request: HttpAnswer(200, records(Pause.EVENT)))
    client.says(GET)
    client.session.receive(b"", client.now)
    assert client.session.over


def test_who_says_its_last_byte_first_hears_everything_but_waits_for_nothing() -> None:
    events = records(Pause.TURN, b"1\n", Pause.EVENT)
    client = Client(lambda request: HttpAnswer(200, events))
    client.session.receive(GET, client.now)
    client.session.receive(b"", client.now)
    client.work()
    assert client.session.busy
    client.turns()
    assert client.session.over


def test_the_last_byte_after_a_request_ends_nothing_that_is_under_way() -> None:
    client = Client(lambda request: HttpAnswer(200, iter([b"1\n"] * 200)))
    client.session.receive(GET, client.now)
    client.session.receive(b"", client.now)
    client.work()
    client.turns()
    [(status, body)] = parsed(client.reads())
    assert (status, body) == (200, b"1\n" * 200)
    assert client.session.over


def test_a_pause_is_the_end_of_a_turn() -> None:
    client = Client(lambda request: HttpAnswer(200, records(Pause.TURN, b"1\n")))
    client.session.receive(GET, client.now)
    client.work()
    assert b"1\n" not in client.hears()
    assert client.session.busy


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


# Whatever may come.

REQUESTS = st.sampled_from([GET, POST, b"GET / HTTP/1.0\r\n\r\n", GET.lower()])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return requests, some of them damaged, and anything else."""
    parts = draw(st.lists(REQUESTS | st.binary(max_size=40), max_size=6))
    stream = bytearray(b"".join(parts))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            place = draw(st.integers(0, len(stream) - 1))
            change = draw(st.binary(max_size=3))
            stream[place : place + draw(st.integers(0, 3))] = change
    return bytes(stream)


def _answer(request: HttpRequest) -> HttpAnswer:
    if request.method == "POST":
        return HttpAnswer(200, f"{request}".encode())
    return HttpAnswer(200, records(request.path.encode(), Pause.TURN, b"\n"))


@given(streams(), st.lists(st.integers(1, 50)))
def test_a_stream_means_the_same_however_it_is_cut(
    stream: bytes, cuts: list[int]
) -> None:
    whole = Client(_answer)
    whole.says(stream)
    pieces = Client(_answer)
    rest = stream
    for cut in cuts:
        pieces.says(rest[:cut])
        rest = rest[cut:]
    pieces.says(*(bytes([byte]) for byte in rest))
    assert pieces.asked == whole.asked
    # Which of two mistakes is named can depend on what is there yet.
    assert statuses(pieces.reads()) == statuses(whole.reads())
    assert pieces.session.over == whole.session.over


@given(streams(), st.lists(st.floats(0, 40), max_size=5))
def test_no_stream_breaks_a_bound(stream: bytes, pauses: list[float]) -> None:
    client = Client(_answer)
    client.says(stream)
    for pause in pauses:
        client.now += pause
        client.session.check(client.now)
        assert 0 <= client.session.room <= MAX_REQUEST
        assert len(client.session.out) <= MAX_UNSENT
    client.reads()
    client.now += REQUEST_PATIENCE
    client.session.check(client.now)
    client.reads()
    assert client.session.over
