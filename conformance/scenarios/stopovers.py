"""Bulk TCP by way of a stop: segment routing (SRv6), and source routes of IPv4.

The checksum of TCP covers the address of the last stop, which is not in the IP header.
So a checksum that somebody finishes with what the header says is wrong, and of a
connection that opens nothing arrives once its segments come in one piece.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.probes import Host, expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

_MEGABYTES: Final = 10
#: A routing header makes packets longer behind TCP's back; those of this length fit.
_UP: Final = ("ip link set $INTERFACE mtu 1350",)
_SYSCTLS: Final = (
    *(f"net/ipv6/conf/{each}/seg6_enabled" for each in ("all", NETNAME)),
    *(f"net/ipv4/conf/{each}/accept_source_route" for each in ("all", NETNAME)),
)


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement, up=_UP)
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    a, b = mesh
    for number, node in enumerate(mesh, start=1):
        _prepare(node, number)
    for source, target, number in ((a, b, 2), (b, a, 1)):
        far6 = _lead(source, target, number)
        expect_ping(source, far6)
        behind = Host(f"{target.name} by SRv6", target.namespace, far6)
        transfer(lab, source, behind, _MEGABYTES)
        behind = Host(f"{target.name} by IPv4", target.namespace, _far(number))
        transfer(lab, source, behind, _MEGABYTES, stop=target.address)


def _far(number: int) -> str:
    return f"10.77.0.{number}"


def _far6(number: int) -> str:
    return f"fd77::{number}"


def _prepare(node: TincNode, number: int) -> None:
    """Give a node addresses that are behind its own in the mesh."""
    writes = "; ".join(f"echo 1 > /proc/sys/{each}" for each in _SYSCTLS)
    node.namespace.run("sh", "-c", writes)
    node.namespace.add_address(NETNAME, _far(number), 32)
    node.namespace.add_address(NETNAME, _far6(number), 128)


def _lead(source: TincNode, target: TincNode, number: int) -> str:
    """Let a node's packets pass a stop in the mesh; return the address behind it."""
    way = ("encap", "seg6", "mode", "inline", "segs", target.address6)
    far, own = _far6(number), ("src", source.address6)
    source.namespace.run("ip", "-6", "route", "add", far, *way, "dev", NETNAME, *own)
    return far


SCENARIO = Scenario(
    name="stopovers",
    summary="TCP by way of a stop, by SRv6 and by an IPv4 source route",
    placements=TWO,
    play=play,
    seconds=18,
)
