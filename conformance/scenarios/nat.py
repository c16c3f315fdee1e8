"""Nodes behind address translation: they find each other with the help of a third.

The case waits for C, which notices that datagrams are lost after PingInterval and
PingTimeout, and probes its own network once a second from a socket drawn by lot.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import NodeRow
from conformance.harness.kinds import THREE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.nat import PORTS, Nat
from conformance.harness.netns import Lan
from conformance.harness.probes import expect_ping, ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_SERVER: Final = ("PingInterval = 4", "PingTimeout = 3")
_COUNT: Final = 20
_SIZE: Final = 700
#: First ports of the two translations, and later ones of the first.
_LEFT, _RIGHT, _LATER = 20000, 30000, 40000
#: Seconds after which a translation forgets.
_FORGETS: Final = 2
_LIMIT: Final = 45.0
#: C sends few local probes, and each over a socket that is drawn by lot.
_LOCAL_LIMIT: Final = 110.0


def nat(lab: Lab, placement: Placement) -> None:
    """A and c are behind a translation each, b is where both can reach it."""
    inner, other, public = lab.lan(1), lab.lan(2), lab.lan(3)
    left = lab.nat(inner, public, 101, first_port=_LEFT)
    right = lab.nat(other, public, 102, first_port=_RIGHT)
    lans = {"a": [inner], "b": [public], "c": [other]}
    mesh = _mesh(lab, placement, lans)
    a, b, c = mesh
    b.wait_row("a", "behind the left", _At(left.address, _LEFT), _LIMIT)
    b.wait_row("c", "behind the right", _At(right.address, _RIGHT), _LIMIT)
    wait_ping(a, c.address)
    b.log.wait(r"^Appending reflexive UDP address to ANS_KEY from [ac] to [ac]$", 20)
    a.wait_row("c", "found", _At(right.address, _RIGHT, direct=True), _LIMIT)
    c.wait_row("a", "found", _At(left.address, _LEFT, direct=True), _LIMIT)
    _ping_directly(lab, mesh)
    say("  the left translation forgets, and uses other ports from now on")
    left.forget_after(_FORGETS)
    left.map(_LATER)
    b.wait_row("a", "at another port", _At(left.address, _LATER), _LIMIT)
    b.wait_pmtu("a")
    a.wait_pmtu("b")
    expect_ping(a, b.address, count=_COUNT, size=_SIZE)
    wait_ping(a, c.address)


def local(lab: Lab, placement: Placement) -> None:
    """A and c are behind one translation, which leads nobody back inside."""
    inner, public = lab.lan(1), lab.lan(3)
    lab.nat(inner, public, 101, first_port=_LEFT)
    lans = {"a": [inner], "b": [public], "c": [inner]}
    mesh = _mesh(lab, placement, lans, "LocalDiscovery = yes")
    a, _, c = mesh
    wait_ping(a, c.address)
    a.wait_row("c", "found nearby", _Near(c), _LOCAL_LIMIT)
    c.wait_row("a", "found nearby", _Near(a), _LOCAL_LIMIT)
    # One may have found the other over IPv4 and be found over IPv6: then a C node moves
    # the other's address with a packet, and loses those that follow within the second.
    wait_for("a and c to agree", partial(_all_return, a, c), _LIMIT)
    _ping_directly(lab, mesh)


def _mesh(
    lab: Lab, placement: Placement, lans: dict[str, list[Lan]], *server: str
) -> Mesh:
    """Start a and c, which dial b; wait until each has UDP with b."""
    kind_a, kind_b, kind_c = placement
    lines = (*_SERVER, *server)
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=lines),
        Plan(name="b", kind=kind_b, server=lines),
        Plan(name="c", kind=kind_c, connect_to=("b",), server=lines),
    ]
    mesh = Mesh(lab, plans, lans=lans)
    a, b, c = mesh
    for node in (a, c):
        gateway = lans[node.name][0].address(Nat.INSIDE)
        node.namespace.add_route("default", gateway)
    mesh.start()
    mesh.wait_reachable()
    for node in (a, c):
        node.wait_pmtu("b")
        b.wait_pmtu(node.name)
    return mesh


class _At:
    """Tells whether a node is at one of the ports of a translation."""

    def __init__(self, address: str, port: int, *, direct: bool = False) -> None:
        self._places = {f"{address} port {port + i}" for i in range(PORTS)}
        self._direct = direct

    def __call__(self, row: NodeRow) -> bool:
        return row.host in self._places and (row.mtu_fixed or not self._direct)


class _Near:
    """Tells whether a node was found on our own network, over IPv4 or IPv6."""

    def __init__(self, node: TincNode) -> None:
        address = re.escape(node.outer[0])
        self._place = re.compile(rf"({address}|fe80::[0-9a-f:]+%\w+) port 655")

    def __call__(self, row: NodeRow) -> bool:
        return row.mtu_fixed and self._place.fullmatch(row.host) is not None


def _all_return(node: TincNode, other: TincNode) -> bool:
    return ping(node, other.address, count=_COUNT, size=_SIZE).lost == 0


def _ping_directly(lab: Lab, mesh: Mesh) -> None:
    a, b, c = mesh
    capture = lab.capture(b, "udp")
    expect_ping(a, c.address, count=_COUNT, size=_SIZE)
    capture.stop()
    expect_equal("datagrams of these pings that b saw", capture.pings(_SIZE), 0)


NAT = Scenario(
    name="nat",
    summary="two nodes behind translations meet directly, and survive new ports",
    placements=THREE,
    play=nat,
    seconds=25,
)
LOCAL = Scenario(
    name="localdiscovery",
    summary="two nodes behind one translation find each other on their own network",
    placements=(
        (Kind.C, Kind.C, Kind.C),
        (Kind.OURS, Kind.C, Kind.C),
        (Kind.OURS, Kind.OURS, Kind.OURS),
    ),
    play=local,
    limit=260,
    seconds=15,
)
