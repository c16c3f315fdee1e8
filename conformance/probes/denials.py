"""False words about a link of two others: what do they cost the traffic over it?

``near`` is linked with the subject and with ``far``.  A member denies the link of these
two again and again, and its owner sets that right each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import calling, joined
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing, wait_ping
from conformance.probes.probe import Contender, Figure, Probe

_SECONDS: Final = 8.0
_EVERY: Final = 0.01
#: While links are young our daemon takes false words about them for late ones.
_SETTLED: Final = 4.0
_RATES: Final = (1, 10)
#: Beside C, which loses about two.
_MOST: Final = 6.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    kind = contender.kind
    plans = [
        Plan(name="subject", kind=kind, connect_to=("near",)),
        Plan(name="near", kind=kind),
        Plan(name="far", kind=kind, connect_to=("near",)),
        Plan(name="member", kind=kind, subnets=()),
    ]
    mesh = Mesh(lab, plans)
    contender.dress(*mesh)
    subject, near, far, _ = mesh
    for node in (near, subject, far):
        node.start()
    subject.wait_reachable("far")
    member = joined(calling(lab, mesh, "subject", "member"), "member")
    wait_ping(subject, far.address)
    time.sleep(_SETTLED)
    found = []
    for rate in _RATES:
        steady = SteadyPing(
            lab, subject, far.address, count=int(_SECONDS / _EVERY), interval=_EVERY
        )
        for number in range(int(_SECONDS * rate)):
            member.say([b"13 %x near far" % (rate * 0x10000 + number)])
            until = time.monotonic() + 1 / rate
            while (left := until - time.monotonic()) > 0:
                member.turn(left)
        result = steady.finish()
        lost = 100 * (1 - result.received / result.sent)
        found.append(Figure(f"lost, {rate} a second", lost, "%", _MOST))
    member.close()
    for node in (subject, near, far):
        node.stop()
    return found


PROBE: Final = Probe(
    name="denials",
    summary="a member denies a link of two others, which one of them sets right",
    measure=_measure,
)
