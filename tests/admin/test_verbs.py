"""Every verb by what it prints of records, its exit status, and its JSON."""

from __future__ import annotations

import argparse
import io
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.admin import mesh
from tests.admin.played import NOW, Stage, client, daemon, ndjson
from tincd_compat.admin import audit, events, health, routes, schema, wait
from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.text import PLAIN, Style
from tincd_compat.admin.verbs import ALONE, VERBS

FINE = {**mesh.STATUS, "problems": []}
CRITICAL = mesh.problem("no-link", "no link to anybody", severity="critical")
LINK = {
    **{"name": "bravo", "opened": "us", "connect_to": True, "active": True},
    "address": {"host": "192.0.2.7", "port": 655, "from": "dialled"},
    **{"since": None, "rtt": 0.0118, "rtt_last": None, "weight": 11, "options": []},
    **{"own_options": None, "peer_options": None, "queued": 0, "queued_most": 0},
    **{"blocked_since": None, "sent": None, "received": None, "meta_sent": None},
    **{"meta_received": None, "broadcast": True, "rsa_bits": 2048},
    **{"cipher": "aes-256-cfb", "digest": "sha256"},
}
EDGES = [
    {
        **{"from": one, "to": other, "weight": 10, "options": [], "both": True},
        "address": {"host": "192.0.2.7", "port": 655, "from": None},
    }
    for pair in (("alpha", "bravo"), ("alpha", "charlie"), ("bravo", "delta"))
    for one, other in (pair, pair[::-1])
]
EVENTS: list[dict[str, Any]] = [
    {
        **{"seq": 1, "at": "2026-11-30T02:47:31Z", "kind": "path", "node": "charlie"},
        **{"reason": "no-answer"},
        "facts": {"before": "udp", "now": "tcp", "via": None, "nexthop": "charlie"},
        "text": "udp → tcp: no answer for 5 s",
    },
    {
        **{"seq": 2, "at": "2026-11-30T02:48:31Z", "kind": "link-down"},
        **{"node": "bravo", "reason": "reset"},
        "facts": {
            **{"host": "192.0.2.7", "port": 655, "opened": "us", "active": True},
            **{"seconds": 3.5, "words": "Connection reset by peer"},
        },
        "text": "bravo: the connection was reset",
    },
    {
        **{"seq": 3, "at": "2025-11-30T02:48:31Z", "kind": "start", "node": None},
        **{"reason": None, "facts": {"version": "0.2.0", "pid": 812}},
        "text": "the daemon started",
    },
]
COUNTERS: dict[str, Any] = {
    "schema": 1,
    "at": "2026-11-30T03:34:42Z",
    "started": "2026-11-18T01:12:09Z",
    "dropped": {"unknown-destination": 3, "late-or-replayed": 0},
    "meta_messages": {"sent": {"PING": 4}, "received": {"PONG": 4}},
    "meta_bytes": {"sent": 100, "received": 200},
    **{"meta_duplicates": 5, "graph_runs": 6, "graph_runs_deferred": 0},
    **{"queue_bytes": 7, "queue_bytes_most": 8},
    "loop_lag": {"bounds": [0.001, 1], "counts": [1, 2, 3], "sum": 4.5},
    "script_runs": [{"script": "host-up", "result": "ok", "count": 9}],
    "connect_attempts": [{"node": "echo", "result": "refused", "count": 12}],
    "data_bytes": {"sent": {"udp": 10, "tcp": 11}, "received": {"udp": 1, "tcp": 2}},
    "data_packets": {"sent": {"udp": 1, "tcp": 1}, "received": {"udp": 1, "tcp": 1}},
    "device": {"sent": mesh.way(0), "received": mesh.way(0)},
    **{"failed_handshakes": {}, "log_suppressed": 0, "reload_ok": True},
    "process": {
        **{"cpu_seconds": 1.5, "resident_bytes": 42 << 20, "virtual_bytes": None},
        **{"open_fds": 12, "max_fds": 1024},
    },
}
SUITE: dict[str, Any] = {
    "cipher": "aes-256-cbc",
    "digest": "sha256",
    "mac_length": 4,
    "compression": 0,
}
KEY = {**SUITE, "since": "2026-11-30T03:03:10Z"}
WEAK = {**KEY, "cipher": "bf-cbc", "digest": "sha1"}
PLAINTEXT = {**KEY, "cipher": "none", "digest": "none", "mac_length": 0}
NODES = [
    mesh.ALPHA,
    {**mesh.BRAVO, "key": KEY, "subnets": ["10.0.2.0/24#10", "10.0.2.1", "fd00::2"]},
    {**mesh.CHARLIE, "key": WEAK},
    {**mesh.DELTA, "key": PLAINTEXT},
    mesh.ECHO,
]
EXPLANATION: dict[str, Any] = {
    **{"schema": 1, "at": "2026-11-30T03:34:42Z", "name": "alpha", "to": "bravo"},
    **{"node": "bravo", "subnet": None, "path": "udp", "since": None, "rtt": None},
    **{"nexthop": "bravo", "via": "bravo", "way": ["alpha", "bravo"], "weight": 11},
    **{"checks": [], "cause": None, "command": None, "fallback": None, "events": []},
}
ANSWER = {"schema": 1, "done": "reload", "text": "The files were read.", "node": None}
PING = {
    **{"schema": 1, "at": "2026-11-30T03:34:42Z", "node": "bravo", "via": None},
    **{"result": "answered", "text": "bravo has answered", "path": "udp"},
    **{"carrier": "udp", "rtt": 0.0118, "address": None},
}
LISTS: dict[str, Any] = {
    "ping": PING,
    "status": FINE,
    "nodes": NODES,
    "links": [LINK],
    "edges": EDGES,
    "events": EVENTS,
    "counters": COUNTERS,
    "subnets": [],
    "explain": EXPLANATION,
    **dict.fromkeys(("reload", "retry", "purge", "disconnect", "log_level"), ANSWER),
}


