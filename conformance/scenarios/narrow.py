"""A path of 700 bytes: nobody is told to send less before it is known.

Then packets that must stay whole are refused with what fits, others are cut, and over
IPv6, which promises 1280 bytes, they go over TCP.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.capture import Capture
from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.probes import expect_ping, ping
from conformance.harness.scenario import Scenario

_PATH_MTU: Final = 700
#: 700 less IP, UDP and MAC is 668: of that 41 blocks hold 656, less sequence number and
#: a byte of padding 651.
_BEST: Final = 651
_ETHERNET: Final = 14
_IP: Final = 20
_ICMP: Final = 8
_COUNT: Final = 10
_SIZE: Final = 1400
#: More than the path takes, but no more than IPv6 promises.
_IPV6_SIZE: Final = 1200
_REFUSAL: Final = "icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 4"


def play(lab: Lab, placement: Placement) -> None:
    mesh = pair(lab, placement)
    a, b = mesh
    for node, other in ((a, b), (b, a)):
        node.namespace.run(
            *("ip", "route", "add", f"{other.outer[0]}/32", "dev", "eth0"),
            *("mtu", str(_PATH_MTU)),
        )
    mesh.start()
    refusals = lab.capture(a, _REFUSAL, device="vpn")
    mesh.wait_reachable()
    _before(a, b, refusals)
    mtu = a.wait_pmtu("b")
    expect_between("MTU that a fixed for b", mtu, _BEST - 20, _BEST)
    b.wait_pmtu("a")
    _after(lab, a, b, mtu)


def _before(a: TincNode, b: TincNode, refusals: Capture) -> None:
    """What UDP is not known to carry goes over TCP; C guesses at limits meanwhile."""
    if a.kind is Kind.OURS:
        expect_ping(a, b.address, count=_COUNT, size=_SIZE, fragment="do")
        expect_equal("refusals while the MTU is unknown", refusals.count(), 0)


def _after(lab: Lab, a: TincNode, b: TincNode, mtu: int) -> None:
    refusals = lab.capture(a, _REFUSAL, device="vpn")
    _forget(a)
    result = ping(a, b.address, count=3, size=_SIZE, fragment="do", interval=0.2)
    expect_equal("answers to packets that must stay whole", result.received, 0)
    refusals.stop()
    told = [line for line in refusals.lines() if f"mtu {mtu - _ETHERNET})" in line]
    expect(len(told) > 0, f"refused, but not for {mtu - _ETHERNET} bytes")
    _forget(a)
    whole = lab.capture(a, f"icmp[icmptype] = icmp-echo and dst {b.address}", "vpn")
    pieces = lab.capture(b, f"ip[6:2] & 0x3fff != 0 and dst {b.address}", "vpn")
    sent = expect_ping(a, b.address, count=_COUNT, size=_SIZE, fragment="dont").sent
    whole.stop()
    pieces.stop()
    expect_equal("packets a's kernel sent whole", whole.count(), _COUNT)
    step = (mtu - _ETHERNET - _IP) & ~7
    each = -(-(_SIZE + _ICMP) // step)
    what = "pieces that came out at b"
    expect_between(what, pieces.count(), each * sent, each * _COUNT)
    expect_ping(a, b.address6, count=_COUNT, size=_IPV6_SIZE)


def _forget(node: TincNode) -> None:
    """Let the kernel forget what paths take."""
    node.namespace.run("ip", "route", "flush", "cache")


SCENARIO: Final = Scenario(
    name="narrow",
    summary="a path of 700 bytes: whole packets refused once that is known, others cut",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C), (Kind.C, Kind.OURS)),
    play=play,
)
