"""A server with two addresses: who has dialled the second hears answers from there.

A is behind a translation that lets in nothing but answers, b's routing table chooses
its first address. C tincd answers from there, so a C tincd as b is heard by TCP for
ever; what is proved of it is that, no more.
"""

from __future__ import annotations

import time
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.nat import Nat
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_SERVER: Final = ("PingInterval = 4", "PingTimeout = 3")
_FIRST_PORT: Final = 20000
#: The number of b's second address on the public network.
_SECOND: Final = 77
_LIMIT: Final = 20.0
#: Seconds in which a C tincd as b is given the chance.
_VAIN: Final = 10.0


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    inner, public = lab.lan(1), lab.lan(3)
    lab.nat(inner, public, 101, first_port=_FIRST_PORT)
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_SERVER),
        Plan(name="b", kind=kind_b, server=_SERVER),
    ]
    mesh = Mesh(lab, plans, lans={"a": [inner], "b": [public]})
    a, b = mesh
    a.namespace.add_route("default", inner.address(Nat.INSIDE))
    second, second6 = public.address(_SECOND), public.address6(_SECOND)
    b.namespace.add_address("eth0", second, 24)
    b.namespace.add_address("eth0", second6, 64)
    host = a.etc / "hosts" / "b"
    host.write_text(host.read_text().replace(b.outer[0], second))
    mesh.start()
    mesh.wait_reachable()
    started = time.monotonic()
    if kind_b is Kind.C:
        _is_deaf(a, b)
        return
    for node, other in ((a, "b"), (b, "a")):
        node.wait_pmtu(other, limit=_LIMIT)
    say(f"  {time.monotonic() - started:6.2f} s  until UDP works both ways")
    expect_equal("b as a sees it", _host(a, "b"), f"{second} port 655")
    datagrams = lab.capture(b, f"udp and src host {second} and src port 655")
    others = lab.capture(b, f"udp and src host {b.outer[0]}")
    sent = expect_ping(a, b.address, count=20, size=700).sent
    sent += expect_ping(b, a.address, count=20, size=700).sent
    datagrams.stop()
    others.stop()
    expect_equal("datagrams from the first address", others.count(), 0)
    expect_equal("both ways by UDP", datagrams.pings(700) >= sent, True)


def _is_deaf(a: TincNode, b: TincNode) -> None:
    time.sleep(_VAIN)
    wait_ping(a, b.address)
    row = a.row("b")
    say(f"          a knows {row.minmtu if row else None} bytes of UDP to b")
    expect_equal("UDP that a has with b", row.minmtu if row else None, 0)


def _host(node: TincNode, peer: str) -> str:
    row = node.row(peer)
    return row.host if row else ""


SCENARIO: Final = Scenario(
    name="two-addresses",
    summary="the second address of a server is dialled, and answers come from there",
    placements=(
        (Kind.C, Kind.C),
        (Kind.C, Kind.OURS),
        (Kind.OURS, Kind.C),
        (Kind.OURS, Kind.OURS),
    ),
    play=play,
)
