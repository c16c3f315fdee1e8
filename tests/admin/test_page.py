"""The page of the exporter: what it is given, and within which bounds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.admin.exported import (
    FULL,
    Connection,
    asker,
    failing,
    served,
)
from tests.admin.played import Stage, client, daemon, ndjson
from tincd_compat.admin import exporter, following, pagesite, webserver
from tincd_compat.admin.client import (
    Client,
    Forbidden,
    RequestRefused,
    Response,
    Unanswered,
)
from tincd_compat.admin.following import EventStream
from tincd_compat.admin.pagesite import PageSite
from tincd_compat.admin.places import MOST_FOLLOWERS, Places
from tincd_compat.admin.replies import HttpReply
from tincd_compat.admin.website import Site

HOST = "127.0.0.1:9655"
NAMES = frozenset({"localhost", "gate"})


def page(*clients: Client, followers: Places | None = None) -> PageSite:
    return PageSite(asker(*clients), NAMES, followers)


def get(target: str, *clients: Client, host: str = HOST) -> HttpReply:
    found = clients or (client(daemon(**FULL)),)
    reply = page(*found).answer(target, host)
    assert reply is not None
    return reply


def record(reply: HttpReply) -> Any:
    return json.loads(reply.body)


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": "reachable", "node": "bravo", "text": "is", **more}


#: What a daemon does when it is followed: lines, or that nothing comes, or the end.
Step = bytes | type[TimeoutError]


class Followed(io.BytesIO):
    """The body of an answer that goes on: its lines, then silence or the end."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self._steps = steps

    def readline(self, size: int | None = -1, /) -> bytes:
        if not self._steps:
            return b""
        step = self._steps.pop(0)
        if isinstance(step, bytes):
            return step
        raise step


def followed(asked: list[str], *answers: list[Step]) -> Client:
    """Return a client whose daemon answers one request after another so."""
    left = iter(answers)

    @contextmanager
    def ask(method: str, path: str, patience: float | None) -> Iterator[Response]:
        assert (method, patience) == ("GET", following.BEAT)
        asked.append(path)
        yield Response(200, Followed(next(left)))

    return Client("vpn", ask)


def messages(pieces: list[bytes]) -> list[tuple[str, Any]]:
    """Return the events of a stream as a browser reads them."""
    found = []
    for block in b"".join(pieces).decode("ascii").split("\n\n"):
        fields = [line.partition(": ") for line in block.split("\n") if line]
        named = {name: value for name, _, value in fields if name}
        if "data" in named:
            found.append((named.get("event", "message"), json.loads(named["data"])))
    return found


