"""TunnelServer: those who connect to it reach it, and do not hear of each other."""

from __future__ import annotations

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_no_ping, expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import holds

_KEY = "AB" * 48


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, server=("TunnelServer = yes",)),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
        Plan(name="member", kind=kind_a),
    ]
    mesh = Mesh(lab, plans)
    a, b, c, _ = mesh
    path = a.etc / "hosts" / "a"
    path.write_text(f"Subnet = 10.50.0.0/16\n{path.read_text()}")
    for node in (a, b, c):
        node.start()
    b.wait_reachable("a", "c")
    refused = r"^Ignoring unauthorized ADD_SUBNET from a \(.+\): 10\.50\.0\.0/16#10$"
    for node in (a, c):
        node.wait_reachable("b")
        expect_ping(node, b.address, count=3)
        expect_ping(b, node.address, count=3)
    expect(b.log.has(refused), "a subnet that is not on file was not refused")
    expect_no_ping(a, c.address)

    mark = a.log.mark()
    _play_member(lab, mesh)
    c.stop()
    b.wait_unreachable("c")
    holds(
        "a hears of nothing but b",
        lambda: not a.log.has(r"^Got (ADD|DEL)_(EDGE|SUBNET)", mark),
        seconds=0.5,
    )
    dump = a.dump()
    expect_equal("nodes of a", set(dump.nodes), {"a", "b"})
    owners = {row.owner for row in dump.subnets}
    expect_equal("owners of subnets at a", owners, {"a", "b"})
    expect_equal("edges of a", dump.edge_names(), {("a", "b"), ("b", "a")})


def _play_member(lab: Lab, mesh: Mesh) -> None:
    """Nothing that is not between the member and b is of interest to b."""
    b = mesh["b"]
    member = Member(calling(lab, mesh, "b", "member"), "member")
    member.connect()
    expect_equal("subnets that the member is told", _told(member, "10"), 2)
    expect_equal("edges that the member is told", _told(member, "12"), 1)
    member.introduce()
    member.settle()
    member.wait_line(r"16 b member .*")
    mark, heard = b.log.mark(), len(member.heard)
    member.say(
        line.encode()
        for line in (
            "10 a1 a 10.51.0.0/16",
            "10 a2 member 10.52.0.0/16",
            "11 a3 a 172.30.1.0/24",
            "11 a4 member 172.30.4.0/24",
            "12 a5 x y 10.99.1.9 655 c 1",
            "12 a6 a c 10.99.1.3 655 c 1",
            "13 a7 c b",
            "13 a8 a b",
            "15 member a",
            f"16 member a {_KEY} 427 672 4 0",
            "14 a9 member",
        )
    )
    member.settle()
    for pattern in (
        r"Ignoring indirect ADD_SUBNET from member \(.+\) for 10\.51\.0\.0/16(#10)?",
        r"Ignoring unauthorized ADD_SUBNET from member \(.+\): 10\.52\.0\.0/16(#10)?",
        r"Ignoring indirect DEL_SUBNET from member \(.+\) for 172\.30\.1\.0/24(#10)?",
        r"Ignoring indirect ADD_EDGE from member \(.+\)",
    ):
        expect(b.log.has(f"^{pattern}$", mark), f"not logged: {pattern}")
    expect_equal("answers to the member", member.heard[heard:], ["9"])
    dump = b.dump()
    expect(not {"x", "y"} & set(dump.nodes), "b has learned of nodes behind the member")
    for subnet in (("172.30.1.0/24#10", "a"), ("172.30.4.0/24#10", "member")):
        expect(subnet in dump.owned(), f"b has forgotten {subnet[0]}")
    member.close()


def _told(member: Member, number: str) -> int:
    member.settle()
    return sum(line.split()[0] == number for line in member.heard)


SCENARIO = Scenario(
    name="tunnelserver",
    summary="who connects to a tunnel server hears of nobody else",
    placements=THREE,
    play=play,
    seconds=5,
)
