"""An explanation in words, to the column, and what the host adds to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.admin import mesh
from tests.admin.played import NOW, Stage, client, daemon
from tincd_compat.admin import explain, kernel, routes
from tincd_compat.admin.text import PLAIN, Record, Style


def check(name: str, text: str, result: str = "ok", **facts: Any) -> Record:
    return {"check": name, "result": result, "text": text, "facts": facts}


def event(at: str, kind: str, text: str, node: str | None = "charlie") -> Record:
    return {
        **{"seq": 1, "at": at, "kind": kind, "node": node, "reason": None},
        **{"text": text, "facts": {}},
    }


CHECKS = [
    check("subnet", "10.0.3.17 is in 10.0.3.0/24 of charlie"),
    check("owner", "no other node announces it"),
    check("policy", "neither StrictSubnets nor TunnelServer", "skipped"),
    check("address", "198.51.100.7 port 655, from its edge"),
    check("options", "no TCPOnly, no IndirectData"),
    check("key", "aes-256-cbc sha256/4, 31 min old"),
    check("probes", "30 of 64…1518 bytes since 02:47:31: none", "here"),
    check("arrives", "last 2 s ago"),
    check("mtu", "not known", "skipped"),
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
        event("2026-11-30T02:47:31Z", "path", "udp → tcp (no answer for 5 s)"),
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
10.0.3.17 is in 10.0.3.0/24 of charlie. no other node announces it.
Kernel: 10.0.3.0/24 dev vpn                                               ok
charlie is reachable; packets travel over TCP, 48 ms, since 02:47:31.
  alpha → charlie, link 198.51.100.7 port 655, opened by us (ConnectTo)
Why not UDP
  its address is known       198.51.100.7 port 655, from its edge         ok
  both sides allow UDP       no TCPOnly, no IndirectData                  ok
  it has given us a key      aes-256-cbc sha256/4, 31 min old             ok
  probes are answered        30 of 64…1518 bytes since 02:47:31: none     <-- here
  its packets arrive by UDP  last 2 s ago                                 ok
  So UDP from us to it is lost, not the other way: a firewall or NAT before charlie.
  Look there: tcpdump -ni any 'udp port 655 and host 192.0.2.1'
If this link breaks: through bravo, weight 46 instead of 12.
Before: 02:47:31 udp → tcp (no answer for 5 s); 02:46:58 MTU 1451; 12 Nov reachable
"""


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
    assert render(nobody) == ["no node has 10.9.9.9.", "  Nobody has it."]


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