class TestRecords:
    @pytest.mark.parametrize("name", ["status", "nodes", "links", "edges"])
    def test_are_passed_on_as_they_are(self, name: str) -> None:
        reply = get(f"/v1/vpn/{name}")
        assert reply.status == 200
        found = FULL[name]
        wanted = ndjson([found] if isinstance(found, dict) else found)
        assert reply.body == wanted
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"

    @pytest.mark.parametrize(
        ("target", "asked"),
        [
            ("/v1/vpn/events?since=12", "/v1/events?since=12"),
            ("/v1/vpn/explain?to=10.0.0.1", "/v1/explain?to=10.0.0.1"),
            ("/v1/vpn/explain?to=a%26b%3D%0A", "/v1/explain?to=a%26b%3D%0A"),
            ("/v1/vpn/nodes?node=bravo", "/v1/nodes"),
        ],
    )
    def test_the_one_parameter_is_passed(self, target: str, asked: str) -> None:
        paths: list[str] = []

        def answer(method: str, path: str) -> tuple[int, bytes]:
            paths.append(f"{method} {path}")
            return 200, b"{}\n"

        assert get(target, client(answer)).status == 200
        assert paths == [f"GET {asked}"]

    @pytest.mark.parametrize(
        "target",
        [
            *("events", "events?since=", "events?since=-1", "events?since=x"),
            *("events?since=1&since=2", "events?since=1&follow=1", "explain"),
            *("events?since=2026-11-30T00:00:00Z", f"events?since={'9' * 19}"),
            *("explain?to=", "explain?to=a&to=b", f"explain?to={'a' * 257}"),
            *("explain?node=a", "follow", "follow?since=x", "follow?to=1"),
        ],
    )
    def test_what_is_no_parameter_reaches_nobody(self, target: str) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            raise AssertionError(path)

        reply = get(f"/v1/vpn/{target}", client(answer))
        assert (reply.status, record(reply)["error"]) == (400, "bad-request")

    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/", "/v1/vpn", "/v1/vpn/", "/v1/vpn/purge", "/v1/vpn/nodes/"),
            *("/v1/other/nodes", "/v1/..%2Fvpn/nodes", "/v1//nodes", "/v1/vpn/reload"),
            *("/v1/vpn/log-level", "/v1/vpn/counters", "/v1/vpn/__class__"),
        ],
    )
    def test_no_other_path_leads_to_a_daemon(self, path: str) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            raise AssertionError(path)

        reply = get(path, client(answer))
        assert (reply.status, record(reply)["error"]) == (404, "not-found")

    @settings(max_examples=25)
    @given(st.text(max_size=60))
    def test_any_path_and_query_is_answered(self, text: str) -> None:
        for target in (f"/v1/{text}", f"/v1/vpn/{text}", f"/v1/vpn/explain?to={text}"):
            reply = get(target)
            assert reply.status in (200, 400, 404)

    def test_nets_are_those_that_are_known(self) -> None:
        played = daemon(**FULL)
        reply = get("/v1/nets", client(played, "vpn"), client(played, ""))
        assert record(reply) == {"nets": ["", "vpn"]}
        assert get("/v1/./status", client(played, "")).status == 200

    @pytest.mark.parametrize(
        ("error", "status", "word"),
        [
            (Unanswered("not running"), 503, "unanswered"),
            (Forbidden("not you"), 503, "forbidden"),
            (RequestRefused(404, "no such node"), 404, "refused"),
        ],
        ids=str,
    )
    def test_why_there_is_no_answer(
        self, error: Exception, status: int, word: str
    ) -> None:
        for name in ("nodes", "explain?to=a"):
            reply = get(f"/v1/vpn/{name}", client(failing(error)))
            assert (reply.status, record(reply)["error"]) == (status, word)
            assert record(reply)["text"] == str(error)

    def test_a_list_has_a_length(self, monkeypatch: pytest.MonkeyPatch) -> None:
        body = ndjson(FULL["nodes"])
        for most, status in ((len(body), 200), (len(body) - 1, 503)):
            monkeypatch.setattr(pagesite, "LONGEST_PASSED", most)
            assert get("/v1/vpn/nodes").status == status

    def test_the_command_may_have_more(self) -> None:
        assert pagesite.LONGEST_PASSED * 8 < 512 << 20


class TestHosts:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "127.0.0.1:9655", "[::1]:9655", "[fd00::1]", "192.0.2.1:80"),
            *("localhost:9655", "LOCALHOST", "gate", "Gate:9655", "gate.:1"),
        ],
    )
    def test_own_names_and_addresses(self, host: str) -> None:
        assert get("/", host=host).status == 200

    @pytest.mark.parametrize(
        "host",
        [
            *("", "evil.example", "evil.example:9655", "gate.evil.example", "1.2.3"),
            *("localhost.evil.example:9655", "[::1", "a:b", ":9655", "127.0.0.1.x"),
        ],
    )
    def test_a_name_that_others_choose_is_none(self, host: str) -> None:
        for target in ("/", "/v1/nets", "/v1/vpn/nodes", "/v1/vpn/follow?since=0"):
            reply = get(target, host=host)
            assert (reply.status, record(reply)["error"]) == (421, "host")

    def test_of_this_host(self) -> None:
        names = exporter.own_names("Gate.example.org")
        assert names == {"localhost", "gate", "gate.example.org"}

    def test_figures_are_asked_for_by_any_name(self) -> None:
        asked = asker(client(daemon(**FULL)))
        site = Site(asked, page=PageSite(asked, NAMES))
        assert site.answer("/metrics", "gate.example.org").status == 200
        assert site.answer("/healthz", "evil.example").status == 200
        assert site.answer("/", "evil.example").status == 421
        assert site.answer("/nonsense", HOST).status == 404


