"""Forwarding = kernel: the middle node's own routing table passes packets on."""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect_between
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_no_ping, expect_ping
from conformance.harness.scenario import Scenario

_KERNEL: Final = ("Forwarding = kernel",)
_PINGS: Final = 20
_ROUTE: Final = """
cd /proc/sys/net
for each in all vpn; do echo 0 > ipv4/conf/$each/send_redirects; done
echo 1 > ipv4/ip_forward
echo 1 > ipv6/conf/all/forwarding
"""
#: With forwarding there are routes that the daemon would seem to have left.
_ROUTE_NO_MORE: Final = "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding"


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    left, right = lab.lan(1), lab.lan(2)
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, server=_KERNEL),
        Plan(name="c", kind=kind_c, connect_to=("b",)),
    ]
    mesh = Mesh(lab, plans, lans={"a": [left], "b": [left, right], "c": [right]})
    a, b, c = mesh
    mesh.start()
    mesh.wait_reachable()
    expect_no_ping(a, c.address)
    b.namespace.run("sh", "-ec", _ROUTE)
    echoes = f"(icmp and host {c.address}) or (icmp6 and host {c.address6})"
    capture = lab.capture(b, echoes, device="vpn")
    sent = [
        expect_ping(a, address, count=_PINGS).sent
        for address in (c.address, c.address6)
    ]
    capture.stop()
    b.namespace.run("sh", "-c", _ROUTE_NO_MORE)
    # In from one side and out to the other, the echo and its answer.
    echoes6 = "icmp6 and ip6[40] >= 128 and ip6[40] <= 129"
    for echo, least in zip(("icmp", echoes6), sent, strict=True):
        passed = capture.count(echo)
        what = f"{echo} on the device of b"
        expect_between(what, passed, 4 * least, 4 * _PINGS)


SCENARIO: Final = Scenario(
    name="kernel-router",
    summary="what passes the middle passes its kernel",
    placements=((Kind.C, Kind.C, Kind.C), (Kind.C, Kind.OURS, Kind.C)),
    play=play,
    seconds=5,
)
