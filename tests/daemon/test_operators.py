"""What an operator is told by a whole daemon, and what an operator may do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.life import Life, told
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon import control_listener
from tincd_compat.daemon.pings import SPACING
from tincd_compat.daemon.statusline import PROGRAM
from tincd_compat.daemon.watcher import INTERVAL
from tincd_compat.observe.problems import LOOK_EVERY, Judge
from tincd_compat.observe.records import Problem
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import ProblemCode, Severity
from tincd_compat.service.control_socket import Peer
from tincd_compat.transport.operators import MAX_CLIENTS

MEMBER = Peer(1, 1000, 1000)


@pytest.fixture
def served(life: Life) -> Iterator[Life]:
    life.start()
    life.find_a_peer_in_a_storm()
    life.loop.call(life.daemon.parts.control.settle)
    yield life
    life.end()


def test_the_socket_is_beside_the_pid_file(life: Life) -> None:
    life.start()
    assert life.control.places == [(life.directory / "pid.sock", None)]
    life.end()
    assert life.control.listening.closed


def test_the_socket_is_there_before_the_first_script_has_run(life: Life) -> None:
    life.scripts.over.clear()
    life.start()
    assert life.control.ask("/v1/nodes")[0] == 200
    life.scripts.over.set()


def test_nodes(served: Life) -> None:
    status, records = served.control.ask("/v1/nodes")
    assert status == 200
    us, peer = records
    assert (us["name"], us["path"], us["self"]) == ("us", "self", True)
    assert us["subnets"] == ["10.1.0.0/24#10"]
    assert (peer["name"], peer["path"], peer["self"]) == ("peer", None, False)
    assert peer["address"]["host"] == "10.0.0.2"


def test_status(served: Life) -> None:
    status, [record] = served.control.ask("/v1/status")
    assert status == 200
    assert (record["net"], record["name"], record["schema"]) == ("vpn", "us", 1)
    assert record["nodes"]["known"] == record["nodes"]["idle"] == 1
    assert (record["edges"], record["subnets"], record["links"]) == (2, 1, 0)
    assert record["interface"] == "fake"
    assert record["data_plane"] == "python"


def test_counters(served: Life) -> None:
    status, [record] = served.control.ask("/v1/counters")
    assert status == 200
    assert set(record["dropped"].values()) == {0}
    assert record["graph_runs"] == served.daemon.parts.control.runs.count
    assert record["loop_lag"]["counts"][-1] == 0


def test_one_node(served: Life) -> None:
    status, [record] = served.control.ask("/v1/nodes?node=peer")
    assert (status, record["name"]) == (200, "peer")
    status, [record] = served.control.ask("/v1/nodes?node=nobody")
    assert (status, record["error"]) == (404, "not-found")


def test_edges_and_subnets(served: Life) -> None:
    _, edges = served.control.ask("/v1/edges")
    assert sorted((edge["from"], edge["to"]) for edge in edges) == [
        ("peer", "us"),
        ("us", "peer"),
    ]
    _, [subnet] = served.control.ask("/v1/subnets")
    assert (subnet["net"], subnet["owner"]) == ("10.1.0.0/24", "us")


def test_what_changes_is_noticed_within_a_second(served: Life) -> None:
    assert served.control.ask("/v1/status")[1][0]["problems"] == []
    served.loop.advance(INTERVAL + 0.1)
    _, records = served.control.ask("/v1/counters")
    assert records[0]["loop_lag"]["counts"][0] == 1


def test_problems_are_told_of_in_time(served: Life) -> None:
    served.write("ConnectTo = third\nHealthHoldOff = 15\n")
    (served.directory / "hosts" / "third").write_text("Address = 10.0.0.9\n")
    refusal = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    served.loop.connecting["10.0.0.9"] = refusal

    async def resolve(host: str, port: str, family: int) -> list[SocketAddress]:
        return [SocketAddress(host, int(port))]

    served.daemon.parts.dialer._lookup = resolve
    served.signal("HUP")
    served.loop.advance(3 * LOOK_EVERY)
    _, [status] = served.control.ask("/v1/status")
    assert "connect-to-down" in [problem["code"] for problem in status["problems"]]
    [goal] = status["connect_to"]
    assert (goal["node"], goal["up"], goal["last"]) == ("third", False, "refused")
    assert goal["address"]["host"] == "10.0.0.9"
    assert goal["next_at"] is not None
    _, events = served.control.ask("/v1/events?node=third")
    refused = next(event for event in events if event["reason"] == "refused")
    assert refused["kind"] == "dial"
    assert (refused["facts"]["host"], refused["facts"]["port"]) == ("10.0.0.9", 655)


def test_a_status_has_its_problems_in_it_however_many(
    served: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        text = f'"problems":[] and \\"problems\\":[] {number}'
        found = Problem(
            code=ProblemCode.NO_DATA,
            severity=Severity.WARNING,
            node=None,
            since=Time(0.0),
            text=text,
        )
        problems = [*served.daemon._operators._judge.problems, found]
        monkeypatch.setattr(Judge, "problems", problems)
        _, [status] = served.control.ask("/v1/status")
        assert status["problems"] == [problem.to_json() for problem in problems]
        assert status["last_event"] == served.daemon.parts.journal.events.last


def test_explain(served: Life) -> None:
    status, [record] = served.control.ask("/v1/explain?to=peer")
    assert (status, record["to"], record["node"]) == (200, "peer", "peer")
    assert record["checks"]
    status, [record] = served.control.ask("/v1/explain?to=10.1.0.5")
    assert (status, record["node"]) == (200, "us")
    status, [record] = served.control.ask("/v1/explain?to=no%20such")
    assert (status, record["error"]) == (400, "bad-request")


def test_links(served: Life) -> None:
    assert served.control.ask("/v1/links") == (200, [])
    served.call()
    _, [link] = served.control.ask("/v1/links")
    assert (link["active"], link["opened"], link["name"]) == (False, "peer", None)


@pytest.mark.parametrize(
    ("method", "target", "status", "error"),
    [
        ("GET", "/", 404, "not-found"),
        ("POST", "/v1/nodes", 405, "wrong-method"),
        ("GET", "/v1/reload", 405, "wrong-method"),
        ("GET", "/v1/nodes?nodes=peer", 400, "bad-request"),
        ("POST", "/v1/disconnect", 400, "bad-request"),
        ("POST", "/v1/disconnect?node=", 400, "bad-request"),
        ("POST", "/v1/disconnect?node=peer", 404, "not-found"),
        ("GET", "/v1/ping?node=peer", 405, "wrong-method"),
        ("POST", "/v1/ping", 400, "bad-request"),
        ("POST", "/v1/ping?node=nobody", 404, "not-found"),
        ("POST", "/v1/log-level?level=many", 400, "bad-request"),
        ("POST", "/v1/log-level?level=-1", 400, "bad-request"),
    ],
)
def test_what_is_wrong_is_said(
    served: Life, method: str, target: str, status: int, error: str
) -> None:
    answer, [record] = served.control.ask(target, method)
    assert (answer, record["error"]) == (status, error)
    assert record["text"]


def test_who_may_look_may_not_change(served: Life) -> None:
    served.control.peer = MEMBER
    assert served.control.ask("/v1/nodes")[0] == 200
    paths = ("reload", "retry", "purge", "disconnect?node=a", "log-level?level=1")
    for path in (*paths, "ping?node=peer"):
        status, [record] = served.control.ask(f"/v1/{path}", "POST")
        assert (status, record["error"]) == (403, "not-allowed")
    assert served.silent_log.calls == []


def test_the_user_of_the_daemon_may_change(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    life.control.peer = MEMBER
    life.start()
    assert life.control.ask("/v1/log-level?level=3", "POST")[0] == 200
    assert life.silent_log.calls == ["level 3"]
    life.end()


def test_a_reload_reads_the_configuration(served: Life) -> None:
    served.write("ConnectTo = third\n")
    assert served.control.ask("/v1/reload", "POST")[0] == 200
    assert served.tasks() == ["ConnectTo third"]


def test_a_purge_forgets_nodes(served: Life) -> None:
    served.daemon.parts.mesh.get_or_add("gone")
    assert served.control.ask("/v1/purge", "POST")[0] == 200
    assert "gone" not in served.daemon.parts.mesh.nodes


def test_a_ping_says_what_became_of_it(served: Life) -> None:
    status, [record] = served.control.ask("/v1/ping?node=us", "POST")
    assert (status, record["result"]) == (200, "self")
    served.loop.advance(SPACING)
    status, [record] = served.control.ask("/v1/ping?node=peer", "POST")
    # No packet has gone there: it is asked for its key.
    assert (status, record["result"], record["node"]) == (200, "no-key", "peer")


def test_pings_without_end_are_refused(served: Life) -> None:
    answers = []
    for _ in range(2 * MAX_CLIENTS):
        client = served.control.come()
        client.incoming.append(b"POST /v1/ping?node=us HTTP/1.0\r\nHost: d\r\n\r\n")
        served.loop.readable(client.descriptor)
        answers.append(bytes(client.sent[:12]))
        if not client.closed:
            # Who does not wait for the answer has taken its turn all the same.
            client.incoming.append(b"")
            served.loop.readable(client.descriptor)
    assert answers[1] == b""
    assert answers[-1] == b"HTTP/1.1 429"


def test_events(served: Life) -> None:
    _, [start, reachable] = served.control.ask("/v1/events")
    assert (start["kind"], start["seq"]) == ("start", 1)
    assert (reachable["kind"], reachable["node"]) == ("reachable", "peer")
    served.write("ConnectTo = third\nCipher = aes-128-cbc\n")
    served.signal("HUP")
    _, records = served.control.ask("/v1/events?since=2")
    facts = {"ok": True, "error": None, "waiting": ["Cipher"]}
    assert [record["facts"] for record in records if record["kind"] == "reload"] == [
        facts
    ]
    served.write("Mode = nonsense\n")
    served.signal("HUP")
    _, records = served.control.ask("/v1/events?since=2")
    assert "Invalid routing mode!" in records[-1]["facts"]["error"]
    assert served.control.ask("/v1/events?since=2100-01-01T00:00:00Z") == (200, [])


@pytest.mark.parametrize("query", ["since=yesterday", "follow=yes", "follow="])
def test_events_that_cannot_be_told(served: Life, query: str) -> None:
    status, [record] = served.control.ask(f"/v1/events?{query}")
    assert (status, record["error"]) == (400, "bad-request")


def test_a_follower_hears_what_happens(served: Life) -> None:
    client = served.control.come()
    client.incoming.append(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: d\r\n\r\n")
    served.loop.readable(client.descriptor)
    assert client.sent.count(b'"kind":') == 2
    served.signal("HUP")
    assert b'"kind":"reload"' in client.sent
    client.incoming.append(b"")
    served.loop.readable(client.descriptor)
    assert client.closed
    assert not served.daemon.parts.journal.events._waking


def test_a_daemon_without_the_socket_is_one(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.control.error = OSError(errno.EROFS, "Read-only file system")
    life.start()
    assert f"Could not open {life.directory}/pid.sock: Read-only file system" in told(
        caplog
    )
    assert f"READY=1\nSTATUS={PROGRAM}: ready, listening on 1 addresses" in life.take()
    life.control.error = None
    life.signal("HUP")
    assert life.control.ask("/v1/nodes")[0] == 200
    life.end()


def test_no_socket_is_wanted(life: Life) -> None:
    life.write("ControlSocket = no\n")
    life.start()
    assert life.control.places == []
    life.end()


def test_a_group_that_is_there_gets_the_socket(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = {"tinc": 4711}
    monkeypatch.setattr(control_listener, "group_id", groups.get)
    life.start()
    assert life.control.places == [(life.directory / "pid.sock", 4711)]
    life.end()


def test_a_reload_moves_the_socket_only_if_it_is_another_one(life: Life) -> None:
    life.start()
    first = life.control.listening
    life.signal("HUP")
    assert not first.closed
    life.write(f"ControlSocket = {life.directory}/elsewhere\n")
    life.signal("HUP")
    assert first.closed
    assert life.control.places[-1] == (Path(life.directory / "elsewhere"), None)
    life.end()
