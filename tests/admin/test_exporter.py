"""The exporter: its metrics, its nets, its health, and where it listens."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import tincd_compat
from tests.admin import mesh
from tests.admin.exported import (
    FULL,
    NAMES,
    asker,
    failing,
    site,
)
from tests.admin.lists import NODES
from tests.admin.played import Stage, client, daemon
from tincd_compat.admin import exporter, webserver
from tincd_compat.admin.asking import MOST_NETS, Asker, together
from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.replies import HttpReply
from tincd_compat.admin.website import Site


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
