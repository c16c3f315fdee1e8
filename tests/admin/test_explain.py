"""An explanation in words, to the column, and what the host adds to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.admin import mesh
from tests.admin.played import NOW, Stage, client, daemon
from tincd_compat.admin import explain, findings, kernel, routes, schema
from tincd_compat.admin.text import PLAIN, Record, Style
from tincd_compat.observe.explain import FACTS
from tincd_compat.observe.wording import SHAPES
from tincd_compat.observe.words import CheckName, EventKind


def check(name: str, text: str, result: str = "ok", **facts: Any) -> Record:
    """Return a check with all of its facts, those that are not given unknown."""
    given: dict[str, Any] = {**dict.fromkeys(FACTS[CheckName(name)]), **facts}
    return {"check": name, "result": result, "text": text, "facts": given}


def event(at: str, kind: str, text: str, reason: str | None = None) -> Record:
    facts = dict.fromkeys(SHAPES[EventKind(kind)].facts)
    return {
        **{"seq": 1, "at": at, "kind": kind, "node": "charlie", "reason": reason},
        **{"text": text, "facts": facts},
    }


CHECKS = [
    check("subnet", "10.0.3.17 is in 10.0.3.0/24 of charlie (weight 10)"),
    check("owner", "no other node announces it with that weight"),
    check("policy", "neither StrictSubnets nor TunnelServer keeps it out"),
    check("reachable", "charlie is reachable"),
    check("route", "alpha → charlie"),
    check("options", "both sides allow UDP: no TCPOnly, no IndirectData"),
    check(
        *("key", "charlie has given us a key", "ok"),
        cipher="aes-256-cbc",
        digest="sha256",
        mac_length=4,
        since="2026-11-30T03:03:10Z",
    ),
    check(
        *("address", "the address of charlie is known", "ok"),
        host="198.51.100.7",
        port=655,
        source="edge",
    ),
    check(
        *("probes", "no UDP probe to charlie is answered (30 probes sent)", "here"),
        sent=30,
        answered=0,
        phase="search",
    ),
    check(
        *("arrives", "its packets arrive by UDP, the last 2 s ago"),
        last_packet="2026-11-30T03:34:40Z",
    ),
    check("mtu", "not known without UDP", "skipped"),
    check("queue", "nothing is stuck on the link with charlie"),
]
EXPLANATION: dict[str, Any] = {
    "schema": 1,
    "at": "2026-11-30T03:34:42Z",
    "name": "alpha",
    "to": "10.0.3.17",
    "node": "charlie",
    "subnet": "10.0.3.0/24#10",
    "path": "tcp",
    "since": "2026-11-30T02:47:31Z",
    "rtt": 0.048,
    "nexthop": "charlie",
    "via": "charlie",
    "way": ["alpha", "charlie"],
    "weight": 12,
    "checks": CHECKS,
    "cause": {
        "check": "probes",
        "cause": "udp-lost-outward",
        "text": "So UDP from us to it is lost, not the other way: a firewall or NAT "
        "before charlie.",
    },
    "command": "tcpdump -ni any 'udp port 655 and host 192.0.2.1'",
    "fallback": {
        "without": ["alpha", "charlie"],
        "nexthop": "bravo",
        "weight": 46,
        "distance": 2,
    },
    "events": [
        event(
            *("2026-11-30T02:47:31Z", "path", "udp → tcp (no answer for 5 s)"),
            reason="no-answer",
        ),
        event("2026-11-30T02:46:58Z", "mtu", "MTU 1451"),
        event("2026-11-12T02:46:58Z", "reachable", "charlie: reachable"),
    ],
}
LINK = {
    "name": "charlie",
    "address": {"host": "198.51.100.7", "port": 655, "from": "dialled"},
    "opened": "us",
    "connect_to": True,
    "active": True,
}
ROUTE = [{"dst": "10.0.3.0/24", "dev": "vpn", "scope": "link", "flags": []}]

TEXT = """\
10.0.3.17 is in 10.0.3.0/24 of charlie (weight 10; no other node announces it with that weight).
Kernel: 10.0.3.0/24 dev vpn                                               ok
charlie is reachable; packets travel over TCP, 48 ms, since 02:47:31.
  alpha → charlie, link 198.51.100.7 port 655, opened by us (ConnectTo)
