"""Super-packets of the smallest segments, which nobody is to have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conformance.harness.bulk import datagram_flood, raw_flood, run
from conformance.harness.daemon import NETNAME
from conformance.harness.lab import Lab
from conformance.harness.member import calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.waits import say
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe

_SECONDS: Final = 4.0
#: An address of the VPN that is nobody's.
_NOBODY: Final = "172.30.200.1"
_MOST_PONG: Final = 0.1


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    mesh = Mesh(
        lab,
        [
            Plan(name="subject", kind=contender.kind, debug=0),
            Plan(name="witness", kind=contender.kind, connect_to=("subject",), debug=0),
            Plan(name="watcher", kind=contender.kind, subnets=()),
        ],
    )
    subject, witness, _ = mesh
    contender.dress(subject, witness)
    subject.start()
    witness.start()
    witness.wait_reachable("subject")
    target = calling(lab, mesh, "subject", "watcher")
    place = subject.namespace
    raw = raw_flood(place, NETNAME, (subject.address, _NOBODY))
    found = []
    for name, flood in (
        ("raw", raw),
        ("UDP_SEGMENT", datagram_flood(place, (_NOBODY, 9))),
    ):
        watcher = Watcher(target)
        ping = SteadyPing(lab, witness, subject.address, count=9000, interval=0.02)
        say(f"          {name}: {run(flood, _SECONDS)} super-packets sent")
        lost = ping.finish()
        answers = watcher.stop()
        found += [
            Figure(
                f"{name}: worst PONG", answers.worst * 1000, "ms", _MOST_PONG * 1000
            ),
            Figure(f"{name}: median PONG", answers.median * 1000, "ms"),
            Figure(f"{name}: inner ping", ping.median(), "ms"),
            Figure(f"{name}: inner pings lost", 100 * lost.lost / lost.sent, "%"),
        ]
    witness.stop()
    subject.stop()
    return found


PROBE: Final = Probe(
    name="superpackets",
    summary="super-packets of one-byte segments to an address that is nobody's",
    measure=_measure,
)
