"""The exporter's page beside a daemon between two others: records, and a stream."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

from conformance.harness.asking import check, socket_of
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME
from conformance.harness.exporter import Exporter, messages
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, Failed, say, wait_for
from tincd_compat.admin.places import MOST_FOLLOWERS

#: What is passed on, to the schema of its records.
_LISTS: Final = {
    **{"status": "status", "nodes": "node", "links": "link", "edges": "edge"},
    **{"events?since=0": "event", "explain?to=a": "explanation"},
}
_FOLLOW: Final = f"/v1/{NETNAME}/follow?since=0"


def play(lab: Lab, placement: Placement) -> None:
    mesh = staged(lab, placement)
    _, b, c = mesh
    exporter = Exporter(lab, b.namespace, {NETNAME: socket_of(b)})
    _records(exporter)
    _refusals(exporter)
    with exporter.asked(_FOLLOW) as response:
        stream = messages(response)
        _wait(stream, "reachable", "c")
        c.stop()
        _wait(stream, "unreachable", "c")
        b.stop()
        kind, record = next(message for message in stream if message[0] == "trouble")
        expect(bool(record["text"]), f"{kind}: {record}")
        expect_equal("what comes behind it", list(stream), [])
    gone = exporter.get(f"/v1/{NETNAME}/nodes")
    expect_equal("without the daemon", gone.status, 503)
    expect("is not running" in gone.records[0]["text"], f"why: {gone.body!r}")
    b.start()
    expect_equal("with it again", exporter.get(f"/v1/{NETNAME}/nodes").status, 200)
    exporter.complain()


def staged(lab: Lab, placement: Placement) -> Mesh:
    """Start a, b and c, of which b has links with both others."""
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, connect_to=("c",)),
        Plan(name="c", kind=kind_c),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    return mesh


def _records(exporter: Exporter) -> None:
    page = exporter.get("/")
    expect_equal("the page", page.status, 200)
    policy = page.headers["Content-Security-Policy"]
    expect("default-src 'none'" in policy, f"policy {policy}")
    expect_equal("nets", exporter.get("/v1/nets").records, [{"nets": [NETNAME]}])
    for target, schema in _LISTS.items():
        found = exporter.get(f"/v1/{NETNAME}/{target}")
        expect_equal(f"status of {target}", found.status, 200)
        expect(bool(found.records), f"{target} has no record")
        for record in found.records:
            check(schema, record)
    nodes = exporter.get(f"/v1/{NETNAME}/nodes").records
    expect_equal("names", {node["name"] for node in nodes}, {"a", "b", "c"})


def _refusals(exporter: Exporter) -> None:
    for target in ("/", "/v1/nets", f"/v1/{NETNAME}/nodes", _FOLLOW):
        found = exporter.get(target, host="page.example:9655")
        expect_equal(f"{target} under a name from elsewhere", found.status, 421)
    for target in ("purge", "reload", "counters"):
        found = exporter.get(f"/v1/{NETNAME}/{target}")
        expect_equal(target, found.status, 404)
    posted = exporter.get(f"/v1/{NETNAME}/nodes", method="POST")
    expect_equal("status of a POST", posted.status, 501)
    [unknown] = exporter.get(f"/v1/{NETNAME}/explain?to=nobody").records
    expect_equal("who is not known", unknown["cause"]["cause"], "no-such-node")
    with ExitStack() as stack:
        for _ in range(MOST_FOLLOWERS):
            response = stack.enter_context(exporter.asked(_FOLLOW))
            expect_equal("status of a follower", response.status, 200)
        expect_equal("one too many", exporter.get(_FOLLOW).status, 503)
        found = exporter.get(f"/v1/{NETNAME}/nodes")
        expect_equal("who asks beside them", found.status, 200)

    def has_place() -> bool:
        with exporter.asked(_FOLLOW) as response:
            return response.status == 200

    wait_for("places of followers that have gone are free", has_place, SOON)


def _wait(stream: Any, kind: str, node: str) -> None:
    for _, event in stream:
        say(f"  {event.get('seq')} {event.get('kind')}: {event['text']}")
        if (event.get("kind"), event.get("node")) == (kind, node):
            check("event", event)
            return
    raise Failed(f"no event {kind} of {node} in the stream")


SCENARIO: Final = Scenario(
    name="page",
    summary="what the exporter's page is given, and what it is refused",
    placements=((Kind.C, Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS, Kind.OURS)),
    play=play,
    seconds=10,
)
