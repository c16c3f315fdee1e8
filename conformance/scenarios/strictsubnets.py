"""StrictSubnets: only what the own host files say counts, but others may hear it all.

``b`` is strict, between ``a`` and ``c``, which are not.
"""

from __future__ import annotations

import signal

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON

_LISTED = ("172.30.1.0/24#10", "a")
_UNLISTED = ("10.50.0.0/16#10", "a")
_SILENT = ("10.60.0.0/16#10", "a")
_GHOST = ("10.70.0.0/16#3", "ghost")
_PLAYED = ("172.30.4.0/24#10", "member")


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    strict = ("StrictSubnets = yes",)
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, server=strict),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
        Plan(name="member", kind=kind_a),
    ]
    mesh = Mesh(lab, plans)
    a, b, c, _ = mesh
    # a announces what b has not on file, and b has on file what a does not announce.
    _add_line(a, "a", "Subnet = 10.50.0.0/16")
    _add_line(b, "a", "Subnet = 10.60.0.0/16")
    (b.etc / "hosts" / "ghost").write_text("Subnet = 10.70.0.0/16#3\n")
    for node in (b, c):
        node.start()
    # What b passes on without keeping it, whoever comes later does not hear.
    c.wait_reachable("b")
    _wait_owned(c, _SILENT, _GHOST)
    a.start()
    b.wait_reachable("a")
    c.wait_reachable("a", "b")

    # a knows better what it owns; b passes that on, too, and stays with its files.
    _wait_owned(c, _UNLISTED)
    c.wait_dump("corrected by a", lambda dump: _SILENT not in dump.owned(), SOON)
    refused = r"^Ignoring unauthorized ADD_SUBNET from a \(.+\): 10\.50\.0\.0/16#10$"
    b.log.wait(refused, SOON)
    owned = b.dump().owned()
    expect(_UNLISTED not in owned, "b believes a")
    expect({_SILENT, _GHOST, _PLAYED} <= owned, "b does not believe its own files")
    expect("ghost" in b.dump().nodes, "b does not list a node of its files")
    expect_ping(b, a.address, count=3)
    expect_ping(c, a.address, count=3)

    _withdraw(lab, mesh)
    a.stop()
    b.wait_unreachable("a")
    b.signal(signal.SIGWINCH)
    b.log.wait(r"^Purging unreachable nodes$", SOON)
    c.wait_dump("a's subnets gone", lambda dump: _LISTED not in dump.owned(), SOON)
    owned = b.dump().owned()
    expect({_LISTED, _SILENT} <= owned, "b has forgotten what is in its files")


def _withdraw(lab: Lab, mesh: Mesh) -> None:
    """A member withdraws its subnet: c forgets it, b goes by its file."""
    b, c = mesh["b"], mesh["c"]
    member = Member(calling(lab, mesh, "b", "member"), "member")
    member.connect()
    member.introduce()
    member.own("10.80.0.0/16")
    c.wait_reachable("member")
    _wait_owned(c, _PLAYED, ("10.80.0.0/16#10", "member"))
    member.say([b"11 a1 member 172.30.4.0/24", b"11 a2 member 10.80.0.0/16"])
    member.settle()
    said = {("10.80.0.0/16#10", "member"), _PLAYED}
    c.wait_dump("member's subnets gone", lambda dump: not dump.owned() & said, SOON)
    expect_equal("what b believes", b.dump().owned() & said, {_PLAYED})
    member.close()


def _add_line(node: TincNode, name: str, line: str) -> None:
    path = node.etc / "hosts" / name
    path.write_text(f"{line}\n{path.read_text()}")


def _wait_owned(node: TincNode, *subnets: tuple[str, str]) -> None:
    what = ", ".join(subnet for subnet, _ in subnets)
    node.wait_dump(what, lambda dump: set(subnets) <= dump.owned(), SOON)


SCENARIO = Scenario(
    name="strictsubnets",
    summary="only subnets on file are believed, all are passed on",
    placements=THREE,
    play=play,
    seconds=5,
)
