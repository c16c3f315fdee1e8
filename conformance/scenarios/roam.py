"""A node gets another address in the middle of a transfer: the transfer completes.

Meta connections stay at the old address until PingInterval and PingTimeout are over,
and C looks for the path MTU once a second: both are waited for.
"""

from __future__ import annotations

import json
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.dumps import Dump
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import Transfer
from conformance.harness.waits import say, wait_for

_SERVER: Final = ("PingInterval = 3", "PingTimeout = 2")
_MEGABYTES: Final = 100
#: So much of the transfer is done when the address changes.
_BEGUN: Final = 4_000_000
_ELSEWHERE: Final = 77


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    lan = lab.lan()
    plans = [
        Plan(name="a", kind=kind_a, server=_SERVER),
        Plan(name="b", kind=kind_b, connect_to=("a",), server=_SERVER),
    ]
    mesh = Mesh(lab, plans, lans={"a": [lan], "b": [lan]})
    a, b = mesh
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    running = Transfer(lab, b, a, _MEGABYTES)
    wait_for("the transfer is under way", lambda: _moved(b) > _BEGUN, 20, 0.01)
    new = lan.address(_ELSEWHERE)
    _move(b, b.outer[0], new)
    expect(running.running, "the transfer was over before the address changed")
    say(f"  b is at {new} now")
    here = f"{new} port 655"
    a.wait_row("b", f"at {new}", lambda row: row.host == here, 20)
    running.finish()
    # The meta connection is tied to the old address: it has to fail and be made anew.
    a.wait_dump(f"connected to b at {new}", lambda dump: _connected(dump, new), 30)
    mesh.wait_reachable()
    mesh.wait_pmtu()
    for node, peer in ((a, b), (b, a)):
        expect_ping(node, peer.address, count=20, size=1000)
    _move(b, new, b.outer[0])


def _move(node: TincNode, old: str, new: str) -> None:
    node.namespace.run("ip", "addr", "del", f"{old}/24", "dev", "eth0")
    node.namespace.add_address("eth0", new, 24)


def _connected(dump: Dump, address: str) -> bool:
    return any(
        row.active and row.host.startswith(f"{address} port ")
        for row in dump.connections
    )


def _moved(node: TincNode) -> int:
    """Return how many bytes of the device's packets the daemon was given."""
    shown = node.namespace.run("ip", "-j", "-s", "link", "show", "dev", NETNAME)
    sent: int = json.loads(shown.stdout)[0]["stats64"]["tx"]["bytes"]
    return sent


SCENARIO = Scenario(
    name="roam",
    summary="an address changes in the middle of a transfer, which completes",
    placements=(
        (Kind.C, Kind.C),
        (Kind.OURS, Kind.C),
        (Kind.C, Kind.OURS),
        (Kind.OURS, Kind.OURS),
    ),
    play=play,
    seconds=20,
)