def stage(style: Style = PLAIN, width: int | None = 80, **lists: Any) -> Stage:
    return Stage(client(daemon(**{**LISTS, **lists})), style=style, width=width)


#: Verb and its arguments to the records that it prints.
JSON = {
    "status": {"status", "node"},
    "explain bravo": {"explanation"},
    "events": {"event"},
    "events -f": {"event"},
    "health": {"health"},
    "wait": {"wait"},
    "wait --node bravo --timeout 0": {"wait"},
    "ping bravo": {"ping"},
    "top --delay 0.1": {"rate"},
    "map": {"edge"},
    "map --cuts": {"cut"},
    "audit": {"audit"},
    "names": {"name"},
    "metrics": {"counters"},
    "report": {"status", "node", "link", "edge", "event", "counters", "subnet"},
    "reload": {"answer"},
    "retry": {"answer"},
    "purge": {"answer"},
    "disconnect bravo": {"answer"},
    "log-level 3": {"answer"},
}


def test_all_verbs_are_here() -> None:
    assert {words.split()[0] for words in JSON} == set(VERBS) - ALONE


@pytest.mark.parametrize("words", JSON)
def test_json_of_every_verb_is_of_its_schema(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(routes, "run", lambda argv: (1, "", "no route"))
    played = stage(status={**mesh.STATUS, "problems": [CRITICAL]})
    played.call(*words.split(), "--json")
    validators = {name: Draft202012Validator(schema.load(name)) for name in JSON[words]}
    met = set()
    for line in played.lines:
        record = json.loads(line)
        fitting = {name for name, one in validators.items() if one.is_valid(record)}
        if "record" in record:
            fitting &= {record["record"]}
        assert fitting, line
        met |= fitting
    assert met == {name for name in JSON[words] if name != "subnet"}


def test_schemas_are_schemas() -> None:
    whole = schema.whole()
    Draft202012Validator.check_schema(whole)
    assert set(whole["$defs"]) == set(schema.names())
    played = stage()
    assert played.call("schema", "health") == 0
    assert json.loads(played.text)["title"] == "health"
    validator = Draft202012Validator({**whole, "$ref": "status.json"})
    assert validator.is_valid(mesh.STATUS)
    assert not validator.is_valid({**mesh.STATUS, "nodes": {}})
    with pytest.raises(Exception, match=r"there is no record 'x', but: .*, wait"):
        played.call("schema", "x")


class TestStatus:
    def test_exit_status(self) -> None:
        assert stage().call("status") == 0
        assert stage(status=mesh.STATUS).call("status") == 1

    def test_nodes_that_are_named(self) -> None:
        played = stage()
        assert played.call("status", "bravo", "nobody") == 0
        assert played.lines[2] == "no node nobody is known"
        assert [line.split()[0] for line in played.lines[4:]] == ["NODE", "bravo"]

    def test_several_nets(self) -> None:
        both = Stage(
            client(daemon(**LISTS)),
            client(daemon(**{**LISTS, "status": {**FINE, "net": None}}), ""),
        )
        assert both.call("status") == 0
        heads = [line for line in both.lines if "mode" in line]
        assert [head.partition(":")[0] for head in heads] == ["vpn", "tinc"]

    def test_what_went_over_a_link_counts(self) -> None:
        link = {**LINK, "name": "charlie", "sent": mesh.way(1 << 20)}
        played = stage(nodes=[{**mesh.CHARLIE, "sent": None}], links=[link])
        played.call("status")
        assert "1.0 MiB" in played.text


class TestHealth:
    @pytest.mark.parametrize(
        ("words", "problems", "result", "line"),
        [
            ("", [], 0, "OK - tinc.vpn: 42 of 45 nodes reachable, 3 links"),
            ("", [mesh.problem("clock", "it jumped")], 1, "WARNING - tinc.vpn: it jum"),
            ("", [CRITICAL], 2, "CRITICAL - tinc.vpn: no link to anybody"),
            ("--check live", [CRITICAL], 0, "OK - "),
            ("--check ready", [mesh.problem("clock", "x")], 0, "OK - "),
            ("--check ready", [CRITICAL], 2, "CRITICAL - "),
            ("--node bravo", [], 0, "OK - "),
            ("--node echo", [], 2, "CRITICAL - tinc.vpn: echo cannot be reached"),
            ("--node nobody", [], 2, "CRITICAL - tinc.vpn: nobody is not known"),
        ],
    )
    def test_results(
        self, words: str, problems: list[Any], result: int, line: str
    ) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            name = path.partition("node=")[2]
            nodes = [node for node in NODES if not name or node["name"] == name]
            lists = {"status": {**FINE, "problems": problems}, "nodes": nodes}
            return daemon(**lists)(method, path)

        played = Stage(client(answer))
        assert played.call("health", *words.split()) == result
        assert played.text.startswith(line)

    def test_ready_takes_a_link(self) -> None:
        lonely = {**FINE, "links": 0}
        assert stage(status=lonely).call("health", "--check", "ready") == 2
        lonely["nodes"] = {**FINE["nodes"], "known": 0}
        assert stage(status=lonely).call("health", "--check", "ready") == 0
        # It has forgotten all others with its last link, and wants one of them.
        wanted = {"node": "bravo", "up": False}
        lonely["connect_to"] = [wanted]
        assert stage(status=lonely).call("health", "--check", "ready") == 2

    def test_no_figures_for_nagios_by_accident(self) -> None:
        played = stage(status={**FINE, "problems": [mesh.problem("x", "a | b=1")]})
        played.call("health")
        assert "|" not in played.text

    @pytest.mark.parametrize(
        ("error", "result", "word"),
        [(Unanswered("down"), 2, "CRITICAL"), (Forbidden("not you"), 3, "UNKNOWN")],
    )
    def test_nobody_answers(self, error: Exception, result: int, word: str) -> None:
        def answer(method: str, path: str) -> tuple[int, bytes]:
            raise error

        played = Stage(client(answer), client(daemon(**LISTS), "other"))
        assert played.call("health") == result
        assert [line.partition(" ")[0] for line in played.lines] == [word, "OK"]
        assert health.FAILED == 3


class TestWait:
    def test_until_a_node_is_there(self) -> None:
        now = [0.0]
        looks = iter(["bravo", "bravo", ""])

        def pause(seconds: float) -> None:
            now[0] += seconds

        missing, _ = wait.patiently(
            lambda: (next(looks), {}), 60, lambda: now[0], pause
        )
        assert (missing, round(now[0], 3)) == ("", 0.4)

    def test_not_for_ever(self) -> None:
        now = [0.0]

        def pause(seconds: float) -> None:
            now[0] += seconds

        missing, _ = wait.patiently(lambda: ("bravo", {}), 1, lambda: now[0], pause)
        assert (missing, round(now[0], 3)) == ("bravo", 1.0)

    def test_a_daemon_that_is_not_there_yet(self) -> None:
        def nobody() -> list[Client]:
            raise Unanswered("no tincd is running")

        assert wait.look(nobody, [])[0] == "no tincd is running"

        def forbidden() -> list[Client]:
            raise Forbidden("not you")

        with pytest.raises(Forbidden):
            wait.look(forbidden, [])

    def test_the_verb(self) -> None:
        assert stage().call("wait") == 0
        assert stage().call("wait", "--node", "bravo", "--timeout", "0") == 0
        played = stage()
        words = ["wait", "--node", "echo", "--node", "x", "--timeout", "0"]
        assert played.call(*words) == 1
        assert played.text == "not there after 0 s: echo, x\n"


class TestEvents:
    TEXT = (
        "30 Nov 02:47:31  path         charlie    udp → tcp: no answer for 5 s\n"
        "30 Nov 02:48:31  link-down    bravo: the connection was reset\n"
        "2025-11-30 02:48  start        the daemon started\n"
    )

    def test_text(self) -> None:
        played = stage()
        assert played.call("events") == 0
        assert played.text == self.TEXT
        played = stage()
        assert played.call("events", "-f", "bravo") == 0
        assert played.lines[0] == self.TEXT.splitlines()[1]

    def test_colours(self) -> None:
        played = stage(Style(True))
        played.call("events")
        assert "\x1b[31;1mlink-down\x1b[0m" in played.text

    def test_long_ones_are_wrapped(self) -> None:
        long = {**EVENTS[0], "text": "word " * 40}
        lines = events.render(long, NOW, PLAIN, 80)
        assert max(map(len, lines)) <= 80
        assert all(line.startswith(" " * 30) for line in lines[1:])

    def test_what_is_asked_for(self) -> None:
        asked = []

        def answer(method: str, path: str) -> tuple[int, bytes]:
            asked.append(path)
            return 200, b""

        Stage(client(answer)).call("events", "--since", "1h", "bravo")
        assert asked == ["/v1/events?since=2026-11-30T02%3A34%3A42Z&node=bravo"]

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("2d", 172800)]
    )
    def test_times(self, text: str, seconds: float) -> None:
        assert events.seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "h", "1y", "one"])
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            events.seconds(text)


