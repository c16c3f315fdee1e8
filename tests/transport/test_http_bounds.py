"""What a client of the control socket may cost, in bytes, records and seconds."""

from __future__ import annotations

import pytest

from tests.transport.asking import (
    GET,
    Client,
    endless,
    error_of,
    parsed,
    records,
)
from tincd_compat.transport.http import RECORDS_AT_ONCE, HttpAnswer, Pause, Records
from tincd_compat.transport.httpsession import (
    ENOUGH,
    MAX_REQUEST,
    MAX_UNSENT,
    REQUEST_PATIENCE,
    UNREAD_PATIENCE,
)


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
