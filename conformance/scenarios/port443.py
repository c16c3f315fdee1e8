"""A firewall that passes port 443 only: UDP is found where TCP was.

B listens on 655, which its edge names, and on 443, which a dials. C tincd as a sends
its datagrams to 655 and never hears anything; what is proved of it is that, no more.
"""

from __future__ import annotations

import time
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_SERVER: Final = ("PingInterval = 4", "PingTimeout = 3")
_BIND: Final = ("BindToAddress = * 655", "BindToAddress = * 443")
_LIMIT: Final = 25.0
#: Seconds in which a C tincd as a is given the chance.
_VAIN: Final = 10.0


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",), server=_SERVER),
        Plan(name="b", kind=kind_b, server=(*_SERVER, *_BIND)),
    ]
    mesh = Mesh(lab, plans)
    a, b = mesh
    host = a.etc / "hosts" / "b"
    place = f"Address = {b.outer[0]}"
    host.write_text(host.read_text().replace(place, f"{place} 443"))
    lab.firewall(a).only_port(443)
    mesh.start()
    mesh.wait_reachable()
    started = time.monotonic()
    if kind_a is Kind.C:
        time.sleep(_VAIN)
        wait_ping(a, b.address)
        row = a.row("b")
        expect_equal("UDP that a has with b", row.minmtu if row else None, 0)
        return
    a.wait_pmtu("b", limit=_LIMIT)
    b.wait_pmtu("a", limit=_LIMIT)
    say(f"  {time.monotonic() - started:6.2f} s  until UDP works both ways")
    row = a.row("b")
    expect_equal("b as a sees it", row.host if row else "", f"{b.outer[0]} port 443")
    expect_ping(a, b.address, count=20, size=700)
    datagrams = lab.capture(a, "udp port 443")
    sent = expect_ping(b, a.address, count=20, size=700).sent
    datagrams.stop()
    expect_equal("both ways by UDP", datagrams.pings(700) >= 2 * sent, True)


SCENARIO: Final = Scenario(
    name="port443",
    summary="a firewall passes port 443 only, and UDP is found where TCP was",
    placements=(
        (Kind.C, Kind.C),
        (Kind.OURS, Kind.C),
        (Kind.OURS, Kind.OURS),
    ),
    play=play,
)
