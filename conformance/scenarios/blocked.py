"""UDP is blocked one way, then both ways, then let through: never without a path.

C notices that datagrams are lost after PingInterval and PingTimeout, and looks for the
path MTU once a second: that is what a case waits for, at each change.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_SERVER: Final = ("PingInterval = 3", "PingTimeout = 2")
_COUNT: Final = 20
_SIZE: Final = 1000
_LIMIT: Final = 45.0


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement, server=_SERVER)
    a, b = mesh
    mesh.start()
    mesh.wait_reachable()
    _on_udp(a, b)
    firewall = lab.firewall(a)
    say("  a hears no datagram any more, b still does")
    firewall.deafen(b.outer[0])
    _on_tcp(a, b)
    say("  now b hears none either")
    firewall.block_udp(b.outer[0])
    _on_tcp(a, b)
    say("  all pass again")
    firewall.clear()
    _on_udp(a, b)


def _on_tcp(a: TincNode, b: TincNode) -> None:
    """Wait until all data goes over TCP, and see that it does."""
    wait_ping(a, b.address, _LIMIT, size=_SIZE)
    for node, peer in ((a, b), (b, a)):
        node.wait_row(peer.name, "over TCP", lambda row: row.minmtu == 0, _LIMIT)
        expect_ping(node, peer.address, count=_COUNT, size=_SIZE)


def _on_udp(a: TincNode, b: TincNode) -> None:
    for node, peer in ((a, b), (b, a)):
        node.wait_pmtu(peer.name)
        expect_ping(node, peer.address, count=_COUNT, size=_SIZE)


SCENARIO = Scenario(
    name="udp-blocked",
    summary="UDP blocked one way, both ways, and free again: TCP meanwhile",
    placements=(
        (Kind.C, Kind.C),
        (Kind.OURS, Kind.C),
        (Kind.OURS, Kind.OURS),
    ),
    play=play,
    seconds=25,
)
