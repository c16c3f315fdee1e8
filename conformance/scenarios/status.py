"""What the control socket says of a daemon between two others, by its schemas."""

from __future__ import annotations

from typing import Final

from conformance.harness.asking import Record, ask, wait_record
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, wait_for


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, connect_to=("c",)),
        Plan(name="c", kind=kind_c),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    b.start()
    _alone(mesh)
    for node in (c, a):
        node.start()
    mesh.wait_reachable()
    for node in (a, c):
        wait_ping(b, node.address)
    b.wait_pmtu("a", "c")
    expect_ping(b, a.address, count=3)
    _nodes(mesh)
    _lists(mesh)
    _explained(mesh)
    for target in ("/v1/nothing", "/v1/nodes?what=1", "/v1/nodes?node=nobody"):
        status, [failure] = ask(b, target)
        expect(status in (400, 404) and bool(failure["text"]), f"{target}: {failure}")
    c.kill()
    lost = wait_record(b, "c is lost", "/v1/nodes?node=c", lambda r: not r["reachable"])
    expect_equal("the path to who is lost", lost["path"], "none")
    wait_record(
        *(b, "the ConnectTo fails", "/v1/status"),
        lambda r: [g["last"] for g in r["connect_to"] if not g["up"]] == ["refused"],
    )


def _alone(mesh: Mesh) -> None:
    """Nobody answers at the ConnectTo."""
    _, b, _ = mesh
    status = wait_record(
        *(b, "the dial was refused", "/v1/status"),
        lambda r: bool(r["connect_to"]) and r["connect_to"][0]["last"] is not None,
    )
    expect_equal("net and name", (status["net"], status["name"]), ("vpn", "b"))
    expect_equal("links", status["links"], 0)


def _nodes(mesh: Mesh) -> None:
    _, b, _ = mesh
    for name in ("a", "c"):
        node = wait_record(
            *(b, f"{name} is reached by UDP", f"/v1/nodes?node={name}"),
            lambda r: r["path"] == "udp" and r["rtt_udp"] is not None,
        )
        expect(node["mtu"] is not None and node["mtu"] > 1300, f"mtu {node['mtu']}")
        for way in ("sent", "received"):
            expect(node[way]["packets"] > 1 and node[way]["bytes"] > 80, f"{node}")
        expect(0 < node["rtt_udp"] < 5, f"round trip {node['rtt_udp']}")
        expect(node["last_packet"] is not None, "the last packet of a node")
        expect_equal("the key's cipher", node["key"]["cipher"], "aes-256-cbc")
        expect_equal("what its address is known by", node["address"]["port"], 655)
        expect_equal("links on the way", (node["distance"], node["linked"]), (1, True))
        expect(node["probes"]["answered"] > 0, "answered probes")
    _, [own] = ask(b, "/v1/nodes?node=b")
    expect_equal("the node itself", (own["self"], own["path"]), (True, "self"))
    _, every = ask(b, "/v1/nodes")
    expect_equal("names", {record["name"] for record in every}, {"a", "b", "c"})


def _lists(mesh: Mesh) -> None:
    _, b, _ = mesh
    _, [status] = ask(b, "/v1/status")
    expect_equal("paths", (status["nodes"]["udp"], status["nodes"]["known"]), (2, 2))
    expect_equal("links and edges", (status["links"], status["edges"]), (2, 4))
    _, links = ask(b, "/v1/links")
    ways = {link["name"]: link["opened"] for link in links}
    expect_equal("who has opened which link", ways, {"a": "peer", "c": "us"})
    expect(all(link["rsa_bits"] >= 1024 for link in links), "bits of keys")
    _, edges = ask(b, "/v1/edges")
    ends = {(edge["from"], edge["to"]) for edge in edges}
    expect_equal("edges", ends, {("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")})
    _, subnets = ask(b, "/v1/subnets")
    expect_equal("owners", {record["owner"] for record in subnets}, {"a", "b", "c"})
    _, [counters] = ask(b, "/v1/counters")
    expect(counters["data_bytes"]["sent"]["udp"] > 0, "bytes by UDP")
    expect(_messages(counters, "ADD_EDGE") > 0, "messages about edges")
    expect(counters["process"]["resident_bytes"] > 1 << 20, "the memory of the process")
    # Paths are looked at once a second.
    wait_for("events of each kind", lambda: _has_each_kind(b), SOON)


def _has_each_kind(node: TincNode) -> bool:
    _, events = ask(node, "/v1/events")
    wanted = {"start", "link-up", "reachable", "dial", "path", "key", "mtu"}
    return wanted <= {event["kind"] for event in events}


def _messages(counters: Record, name: str) -> int:
    found = counters["meta_messages"]["received"].get(name, 0)
    assert isinstance(found, int)
    return found


def _explained(mesh: Mesh) -> None:
    a, b, _ = mesh
    for target in ("a", str(a.address)):
        _, [record] = ask(b, f"/v1/explain?to={target}")
        expect_equal(f"the owner of {target}", record["node"], "a")
        expect_equal(f"what is wrong with {target}", record["cause"], None)


SCENARIO: Final = Scenario(
    name="status",
    summary="what the control socket says, record by record, between C tincds",
    placements=((Kind.C, Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS, Kind.OURS)),
    play=play,
    seconds=20,
)
