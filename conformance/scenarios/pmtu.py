"""A path whose middle takes only 1400 bytes: its MTU is found, and big pings pass.

C looks for the path MTU once a second, by sizes that it draws by lot: that is what a
case waits for, five to fifteen seconds and never more than thirty.
"""

from __future__ import annotations

from conformance.harness.checks import expect_between
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.netns import Router
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer

_PATH_MTU = 1400
#: The largest frame whose datagram fits: 1400 less IP and UDP is 1372, less the MAC
#: 1368; of that 85 AES blocks hold 1360, less sequence number and a padding byte 1355.
_BEST = 1355
#: Discovery draws its sizes at random and stops after 30 seconds.
_WORST = 1340
_SIZES = (56, 1300, 1330, 1400, 1472, 4000)


def play(lab: Lab, placement: Placement) -> None:
    near, far = lab.lan(1), lab.lan(2, mtu=_PATH_MTU)
    lab.router(near, far)
    mesh = pair(lab, placement, lans={"a": [near], "b": [far]})
    mesh["a"].namespace.add_route("default", near.address(Router.HOST))
    mesh["b"].namespace.add_route("default", far.address(Router.HOST))
    mesh.start()
    mesh.wait_reachable()
    for node, peer in (("a", "b"), ("b", "a")):
        mtu = mesh[node].wait_pmtu(peer)
        expect_between(f"MTU that {node} fixed for {peer}", mtu, _WORST, _BEST)
    for size in _SIZES:
        for node, peer in (("a", "b"), ("b", "a")):
            expect_ping(
                mesh[node], mesh[peer].address, count=10, size=size, fragment="dont"
            )
    transfer(lab, mesh["a"], mesh["b"], 10)
    transfer(lab, mesh["b"], mesh["a"], 10)


SCENARIO = Scenario(
    name="pmtu",
    summary="a path of 1400 bytes: MTU found, big packets pass",
    placements=TWO,
    play=play,
    seconds=15,
)
