"""Datagrams that are longer than a tincd takes: what the log says of them.

C looks for the path MTU once a second, by sizes that it draws by lot: that is what a
case waits for, five to fifteen seconds and never more than thirty.
"""

from __future__ import annotations

import re
import time
from typing import Final

from conformance.harness.forger import Datagram, Forger, Fragment, Place
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON

_PORT: Final = 655
#: The longest that a tincd takes, and longer ones.
_LENGTHS: Final = (1661, 1662, 2048, 9000)
#: Seconds after which a limited log takes lines about strangers again.
_PAUSE: Final = 1.0


def play(lab: Lab, placement: Placement) -> None:
    kind_victim, kind_peer = placement
    lan = lab.lan()
    plans = [
        Plan(name="victim", kind=kind_victim, debug=5),
        Plan(name="peer", kind=kind_peer, connect_to=("victim",)),
    ]
    mesh = Mesh(lab, plans, lans={plan.name: [lan] for plan in plans})
    victim, peer = mesh
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    forger = Forger(lab.outsider(lan))
    target = victim.outer[0], _PORT
    for number, length in enumerate(_LENGTHS):
        time.sleep(_PAUSE)
        for source, line in (
            ((peer.outer[0], _PORT), "Got unauthenticated packet from peer ({})"),
            ((lan.address(200), 4242), "Received UDP packet from unknown source {}"),
        ):
            mark = victim.log.mark()
            _send(forger, source, target, length, number)
            place = f"{source[0]} port {source[1]}"
            victim.log.wait(re.escape(line.format(place)), SOON, mark)
    expect_ping(victim, peer.address)
    forger.close()


def _send(
    forger: Forger, source: Place, target: Place, length: int, number: int
) -> None:
    datagram = Datagram(source, target, bytes(length))
    forger.send(*Fragment.cut(datagram, 1000 + number))


SCENARIO = Scenario(
    name="oversized",
    summary="datagrams longer than a tincd takes are told of as junk",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C)),
    play=play,
    seconds=13,
)