class TestNames:
    def test_hosts(self) -> None:
        played = stage()
        assert played.call("names") == 0
        assert played.text == "10.0.2.1\tbravo\nfd00::2\tbravo\n"

    def test_dnsmasq(self) -> None:
        played = stage()
        assert played.call("names", "--format", "dnsmasq", "--suffix", ".vpn") == 0
        assert played.lines[0] == "host-record=bravo.vpn,10.0.2.1"

    @pytest.mark.parametrize("name", ["a b", "a\nb", "", "büro", "a,b", None, "a.b"])
    def test_a_hostile_name_is_no_line(self, name: object) -> None:
        played = stage(nodes=[{**mesh.BRAVO, "name": name}])
        assert played.call("names") == 0
        assert played.text == ""


class TestAudit:
    def test_text(self) -> None:
        own = {**FINE, "suite": SUITE, "rsa_bits": 1024}
        played = stage(width=None, status=own)
        assert played.call("audit", "--max-age", "0.1") == 1
        assert played.lines[0] == "vpn: 4 nodes with findings"
        rows = [re.split("  +", line) for line in played.lines[3:]]
        assert [(row[0], row[-1]) for row in rows] == [
            ("alpha (this one)", "RSA of 1024 bits"),
            ("bravo", "the key is older than 0.1 h"),
            ("charlie", "bf-cbc is weak, the key is older than 0.1 h"),
            ("delta", "not encrypted, no MAC, the key is older than 0.1 h"),
        ]

    def test_nothing_is_wrong(self) -> None:
        played = stage(nodes=NODES[:2])
        assert played.call("audit") == 0
        assert played.lines[0] == "vpn: nothing is too weak"

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"cipher": "DES-EDE3-CBC"}, "des-ede3-cbc is weak"),
            ({"digest": "MD5"}, "MD5 is weak"),
            ({"mac_length": 2}, "a MAC of 2 bytes"),
            ({"mac_length": 0}, "no MAC"),
            ({"cipher": "camellia-256-cbc"}, None),
        ],
    )
    def test_findings(self, fields: dict[str, Any], words: str | None) -> None:
        found = audit.findings({**SUITE, **fields}, 2048)
        assert found == ([words] if words else [])


