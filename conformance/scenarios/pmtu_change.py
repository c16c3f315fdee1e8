"""A path that becomes narrower, in silence or not, and a path that becomes wider.

C notices what is lost after PingInterval and PingTimeout, then looks for the path MTU
once a second, by sizes that it draws by lot: each change is waited for in this way.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.firewall import Firewall
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Lan, Router
from conformance.harness.probes import SteadyPing, expect_ping, ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer
from conformance.harness.waits import say

#: Short, so that C finds out within seconds too.
_SERVER: Final = ("PingInterval = 4", "PingTimeout = 3")
#: What a path carries and the largest frame on it: 1400 less IP and UDP is 1372, less
#: the MAC 1368; of that 85 AES blocks hold 1360, less the sequence number and a byte of
#: padding 1355.
_WIDE: Final = (1500, 1451)
_MIDDLE: Final = (1400, 1355)
_NARROW: Final = (1300, 1259)
#: A ping that only the wide path carries in one piece.
_SIZE: Final = 1390
#: C: PingInterval + PingTimeout until it notices. Then it sends by TCP.
_NOTICED: Final = 30.0
#: A search takes C 30 seconds where the kernel does not know.
_FOUND: Final = 60.0

_PLACEMENTS: Final = (
    (Kind.C, Kind.C),
    (Kind.OURS, Kind.C),
    (Kind.OURS, Kind.OURS),
)


def shrink(lab: Lab, placement: Placement) -> None:
    near, far = lab.lan(1), lab.lan(2)
    router = lab.router(near, far)
    mesh = _mesh(lab, placement, {"a": [near], "b": [far]})
    a, b = mesh
    for node, lan in ((a, near), (b, far)):
        node.namespace.add_route("default", lan.address(Router.HOST))
        node.namespace.cut_up("eth0")
    _start(mesh, _WIDE[1])
    firewall = Firewall(router.namespace)
    _silent_for_udp(lab, mesh, firewall)
    if Kind.C not in placement:
        # In C nothing of that size gets through any more, and connections flap: what
        # UDP does not carry goes into a TCP connection that carries it no better.
        _silent_for_all(lab, mesh, firewall)


def _silent_for_udp(lab: Lab, mesh: Mesh, firewall: Firewall) -> None:
    a, b = mesh
    steady = SteadyPing(lab, a, b.address, count=9000)
    say(f"  datagrams of more than {_NARROW[0]} bytes are lost, and nobody says so")
    firewall.limit_udp(_NARROW[0])
    for node, peer in ((a, b), (b, a)):
        wait_ping(node, peer.address, _NOTICED, size=_SIZE)
        expect_ping(node, peer.address, count=10, size=_SIZE, fragment="dont")
    _wait_found(mesh, _NARROW[1])
    result = steady.finish()
    say(f"          small pings meanwhile: {result}")
    expect_equal("small pings lost meanwhile", result.lost, 0)
    # Not beside pings: as much as a sender can fills a queue on the way at times.
    transfer(lab, a, b, 2)
    say("  and now they pass again")
    firewall.clear()
    _wait_found(mesh, _WIDE[1])
    expect_ping(a, b.address, count=10, size=_SIZE, fragment="dont")


def _silent_for_all(lab: Lab, mesh: Mesh, firewall: Firewall) -> None:
    a, b = mesh
    say(f"  all packets of more than {_NARROW[0]} bytes are lost, and nobody says so")
    steady = SteadyPing(lab, a, b.address, count=9000)
    firewall.limit_all(_NARROW[0])
    _wait_found(mesh, _NARROW[1])
    for node, peer in ((a, b), (b, a)):
        wait_ping(node, peer.address, _NOTICED, size=_SIZE, fragment="dont")
        expect_ping(node, peer.address, count=10, size=_SIZE, fragment="dont")
    transfer(lab, a, b, 2)
    result = steady.finish()
    say(f"          small pings meanwhile: {result}")


def grow(lab: Lab, placement: Placement) -> None:
    lan = lab.lan()
    mesh = _mesh(lab, placement, {"a": [lan], "b": [lan]})
    a, b = mesh
    _set_mtu(mesh, _MIDDLE[0])
    _start(mesh, _MIDDLE[1])
    say(f"  the link carries {_WIDE[0]} bytes instead of {_MIDDLE[0]}")
    _set_mtu(mesh, _WIDE[0])
    for node, peer in ((a, b), (b, a)):
        _wait_mtu(node, peer, _WIDE[1])
        expect_ping(node, peer.address, count=10, size=_SIZE, fragment="dont")
    say(f"  the link carries {_MIDDLE[0]} bytes again")
    _set_mtu(mesh, _MIDDLE[0])
    if Kind.C not in placement:
        _told(mesh)


def _told(mesh: Mesh) -> None:
    """The kernel refuses what does not fit: known after a packet, found in seconds."""
    a, b = mesh
    result = ping(a, b.address, count=100, size=_SIZE, fragment="dont")
    say(f"          pings of {_SIZE} bytes meanwhile: {result}")
    # The first of each side shows it, and what is refused with it.
    expect_between("pings lost meanwhile", result.lost, 0, 10)
    _wait_found(mesh, _MIDDLE[1])
    expect_ping(a, b.address, count=10, size=_SIZE, fragment="dont")


def _mesh(lab: Lab, placement: Placement, lans: dict[str, list[Lan]]) -> Mesh:
    kind_a, kind_b = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_SERVER),
        Plan(name="b", kind=kind_b, server=_SERVER),
    ]
    return Mesh(lab, plans, lans=lans)


def _start(mesh: Mesh, mtu: int) -> None:
    a, b = mesh
    mesh.start()
    mesh.wait_reachable()
    for node, peer in ((a, b), (b, a)):
        _wait_mtu(node, peer, mtu)
        expect_ping(node, peer.address, count=10, size=_SIZE, fragment="dont")


def _set_mtu(mesh: Mesh, mtu: int) -> None:
    for node in mesh:
        node.namespace.set_link("eth0", f"mtu {mtu}")


def _wait_found(mesh: Mesh, mtu: int) -> None:
    """Wait until ours know the path; C would take half a minute."""
    a, b = mesh
    for node, peer in ((a, b), (b, a)):
        if node.kind is Kind.OURS:
            _wait_mtu(node, peer, mtu)


def _wait_mtu(node: TincNode, peer: TincNode, mtu: int) -> None:
    node.wait_row(
        peer.name,
        f"at {mtu} bytes",
        lambda row: row.mtu_fixed and row.mtu == mtu,
        _FOUND,
    )


SHRINK = Scenario(
    name="pmtu-shrink",
    summary="a path silently becomes narrower: big packets are soon back",
    placements=_PLACEMENTS,
    play=shrink,
    seconds=35,
)
GROW = Scenario(
    name="pmtu-grow",
    summary="a path becomes wider: noticed, measured and used",
    placements=_PLACEMENTS,
    play=grow,
    seconds=20,
)
