"""Pings of several sizes through the tunnel, over IPv4 and over IPv6.

C looks for the path MTU once a second, by sizes that it draws by lot: that is what a
case waits for, five to fifteen seconds and never more than thirty.
"""

from __future__ import annotations

from conformance.harness.checks import expect_equal
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario

_SIZES = (1, 56, 577, 1300)
_COUNT = 20


def play4(lab: Lab, placement: Placement) -> None:
    mesh = _mesh(lab, placement, outer_ipv6=False)
    for size in _SIZES:
        expect_ping(mesh["a"], mesh["b"].address, count=_COUNT, size=size)
        expect_ping(mesh["b"], mesh["a"].address, count=_COUNT, size=size)


def play6(lab: Lab, placement: Placement) -> None:
    mesh = _mesh(lab, placement, outer_ipv6=True)
    row = mesh["a"].dump().nodes["b"]
    expect_equal("the address of b", row.host, f"{mesh['b'].outer[0]} port 655")
    for size in _SIZES:
        expect_ping(mesh["a"], mesh["b"].address6, count=_COUNT, size=size)
        expect_ping(mesh["b"], mesh["a"].address6, count=_COUNT, size=size)


def play_tap(lab: Lab, placement: Placement) -> None:
    """The kernel of a asks for MAC addresses, that of b knows none."""
    mesh = _mesh(lab, placement, outer_ipv6=False, server=("DeviceType = tap",))
    for node, peer in (("a", "b"), ("b", "a")):
        for address in (mesh[peer].address, mesh[peer].address6):
            expect_ping(mesh[node], address, count=5)


def _mesh(
    lab: Lab, placement: Placement, *, outer_ipv6: bool, server: tuple[str, ...] = ()
) -> Mesh:
    kind_a, kind_b = placement
    plans = [
        Plan(
            name="a",
            kind=kind_a,
            connect_to=("b",),
            outer_ipv6=outer_ipv6,
            server=server,
        ),
        Plan(name="b", kind=kind_b, outer_ipv6=outer_ipv6),
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    return mesh


OVER_IPV4 = Scenario(
    name="ping4",
    summary="IPv4 pings of several sizes, both ways",
    placements=TWO,
    play=play4,
    seconds=15,
)
OVER_IPV6 = Scenario(
    name="ping6",
    summary="IPv6 pings of several sizes, IPv6 under the tunnel too",
    placements=TWO,
    play=play6,
    seconds=15,
)
OVER_TAP = Scenario(
    name="ping-tap",
    summary="a tap device in router mode and a tun device, between kernels",
    placements=TWO,
    play=play_tap,
)