Why not UDP
  both sides allow UDP       no TCPOnly, no IndirectData                  ok
  it has given us a key      aes-256-cbc sha256/4, 31 min old             ok
  its address is known       198.51.100.7 port 655, from its edge         ok
  probes are answered        none of 30                                   <-- here
  its packets arrive by UDP  last 2 s ago                                 ok
  So UDP from us to it is lost, not the other way: a firewall or NAT before charlie.
  Look there: tcpdump -ni any 'udp port 655 and host 192.0.2.1'
If this link breaks: through bravo, weight 46 instead of 12.
Before: 02:47:31 udp → tcp (no answer for 5 s); 02:46:58 MTU 1451; 12 Nov reachable
"""  # noqa: E501


def kernel_of(**answers: tuple[int, str, str]) -> routes.Run:
    """Return a host: what ``ip route`` and ``ip link`` answer."""

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        default = json.dumps([{"ifname": "vpn", "flags": ["UP"]}])
        if argv[2] == "link":
            return answers.get("link", (0, default, ""))
        return answers.get("route", (0, json.dumps(ROUTE), ""))

    return run


def with_kernel(found: Record, run: routes.Run, *subnets: str) -> Record:
    checks = kernel.kernel_checks(found, subnets, "vpn", run)
    return explain.with_kernel(found, checks)


def render(found: Record, **more: Any) -> list[str]:
    given = {"style": PLAIN, "width": None, **more}
    return explain.render(found, [LINK], NOW, **given)


def test_it_looks_as_it_was_designed() -> None:
    assert render(with_kernel(EXPLANATION, kernel_of())) == TEXT.splitlines()


def test_80_columns_and_colours() -> None:
    found = with_kernel(EXPLANATION, kernel_of())
    Draft202012Validator(schema.load("explanation")).validate(found)
    plain = render(found, width=80)
    assert max(map(len, plain)) == 80
    assert [line[72:] for line in plain if "<--" in line] == ["<-- here"]
    coloured = render(found, width=80, style=Style(True))
    assert [strip(line) for line in coloured] == plain
    assert any("\x1b[31;1m<-- here" in line for line in coloured)


def strip(line: str) -> str:
    import re

    return re.sub(r"\x1b\[[\d;]*m", "", line)


@pytest.mark.parametrize(
    ("answers", "name", "cause", "words"),
    [
        (
            {"route": (2, "", "RTNETLINK answers: Network is unreachable\n")},
            *("kernel-route", "kernel-route", "10.0.3.17: Network is unreachable"),
        ),
        (
            {"route": (0, '[{"dst":"default","gateway":"10.1.1.1","dev":"eth0"}]', "")},
            *("kernel-route", "kernel-route"),
            "default via 10.1.1.1 dev eth0: not vpn",
        ),
        (
            {"route": (0, '[{"type":"blackhole","dst":"10.0.0.0/8"}]', "")},
            *("kernel-route", "kernel-route"),
            "10.0.3.17: the route is of type blackhole",
        ),
        (
            {"link": (1, "", "no device")},
            *("device", "device-down", "vpn: there is no device vpn"),
        ),
        (
            {"link": (0, '[{"flags":["POINTOPOINT"]}]', "")},
            *("device", "device-down", "vpn is down: ip link set vpn up"),
        ),
    ],
)
def test_what_the_host_has_wrong_comes_first(
    answers: dict[str, tuple[int, str, str]], name: str, cause: str, words: str
) -> None:
    found = with_kernel(EXPLANATION, kernel_of(**answers))
    assert found["cause"] == {"check": name, "cause": cause, "text": words}
    assert found["command"].startswith("ip ")
    assert any(words in line and "<-- here" in line for line in render(found))


@pytest.mark.parametrize(
    ("to", "subnets", "address"),
    [
        ("10.0.3.17", (), "10.0.3.17"),
        ("charlie", ("10.0.3.0/24#10",), "10.0.3.1"),
        ("charlie", ("10.0.3.7",), "10.0.3.7"),
        ("charlie", ("fd30:0:0:3:0:0:0:0/64",), "fd30:0:0:3::1"),
        ("charlie", ("02:00:5e:10:00:01", "10.0.3.0/24"), "10.0.3.1"),
        ("charlie", (), None),
    ],
)
def test_which_route_is_looked_at(
    to: str, subnets: tuple[str, ...], address: str | None
) -> None:
    assert kernel.address_of({"to": to}, subnets) == address


def test_a_host_that_cannot_tell_adds_nothing() -> None:
    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        raise FileNotFoundError("ip")

    assert kernel.kernel_checks(EXPLANATION, (), "vpn", run) == []
    assert kernel.kernel_checks(EXPLANATION, (), None, kernel_of()) == []
    for text in ("", "[]", "nonsense", "[1]"):
        broken = kernel_of(route=(0, text, ""), link=(0, text, ""))
        assert kernel.kernel_checks(EXPLANATION, (), "vpn", broken) == []


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"path": "none"}, "charlie cannot be reached since 02:47:31."),
        (
            {"path": None, "since": None},
            "charlie is reachable; no packet has gone there yet.",
        ),
        ({"path": "self"}, "charlie is this node."),
        (
            {"path": "relay_udp", "via": "bravo", "rtt": None, "since": None},
            "charlie is reachable; packets travel by UDP via bravo.",
        ),
        (
            {"path": "udp", "rtt": 1.5, "since": None},
            "charlie is reachable; packets travel by UDP, 1500 ms.",
        ),
        (
            {"fallback": {"nexthop": None}},
            "If this link breaks: there is no other way.",
        ),
    ],
)
def test_sentences(fields: dict[str, Any], line: str) -> None:
    assert line in render({**EXPLANATION, **fields})


def test_an_address_that_nobody_has() -> None:
    nobody = {
        **EXPLANATION,
        **{"to": "10.9.9.9", "node": None, "subnet": None, "path": None, "way": []},
        **{"fallback": None, "events": [], "since": None},
        "checks": [check("subnet", "no node has 10.9.9.9", "here")],
        "cause": {"check": "subnet", "cause": "no-subnet", "text": "Nobody has it"},
        "command": None,
    }
    assert render(nobody) == [
        "Why not at all",
        "  a node has the address     no node has 10.9.9.9                         "
        "<-- here",
        "  Nobody has it.",
    ]


@pytest.mark.parametrize(
    ("name", "result", "facts", "words"),
    [
        ("options", "here", {"tcp_only": True, "by": "charlie"}, "TCPOnly is set at"),
        ("options", "here", {"by": "charlie"}, "IndirectData is set at charlie"),
        ("options", "here", {}, "own words"),
        ("key", "here", {"cipher": "none"}, "own words"),
        ("key", "ok", {"cipher": None}, "own words"),
        ("probes", "ok", {"sent": 4, "answered": 3}, "3 of 4"),
        ("probes", "ok", {"sent": None, "answered": None}, "own words"),
        ("arrives", "here", {"last_packet": None}, "own words"),
        ("mtu", "here", {"mtu": 576, "best": 1451}, "576 bytes, once 1451"),
        ("mtu", "ok", {"mtu": 1451, "best": 1451}, "1451 bytes"),
        ("queue", "here", {"queued": 70000}, "70000 bytes wait"),
        ("new-one", "here", {"x": 1}, "own words"),
    ],
)
def test_details(name: str, result: str, facts: dict[str, Any], words: str) -> None:
    found = {"check": name, "result": result, "text": "own words", "facts": facts}
    assert findings.detail(found, NOW).startswith(words)
    assert findings.is_worth_a_line(found)


def test_the_reason_of_a_loss_is_what_was_found() -> None:
    text = "charlie is unreachable: our ConnectTo fails: connection refused"
    found = {"check": "reachable", "result": "here", "text": text, "facts": {}}
    assert findings.detail(found, NOW) == "our ConnectTo fails: connection refused"


def test_what_was_said_before_is_not_said_again() -> None:
    for name in ("subnet", "owner", "policy", "reachable", "route", "queue"):
        assert not findings.is_worth_a_line({"check": name, "result": "ok"})
    assert not findings.is_worth_a_line({"check": "mtu", "result": "skipped"})


def test_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "run", kernel_of())
    lists = {"explain": EXPLANATION, "status": mesh.STATUS, "links": [LINK]}
    stage = Stage(client(daemon(**lists, nodes=[mesh.CHARLIE])), width=None)
    assert stage.call("explain", "10.0.3.17") == 1
    assert stage.text == TEXT
    fine = {**EXPLANATION, "cause": None}
    stage = Stage(client(daemon(**{**lists, "explain": fine}, nodes=[mesh.CHARLIE])))
    assert stage.call("explain", "charlie", "--json") == 0
    [line] = stage.lines
    assert json.loads(line)["checks"][0]["check"] == "kernel-route"