class TestChange:
    def test_the_daemon_says_what_it_did(self) -> None:
        asked = []

        def answer(method: str, path: str) -> tuple[int, bytes]:
            asked.append((method, path))
            return 200, json.dumps(ANSWER).encode()

        played = Stage(client(answer))
        for words in ("retry", "disconnect bravo", "log-level 3"):
            assert played.call(*words.split()) == 0
        assert played.lines[0] == "The files were read."
        assert asked == [
            ("POST", "/v1/retry"),
            ("POST", "/v1/disconnect?node=bravo"),
            ("POST", "/v1/log-level?level=3"),
        ]

    @pytest.mark.parametrize("is_well", [True, False])
    def test_a_reload_is_waited_for(
        self, is_well: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        monkeypatch.setattr("time.sleep", paused.append)
        over = {**EVENTS[0], "kind": "reload", "text": "tinc.conf line 3: no such"}

        def answer(method: str, path: str) -> tuple[int, bytes]:
            if path == "/v1/events?since=812":
                return 200, ndjson([EVENTS[1], over] if len(paused) == 2 else [])
            status = {**FINE, "reload_ok": is_well and bool(paused)}
            return daemon(status=status, reload=ANSWER)(method, path)

        played = Stage(client(answer))
        assert played.call("reload") == (0 if is_well else 1)
        assert played.text == "tinc.conf line 3: no such\n"
        assert len(paused) == 2

    def test_a_refusal(self) -> None:
        body = b'{"schema":1,"error":"not-allowed","text":"only root may"}'
        with pytest.raises(RequestRefused, match="only root may"):
            Stage(client(lambda *_: (403, body))).call("reload")


def test_many_nodes_take_few_lines() -> None:
    crowd = [mesh.node(f"n{number}", "none") for number in range(1000)]
    played = stage(nodes=[*NODES, *crowd])
    played.call("status")
    assert len(played.lines) < 40
    assert played.lines[-1].startswith("… 98")
    played = stage(nodes=[*NODES, *crowd])
    played.call("status", "-a")
    # Two lines of headline, a blank one, the head of the table; all but this node.
    assert len(played.lines) == 2 + 1 + 1 + 1004


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\n[link] fine"


@pytest.mark.parametrize("style", [PLAIN, Style(True)])
@pytest.mark.parametrize("words", [*JSON, "map --dot", "map --mermaid", "metrics"])
@pytest.mark.parametrize("json_", [False, True])
def test_no_record_steers_the_terminal(
    words: str, json_: bool, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text that a member may have chosen is replaced by a hostile one."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(routes, "run", lambda argv: (1, "", HOSTILE))
    if words in ("top --delay 0.1", "report") and not json_:
        pytest.skip("draws, or writes a file")
    if "map --" in words and json_ and "cuts" not in words:
        pytest.skip("the same as map --json")

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(below, name) for name, below in value.items()}
        if isinstance(value, list):
            return [poison(below, key) for below in value]
        is_text = isinstance(value, str) and key not in ("path", "at", "since", "code")
        return f"{HOSTILE}{value}" if is_text else value

    played = stage(style, **{**poison(LISTS), "status": poison(mesh.STATUS)})
    played.call(*words.split(), *(["--json"] if json_ else []))
    plain = played.text
    for code in ("1", "2", "32", "33", "31;1", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert all(line.isprintable() or "\t" in line for line in plain.split("\n"))
    assert not any(line.startswith("[link] fine") for line in plain.split("\n"))
    io.TextIOWrapper(io.BytesIO(), "utf-8").write(plain)
