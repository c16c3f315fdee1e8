"""``tincd-compat ping`` asks C tincds, and says by which path each answer came.

The middle one is a neighbour, the last one is reached through it until datagrams go
straight.  That C notices lost datagrams after PingInterval and PingTimeout only is what
a case waits for.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.operator import Operator
from conformance.harness.scenario import Scenario

_SERVER: Final = ("PingInterval = 3", "PingTimeout = 2")
_LIMIT: Final = 45.0
_COUNT: Final = 20


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_SERVER),
        Plan(name="b", kind=kind_b, server=_SERVER),
        Plan(name="c", kind=kind_c, connect_to=("b",), server=_SERVER),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    mesh.start()
    mesh.wait_reachable()
    operator = Operator(a)
    mtu = a.wait_pmtu("b")
    _by_udp(operator, "b", b.outer[0])
    # Nobody has spoken to c: a ping is what asks it for its key.
    first = operator.records("ping", "c", "-c", "1", of=("ping",))
    expect_equal("a node that has given no key", first[0]["result"], "no-key")
    operator.wait(
        *("c answers by UDP", ("ping", "c", "-c", "1")),
        *(lambda said: said.status == 0 and " by udp " in said.out, _LIMIT),
    )
    a.wait_pmtu("c")
    _by_udp(operator, "c", c.outer[0])
    row = a.dump().nodes["b"]
    expect_equal("path MTU of b, untouched", (row.minmtu, row.maxmtu), (mtu, mtu))
    firewall = lab.firewall(a)
    firewall.block_udp(c.outer[0])
    said = operator.expect(1, "ping", "c", "-c", "1")
    expect("has not answered by UDP at" in said.out, said.out)
    said = operator.wait(
        *("c is behind b", ("ping", "c")),
        *(lambda said: said.status == 2 and len(said.lines) == 1, _LIMIT),
    )
    expect("go through b" in said.out, said.out)
    firewall.block_udp(b.outer[0])
    operator.wait(
        *("b answers over its link", ("ping", "b", "-c", "1")),
        *(lambda said: said.status == 0 and " by tcp (link) " in said.out, _LIMIT),
    )
    records = operator.records("ping", "b", "-i", "0.1", of=("ping",))
    expect_equal("answers over the link", len(records), 4)
    times = [float(record["rtt"]) for record in records]
    expect(all(0 < rtt < 1 for rtt in times), f"round trips: {times}")
    firewall.clear()
    c.kill()
    a.wait_unreachable("c")
    operator.expect(1, "ping", "c", "-c", "1")
    expect("is this node" in operator.expect(2, "ping", "a").out, "itself")
    operator.expect(1, "ping", "nobody")


def _by_udp(operator: Operator, name: str, host: str) -> None:
    """Ask many times in a row: all are answered, from where the node is."""
    words = ("ping", name, "-c", str(_COUNT), "-i", "0.1")
    lines = operator.expect(0, *words).lines
    answers = [line for line in lines if f" by udp  from {host} port 655" in line]
    expect_equal("answers by UDP", len(answers), _COUNT)
    asked = f"{_COUNT} questions, {_COUNT} answers; "
    expect(lines[-1].startswith(asked), lines[-1])


SCENARIO: Final = Scenario(
    name="ping-node",
    summary="tincd-compat ping: by UDP, over the link, behind another node, lost",
    placements=(
        (Kind.OURS, Kind.C, Kind.C),
        (Kind.OURS, Kind.OURS, Kind.OURS),
    ),
    play=play,
    seconds=28,
)