class TestFollowing:
    def stream(self, since: int, made: Client) -> list[bytes]:
        return list(EventStream(made, since, lambda: None))

    def test_events_as_they_happen(self) -> None:
        asked: list[str] = []
        lines = ndjson([event(3), event(4)]).splitlines(keepends=True)
        pieces = self.stream(2, followed(asked, [*lines]))
        *told, (kind, last) = messages(pieces)
        assert told == [("message", event(3)), ("message", event(4))]
        assert (kind, last["text"]) == ("trouble", "net vpn has ended")
        assert asked == ["/v1/events?follow=1&since=2"]

    def test_a_silence_is_a_beat_and_loses_nothing(self) -> None:
        asked: list[str] = []
        [line, half] = ndjson([event(7), event(8)]).splitlines(keepends=True)
        made = followed(
            asked, [line, TimeoutError], [TimeoutError], [half, TimeoutError], []
        )
        pieces = self.stream(0, made)
        assert [each for _, each in messages(pieces)][:2] == [event(7), event(8)]
        assert sum(piece.startswith(b":") for piece in pieces) == 4
        assert [path.rpartition("=")[2] for path in asked] == ["0", "7", "7", "8"]

    def test_begins_before_anything_has_happened(self) -> None:
        stream = EventStream(followed([], []), 0, lambda: None)
        assert next(iter(stream)).startswith(b":")

    @pytest.mark.parametrize(
        "error", [Unanswered("not running"), Forbidden("no"), RequestRefused(503, "x")]
    )
    def test_a_daemon_that_does_not_answer(self, error: Exception) -> None:
        pieces = self.stream(0, client(failing(error)))
        assert [kind for kind, _ in messages(pieces)] == ["trouble"]

    @pytest.mark.parametrize("line", [b"\n", b"[]\n", b"nonsense\n", b'{"seq":1\n'])
    def test_what_is_no_record_ends_it(self, line: bytes) -> None:
        pieces = self.stream(0, followed([], [line]))
        assert [kind for kind, _ in messages(pieces)] == ["trouble"]

    @given(st.lists(st.text(), max_size=5))
    def test_no_text_is_a_message_of_its_own(self, texts: list[str]) -> None:
        events = [event(seq, text=text) for seq, text in enumerate(texts, 1)]
        lines = [ndjson([each]) for each in events]
        told = messages(self.stream(0, followed([], [*lines])))
        assert [each for kind, each in told if kind == "message"] == events

    def test_places_are_few_and_come_back(self) -> None:
        site = page(client(daemon(**FULL)), followers=Places(1))
        target = "/v1/vpn/follow?since=0"
        first = site.answer(target, HOST)
        assert first is not None
        assert first.stream is not None
        assert first.kind == "text/event-stream"
        second = site.answer(target, HOST)
        assert second is not None
        assert (second.status, record(second)["error"]) == (503, "crowded")
        for _ in range(2):
            first.stream.close()
        third = site.answer(target, HOST)
        assert third is not None
        assert third.status == 200

    def test_so_many_by_default(self) -> None:
        site = page(client(daemon(**FULL)))
        replies = [site.answer("/v1/vpn/follow?since=0", HOST) for _ in range(9)]
        assert [each.status for each in replies if each] == [
            *[200] * MOST_FOLLOWERS,
            *[503] * (9 - MOST_FOLLOWERS),
        ]


