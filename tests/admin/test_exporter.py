"""The exporter, without its socket: requests as bytes, daemons that are played."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import tincd_compat
from tests.admin import mesh
from tests.admin.played import Daemon, Stage, client, daemon
from tests.admin.test_verbs import LISTS, NODES
from tincd_compat.admin import exporter, webserver
from tincd_compat.admin.asking import MOST_NETS, Asker, together
from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.places import MOST_CONNECTIONS, MOST_FOLLOWERS, Places
from tincd_compat.admin.replies import HttpReply
from tincd_compat.admin.website import Site

#: Each name that there is, to its labels besides ``net``, and to its kind.
NAMES = {
    "tinc_up": ("gauge", ()),
    "tinc_build_info": ("gauge", ("name", "version", "data_plane")),
    "tinc_start_time_seconds": ("gauge", ()),
    "tinc_config_last_reload_successful": ("gauge", ()),
    "tinc_problems": ("gauge", ("severity", "code")),
    "tinc_nodes": ("gauge", ("path",)),
    "tinc_edges": ("gauge", ()),
    "tinc_subnets": ("gauge", ()),
    "tinc_links": ("gauge", ("direction",)),
    "tinc_connect_to_up": ("gauge", ("node",)),
    "tinc_connect_attempts_total": ("counter", ("node", "result")),
    "tinc_node_reachable": ("gauge", ("node",)),
    "tinc_node_reachability_changes_total": ("counter", ("node",)),
    "tinc_node_direct_udp": ("gauge", ("node",)),
    "tinc_node_mtu_bytes": ("gauge", ("node",)),
    "tinc_node_udp_rtt_seconds": ("gauge", ("node",)),
    "tinc_link_rtt_seconds": ("gauge", ("node",)),
    "tinc_node_last_receive_timestamp_seconds": ("gauge", ("node",)),
    "tinc_node_key_timestamp_seconds": ("gauge", ("node",)),
    "tinc_node_transmit_bytes_total": ("counter", ("node",)),
    "tinc_node_transmit_packets_total": ("counter", ("node",)),
    "tinc_node_receive_bytes_total": ("counter", ("node",)),
    "tinc_node_receive_packets_total": ("counter", ("node",)),
    "tinc_data_bytes_total": ("counter", ("direction", "path")),
    "tinc_dropped_packets_total": ("counter", ("reason",)),
    "tinc_meta_messages_total": ("counter", ("direction", "request")),
    "tinc_meta_duplicates_total": ("counter", ()),
    "tinc_graph_runs_total": ("counter", ()),
    "tinc_meta_queue_bytes": ("gauge", ()),
    "tinc_loop_lag_seconds_bucket": ("histogram", ("le",)),
    "tinc_loop_lag_seconds_count": ("histogram", ()),
    "tinc_loop_lag_seconds_sum": ("histogram", ()),
    "tinc_script_runs_total": ("counter", ("script", "result")),
    "tinc_process_cpu_seconds_total": ("counter", ()),
    "tinc_process_resident_memory_bytes": ("gauge", ()),
    "tinc_process_virtual_memory_bytes": ("gauge", ()),
    "tinc_process_open_fds": ("gauge", ()),
    "tinc_process_max_fds": ("gauge", ()),
}

#: Records in which nothing is unknown, so that no series is left out.
FULL: dict[str, Any] = {
    **LISTS,
    "status": {
        **mesh.STATUS,
        "connect_to": [{"node": "bravo", "up": True}, {"node": "echo", "up": False}],
    },
    "counters": {
        **LISTS["counters"],
        "process": {
            **{"cpu_seconds": 1.5, "resident_bytes": 42 << 20},
            **{"virtual_bytes": 1 << 30, "open_fds": 12, "max_fds": 1024},
        },
    },
}


def asker(
    *clients: Client,
    named: Sequence[str] = (),
    find: Callable[[], Iterable[str]] | None = None,
    log: Callable[[str], object] = lambda line: None,
) -> Asker:
    by_net = {each.net: each for each in clients}

    def one_by_one(call: Callable[[Client], Any], clients: Sequence[Client]) -> Any:
        return [call(each) for each in clients]

    return Asker(named, find or (lambda: by_net), by_net.__getitem__, log, one_by_one)


def site(*clients: Client, all_nodes: bool = False) -> Site:
    return Site(asker(*clients), all_nodes=all_nodes)


def failing(error: Exception) -> Daemon:
    def answer(method: str, path: str) -> tuple[int, bytes]:
        raise error

    return answer


def samples(reply: HttpReply) -> Iterator[Any]:
    assert (reply.status, reply.kind.partition(";")[0]) == (200, "text/plain")
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            yield family.type, sample


def up(reply: HttpReply) -> dict[str, float]:
    found = (sample for _, sample in samples(reply) if sample.name == "tinc_up")
    return {sample.labels["net"]: sample.value for sample in found}


class TestMetrics:
    def test_names_labels_and_kinds_are_closed_lists(self) -> None:
        found = {
            sample.name: (kind, set(sample.labels) - {"net"})
            for kind, sample in samples(site(client(daemon(**FULL))).answer("/metrics"))
        }
        assert found == {
            name: (kind, set(tags)) for name, (kind, tags) in NAMES.items()
        }

    def test_no_label_has_an_address_or_a_subnet(self) -> None:
        secret = {node["address"]["host"] for node in NODES}
        secret |= {subnet for node in NODES for subnet in node["subnets"]}
        assert len(secret) > 1
        reply = site(client(daemon(**FULL))).answer("/metrics")
        for _, sample in samples(reply):
            assert sample.labels["net"] == "vpn"
            assert not secret & set(sample.labels.values()), sample.name

    @pytest.mark.parametrize(("whole", "nodes"), [(False, 3), (True, 304)])
    def test_of_a_large_mesh(self, whole: bool, nodes: int) -> None:
        crowd = [mesh.node(f"n{number}") for number in range(300)]
        played = client(daemon(**{**FULL, "nodes": [*NODES, *crowd]}))
        reply = site(played, all_nodes=whole).answer("/metrics?x=1")
        found = [one for _, one in samples(reply) if one.name == "tinc_node_reachable"]
        assert len(found) == nodes

    @pytest.mark.parametrize(
        "error",
        [
            *(
                Unanswered("down"),
                Forbidden("not you"),
                RequestRefused(503, "not ready"),
            ),
            Unanswered("the daemon's answer is no record"),
        ],
        ids=lambda error: f"{type(error).__name__} {error}",
    )
    def test_one_net_that_fails_spoils_no_other(self, error: Exception) -> None:
        reply = site(
            client(failing(error), "bad"), client(daemon(**FULL), "good")
        ).answer("/metrics")
        assert up(reply) == {"bad": 0, "good": 1}
        names = {one.name for _, one in samples(reply) if one.labels["net"] == "good"}
        assert names == set(NAMES)
        bad = [one for _, one in samples(reply) if one.labels["net"] == "bad"]
        assert len(bad) == 1

    def test_a_daemon_that_ends_amid_its_answers_is_down(self) -> None:
        played = daemon(**FULL)

        def answer(method: str, path: str) -> tuple[int, bytes]:
            if path == "/v1/links":
                raise Unanswered("gone")
            return played(method, path)

        reply = site(client(answer)).answer("/metrics")
        assert [one.name for _, one in samples(reply)] == ["tinc_up"]


class TestNets:
    def test_one_that_was_seen_is_missed(self) -> None:
        running = ["vpn", "other"]
        clients = client(daemon(**FULL)), client(daemon(**FULL), "other")
        asked = asker(*clients, find=lambda: running)
        assert up(Site(asked).answer("/metrics")) == {"vpn": 1, "other": 1}
        running.remove("other")
        assert up(Site(asked).answer("/metrics")) == {"vpn": 1, "other": 1}
        assert asked.client("other") is clients[1]

    def test_one_that_is_named_is_missed_from_the_start(self) -> None:
        down = client(failing(Unanswered("not running")), "vpn")
        nameless = client(daemon(**FULL), "")
        asked = asker(down, nameless, named=["vpn", "."], find=lambda: ["more"])
        assert up(Site(asked).answer("/metrics")) == {"vpn": 0, "": 1}

    @pytest.mark.parametrize("amount", [0, 1, 40])
    def test_answers_are_in_the_order_of_the_nets(self, amount: int) -> None:
        clients = [client(daemon(**FULL), f"n{number}") for number in range(amount)]
        found = together(lambda each: each.net, clients)
        assert found == [each.net for each in clients]

    def test_one_waits_for_no_other(self) -> None:
        barrier = threading.Barrier(2, timeout=10)
        clients = [client(daemon(**FULL), net) for net in ("vpn", "other")]
        together(lambda each: barrier.wait(), clients)

    def test_so_many_are_remembered(self) -> None:
        made = iter(range(10 * MOST_NETS))
        asked = Asker(
            (),
            lambda: [f"n{next(made)}" for _ in range(100)],
            lambda net: client(failing(Unanswered("down")), net),
            lambda line: None,
            lambda ask, clients: [ask(each) for each in clients],
        )
        for _ in range(5):
            found = asked.scrapes()
        assert len(found) == MOST_NETS

    def test_a_trouble_is_logged_once_and_its_end(self) -> None:
        lines: list[str] = []
        error: list[Exception] = []
        good = daemon(**FULL)

        def answer(method: str, path: str) -> tuple[int, bytes]:
            if error:
                raise error[0]
            return good(method, path)

        asked = asker(client(answer), log=lines.append)
        asked.scrapes()
        error.append(Forbidden("no permission for /run/\x1btinc.vpn.sock"))
        for _ in range(3):
            asked.scrapes()
        error.clear()
        asked.scrapes()
        asked.scrapes()
        assert lines == [
            "net vpn: no permission for /run/\\x1btinc.vpn.sock",
            "net vpn answers again",
        ]


class TestHealth:
    def found(self, target: str, **lists: Any) -> tuple[int, Any]:
        reply = site(client(daemon(**{**FULL, **lists}))).answer(target)
        assert reply.kind == "application/json"
        return reply.status, json.loads(reply.body)

    def test_of_the_exporter_itself(self) -> None:
        reply = site(client(failing(Unanswered("down")))).answer("/healthz")
        assert (reply.status, json.loads(reply.body)) == (200, {"result": "ok"})

    def test_a_warning_takes_no_host_out_of_service(self) -> None:
        status, record = self.found("/health/vpn")
        assert (status, record["result"]) == (200, "warning")
        assert [one["code"] for one in record["problems"]] == [
            *("data-over-tcp", "connect-to-down", "only-way")
        ]
        status, record = self.found("/ready/vpn")
        assert (status, record["result"], record["problems"]) == (200, "ok", [])

    @pytest.mark.parametrize("path", ["/health/vpn", "/ready/vpn"])
    def test_what_is_critical_does(self, path: str) -> None:
        wrong = mesh.problem("device", "the device is gone", severity="critical")
        status, record = self.found(path, status={**mesh.STATUS, "problems": [wrong]})
        assert (status, record["result"]) == (503, "critical")
        assert [one["code"] for one in record["problems"]] == ["device"]

    def test_a_node_without_a_link_is_not_ready(self) -> None:
        alone = {**mesh.STATUS, "links": 0, "problems": []}
        assert self.found("/ready/vpn", status=alone)[0] == 503
        assert self.found("/health/vpn", status=alone)[0] == 200

    @pytest.mark.parametrize(
        ("error", "result"),
        [
            (Unanswered("not running"), "critical"),
            (Forbidden("not you"), "unknown"),
            (RequestRefused(503, "not ready"), "critical"),
        ],
        ids=str,
    )
    def test_of_a_net_that_cannot_be_asked(self, error: Exception, result: str) -> None:
        for path in ("/health/vpn", "/ready/vpn"):
            reply = site(client(failing(error))).answer(path)
            record = json.loads(reply.body)
            assert (reply.status, record["result"]) == (503, result)
            assert record["text"] == str(error)

    @pytest.mark.parametrize("path", ["/health/.", "/health/", "/health/%2e"])
    def test_of_the_net_without_a_name(self, path: str) -> None:
        assert site(client(daemon(**FULL), "")).answer(path).status == 200

    @pytest.mark.parametrize(
        "path",
        [
            *("/", "/nonsense", "/metrics/", "/health", "/health/vpn/more", "", "*"),
            *("/health/other", "/health/..%2Fvpn", "/ready/%2e%2e%2Fdocker", "//vpn"),
        ],
    )
    def test_no_other_path_leads_anywhere(self, path: str) -> None:
        assert self.found(path)[0] == 404


class Connection:
    """A connection that is played: pieces that come, and what was sent."""

    def __init__(self, *pieces: bytes | Exception, seconds: float = 0.0) -> None:
        self.pieces = list(pieces)
        self.sent = b""
        self.now = 0.0
        self.timeouts: list[float] = []
        self._seconds = seconds

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def recv(self, most: int) -> bytes:
        self.now += self._seconds
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= most
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data


def hello(target: str, host: str = "") -> HttpReply:
    return HttpReply(200, "text/plain", f"hello {target}\n".encode())


def served(
    connection: Connection,
    answer: webserver.Answer = hello,
    log: Callable[[str], object] = lambda line: None,
) -> tuple[str, str]:
    """Return head and body of what was sent over a connection."""
    webserver.Handler(
        connection,
        ("192.0.2.1", 1234),
        None,
        answer=answer,
        log=log,
        clock=lambda: connection.now,
    )
    head, _, body = connection.sent.decode().partition("\r\n\r\n")
    return head, body


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


class TestWhereItListens:
    @pytest.mark.parametrize(
        ("text", "host", "is_local"),
        [
            (exporter.LISTEN, "127.0.0.1", True),
            ("127.0.0.2:9655", "127.0.0.2", True),
            ("[::1]:9655", "::1", True),
            ("0.0.0.0:9655", "0.0.0.0", False),
            ("[::]:9655", "::", False),
            ("192.0.2.1:9655", "192.0.2.1", False),
        ],
    )
    def test_places(self, text: str, host: str, is_local: bool) -> None:
        place = exporter.place_of(text)
        assert place == (host, 9655)
        assert place.is_local is is_local
        lines = exporter.opening(place)
        assert lines[0].endswith(f"http://{text}/metrics")
        assert ["warning: other hosts can read" in line for line in lines] == [
            *([False] if is_local else [False, True])
        ]

    @pytest.mark.parametrize(
        "text",
        [
            *("", ":9655", "9655", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0"),
            *("127.0.0.1:65536", "::1:9655", "[127.0.0.1]:9655", "localhost:9655"),
            *("127.0.0.1:-1", "127.0.0.1:\N{SUPERSCRIPT TWO}"),
        ],
    )
    def test_what_is_no_place(self, text: str) -> None:
        with pytest.raises(exporter.WrongPlace, match="takes an address in figures"):
            exporter.place_of(text)

    def test_not_as_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        with pytest.raises(exporter.WrongPlace, match="not for root"):
            Stage().call("exporter")
        exporter.refuse_root(0, allowed=True)
        exporter.refuse_root(1000, allowed=False)

    def test_what_is_asked_for_reaches_the_site(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        crowd = [mesh.node(f"n{number}") for number in range(300)]
        played = client(daemon(**{**FULL, "nodes": [*NODES, *crowd]}))
        found: list[Any] = []

        def serve(
            host: str, port: int, answer: webserver.Answer, log: Any, followers: int
        ) -> None:
            found.extend((host, port, list(samples(answer("/metrics", "")))))
            found.extend((followers, answer("/", "localhost").status))

        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr(webserver, "serve", serve)
        monkeypatch.setattr(exporter, "_client", lambda net: played)
        words = ("-n", "vpn", "--listen", "[::]:1", "--nodes", "all")
        assert Stage().call("exporter", *words) == 0
        host, port, seen, *page = found
        assert page == [0, 404]
        assert (host, port) == ("::", 1)
        assert sum(one.name == "tinc_node_reachable" for _, one in seen) == 304
        assert "warning: other hosts" in capsys.readouterr().err


def test_patience_is_shorter_than_that_of_a_scrape() -> None:
    found: list[float | None] = []

    def transport(method: str, path: str, patience: float | None) -> Any:
        found.append(patience)
        raise TimeoutError

    with pytest.raises(Unanswered, match="has not answered for 2 s"):
        Client("vpn", transport, exporter.PATIENCE).one("status")
    assert found == [exporter.PATIENCE]
    assert exporter.PATIENCE * 4 < 10


def test_a_daemon_loads_nothing_of_it() -> None:
    script = """
import sys
import tincd_compat.daemon.run
print(*sys.modules)
"""
    path = str(Path(tincd_compat.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": path},
    )
    heavy = {"prometheus_client", "http.server", "tincd_compat.admin"}
    assert not set(done.stdout.split()) & heavy
