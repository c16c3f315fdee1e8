"""A member that floods: what it asks for without reading, and what it announces.

Of nodes C is told fewer, since it computes its graph for each edge: it loses pings for
two seconds over a thousand nodes.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, joined
from conformance.harness.peer import Target
from conformance.harness.scenario import Scenario
from conformance.harness.siege import siege
from conformance.harness.usage import usage
from conformance.harness.waits import wait_for

_PING_TIMEOUT: Final = 2
_SERVER: Final = (f"PingTimeout = {_PING_TIMEOUT}",)
_SUBNETS: Final = 10_000
_NODES: Final = {Kind.C: 100, Kind.OURS: 1_000}
#: Answered with 130 bytes each: more than all buffers between two sockets hold.
_REQUESTS: Final = 80_000
#: Before a member is late with reading, it is answered all of that.
_GIVEN_UP: Final = 40.0
#: Of memory, what a member that does not read may cost, in KiB.
_MOST_MEMORY: Final = 40_000


def play(lab: Lab, placement: Placement) -> None:
    with siege(lab, placement, server=_SERVER, debug=1) as scene:
        _does_not_read(scene.target, scene.victim)
        _announces(scene.target, scene.victim, scene.witness)


def _does_not_read(target: Target, victim: TincNode) -> None:
    """Whoever leaves its answers unread is given up after PingTimeout."""
    member = joined(target, "member")
    mark, before = victim.log.mark(), usage(victim.pid).resident
    member.say([b"15 member victim"] * _REQUESTS)

    def given_up() -> bool:
        member.send()
        return victim.log.has(r"^member \(.+\) could not flush for \d+ seconds", mark)

    wait_for("given up for not reading", given_up, _GIVEN_UP)
    grown = usage(victim.pid).resident - before
    if victim.kind is Kind.OURS:
        expect_between("KiB of memory for it", grown, -_MOST_MEMORY, _MOST_MEMORY)
    member.close()


def _announces(target: Target, victim: TincNode, witness: TincNode) -> None:
    member = Member(target, "member")
    member.connect()
    member.introduce()
    nodes, lines = min(_NODES[victim.kind], _NODES[witness.kind]), []
    for number in range(_SUBNETS):
        subnet = f"10.{number >> 8 & 0xFF}.{number & 0xFF}.0/24"
        lines.append(f"10 1{number:x} member {subnet}".encode())
    for number in range(nodes):
        for ends in (f"member n{number}", f"n{number} member"):
            line = f"12 {len(lines):x} {ends} 10.0.0.1 655 c {number}"
            lines.append(line.encode())
    member.say(lines)
    member.settle(limit=20)
    witness.wait_reachable(f"n{nodes - 1}", limit=20)
    expect_equal("nodes known", len(victim.dump().nodes), 3 + nodes)
    member.close()
    witness.wait_unreachable("member", limit=10)


SCENARIO = Scenario(
    name="floods",
    summary="a member that announces thousands, or asks and does not read",
    placements=TWO,
    play=play,
    seconds=25,
)