class TestServer:
    """A stream over a connection: it ends, and its place is given back."""

    REQUEST = b"GET /v1/vpn/follow?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def answer(
        self, made: Client, given_back: list[str]
    ) -> Callable[[str, str], HttpReply]:
        def answer(target: str, host: str) -> HttpReply:
            assert (target, host) == ("/v1/vpn/follow?since=0", "localhost")
            stream = EventStream(made, 0, lambda: given_back.append("place"))
            return HttpReply(200, following.KIND, b"", stream=stream)

        return answer

    def test_goes_on_until_the_daemon_ends(self) -> None:
        back: list[str] = []
        made = followed([], [ndjson([event(1)]), TimeoutError], [ndjson([event(2)])])
        quiet = [BlockingIOError()] * 9
        connection = Connection(self.REQUEST, *quiet)
        head, body = served(connection, self.answer(made, back))
        assert "Content-Length" not in head
        assert "\r\nContent-Type: text/event-stream" in head
        assert [each.get("seq") for _, each in messages([body.encode()])] == [
            1,
            2,
            None,
        ]
        assert back == ["place"]

    def test_ends_when_who_follows_has_gone(self) -> None:
        back: list[str] = []
        answers: list[list[Step]] = [[TimeoutError] for _ in range(50)]
        asked: list[str] = []
        connection = Connection(self.REQUEST, *[BlockingIOError()] * 3, b"junk", b"")
        served(connection, self.answer(followed(asked, *answers), back))
        assert len(asked) == 4
        assert back == ["place"]

    def test_ends_when_a_piece_is_not_taken(self) -> None:
        class Slow(Connection):
            def sendall(self, data: bytes) -> None:
                super().sendall(data)
                if self.sent.count(b"data:") > 2:
                    assert self.timeouts[-1] == webserver.ANSWER_TIME
                    raise TimeoutError

        back: list[str] = []
        lines: list[Step] = [ndjson([event(seq)]) for seq in range(1, 50)]
        connection = Slow(self.REQUEST, *[BlockingIOError()] * 60)
        with pytest.raises(TimeoutError):
            served(connection, self.answer(followed([], lines), back))
        assert back == ["place"]

    def test_without_a_body_it_does_not_begin(self) -> None:
        back: list[str] = []
        request = self.REQUEST.replace(b"GET", b"HEAD")
        head, body = served(
            Connection(request), self.answer(client(failing(KeyError())), back)
        )
        assert head.startswith("HTTP/1.0 200 ")
        assert (body, back) == ("", ["place"])

    def test_the_policy_goes_with_the_page(self) -> None:
        asked = asker(client(daemon(**FULL)))
        site = Site(asked, page=PageSite(asked, NAMES))
        connection = Connection(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, body = served(connection, site.answer)
        assert "\r\nContent-Security-Policy: default-src 'none'; " in head
        assert "\r\nContent-Type: text/html; charset=utf-8\r\n" in head
        assert body.startswith("<!DOCTYPE html>")


class TestOption:
    def run(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[Any]:
        found: list[Any] = []

        def serve(
            host: str, port: int, answer: webserver.Answer, log: Any, followers: int
        ) -> None:
            found.extend((answer("/", "127.0.0.1").status, followers))

        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr(webserver, "serve", serve)
        played = client(daemon(**FULL))
        monkeypatch.setattr(exporter, "_client", lambda net: played)
        assert Stage().call("exporter", "-n", "vpn", *words) == 0
        return found

    def test_is_off_unless_it_is_said(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(monkeypatch) == [404, 0]
        assert "the page is at" not in capsys.readouterr().err
        assert self.run(monkeypatch, "--page") == [200, MOST_FOLLOWERS]
        assert "the page is at http://127.0.0.1:9655/" in capsys.readouterr().err

    def test_warns_of_what_others_see(self) -> None:
        place = exporter.place_of("0.0.0.0:9655")
        assert "subnets and events" in exporter.opening(place, has_page=True)[-1]
        assert "subnets" not in exporter.opening(place)[-1]
