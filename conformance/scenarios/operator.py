"""An operator at the middle one of three asks with every verb, and changes something.

What the socket answers fits the schemas; who is not in its group learns how to be.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.operator import Operator, Record
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario

_LIMIT: Final = 30.0
#: Verb to the schemas of what it prints.
_RECORDS: Final = {
    ("status",): ("status", "node"),
    ("events",): ("event",),
    ("health",): ("health",),
    ("wait", "--node", "c"): ("wait",),
    ("top", "--delay", "0.1"): ("rate",),
    ("map",): ("edge",),
    ("audit",): ("audit",),
    ("metrics",): ("counters",),
    ("ping", "a", "-c", "2"): ("ping",),
    ("report",): (*("status", "node", "link", "edge", "subnet", "event", "counters"),),
}


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, subnets=("172.30.2.0/24", "172.30.2.1/32")),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    operator = Operator(b)
    said = operator.expect(2, "status")
    expect("is not running" in said.error, f"nobody there: {said.error}")
    expect_equal("output without a daemon", said.out, "")
    operator.expect(2, "health")
    mesh.start()
    operator.expect(0, "wait", "--node", "a", "--node", "c")
    for node in (a, c):
        wait_ping(b, node.address)
        node.wait_pmtu("b")
    _ask(operator)
    _rights(operator)
    _change(mesh, operator)
    c.kill()
    operator.wait(
        *("c is lost", ("health", "--node", "c")),
        *(lambda said: said.status == 2 and "c cannot be reached" in said.out, _LIMIT),
    )
    operator.expect(1, "wait", "--node", "c", "--timeout", "0")


def _ask(operator: Operator) -> None:
    """Look with every verb; nothing is wrong."""
    for words, names in _RECORDS.items():
        operator.records(*words, of=names)
    rows = operator.wait(
        *("both are reached by UDP", ("status", "--json")),
        *(lambda said: _paths(said.records) == ["self", "udp", "udp"], _LIMIT),
    ).records
    nodes = {row["name"]: row for row in rows[1:]}
    expect_equal("nodes", set(nodes), {"a", "b", "c"})
    lines = operator.says("status").lines
    expect(lines[0].startswith("vpn: b, router mode, up "), lines[0])
    shown = [line.split()[0] for line in lines if line.split()[1:2] == ["udp"]]
    expect_equal("lines of nodes", shown, ["a", "c"])
    expect_equal("names", operator.expect(0, "names").out, "172.30.2.1\tb\n")
    drawn = [line.split()[:2] for line in operator.expect(0, "map").lines]
    expect_equal("the map", drawn, [["b"], ["├──", "a"], ["└──", "c"]])
    operator.expect(0, "map", "--cuts")
    expect("tinc_up{" in operator.expect(0, "metrics").out, "no metrics")
    expect("-- " in operator.expect(0, "map", "--dot").out, "no graph")


def _paths(records: list[Record]) -> list[str]:
    return sorted(str(row["path"]) for row in records[1:])


def _rights(operator: Operator) -> None:
    """A user that is in no group is told what to do, and changes nothing."""
    stranger = Operator(operator.node, user="65534")
    said = stranger.expect(2, "status")
    expect("no permission" in said.error, f"a stranger is told: {said.error}")
    expect_equal("a check by a stranger", stranger.says("health").status, 3)
    stranger.expect(2, "reload")
    stranger.expect(2, "ping", "a")


def _change(mesh: Mesh, operator: Operator) -> None:
    """Have the daemon do what signals do, and close a connection."""
    a, b, _ = mesh
    for words in (("reload",), ("retry",), ("purge",), ("log-level", "1")):
        said = operator.expect(0, *words)
        expect(len(said.out) > 10, f"{words[0]} says nothing")
        operator.records(*words, of=("answer",))
    operator.expect(1, "disconnect", "nobody")
    mark = a.log.mark()
    operator.expect(0, "disconnect", "a")
    a.log.wait(r"^Connection with b \(.+\) activated$", _LIMIT, since=mark)
    wait_ping(b, a.address)
    expect_ping(b, a.address, count=3)


SCENARIO: Final = Scenario(
    name="operator",
    summary="every verb of tincd-compat at a running daemon, its records and rights",
    placements=((Kind.C, Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS, Kind.OURS)),
    play=play,
    seconds=25,
)
