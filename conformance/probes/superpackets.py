"""Super-packets of tiny segments: from a guest to nobody, a node or all, and to us."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.bulk import datagram_flood, raw_flood, run
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.lab import Lab
from conformance.harness.member import calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.waits import say
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe

_SECONDS: Final = 3.0
#: Seconds in which queues that a flood has filled get empty.
_REST: Final = 2.0
#: An address of the VPN that is nobody's.
_NOBODY: Final = "172.30.200.1"
_ALL: Final = "224.0.0.251"
#: The smallest payload that a sender cuts a long stream into.
_SMALL: Final = 8
_MOST_PONG: Final = 100.0


def _floods(
    subject: TincNode, witness: TincNode, stranger: TincNode
) -> Iterator[tuple[str, Iterator[None]]]:
    guest, own = subject.namespace, subject.address
    yield "to nobody", raw_flood(guest, NETNAME, (own, _NOBODY))
    to_node = raw_flood(guest, NETNAME, (own, witness.address), size=_SMALL)
    yield "to a node", to_node
    yield "to all", raw_flood(guest, NETNAME, (own, _ALL), size=_SMALL)
    # This takes no privilege.
    yield "by UDP_SEGMENT", datagram_flood(guest, (_NOBODY, 9))
    port = (subject.outer[0], 655)
    yield "to our port", datagram_flood(stranger.namespace, port)


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    kind = contender.kind
    plans = [
        Plan(name="subject", kind=kind, debug=0),
        Plan(name="witness", kind=kind, connect_to=("subject",), debug=0),
        Plan(name="watcher", kind=kind, subnets=()),
    ]
    mesh = Mesh(lab, plans)
    subject, witness, stranger = mesh
    contender.dress(subject, witness)
    subject.start()
    witness.start()
    witness.wait_reachable("subject")
    target = calling(lab, mesh, "subject", "watcher")
    found: list[Figure] = []
    for name, flood in _floods(subject, witness, stranger):
        watcher = Watcher(target)
        ping = SteadyPing(lab, witness, subject.address, count=9000, interval=0.02)
        say(f"          {name}: {run(flood, _SECONDS)} super-packets sent")
        result, answers = ping.finish(), watcher.stop()
        found += [
            Figure(f"{name}: worst PONG", answers.worst * 1000, "ms", _MOST_PONG),
            Figure(f"{name}: median PONG", answers.median * 1000, "ms"),
            Figure(f"{name}: inner ping", ping.median(), "ms"),
            Figure(f"{name}: inner pings lost", 100 * result.lost / result.sent, "%"),
        ]
        time.sleep(_REST)
    witness.stop()
    subject.stop()
    return found


PROBE: Final = Probe(
    name="superpackets",
    summary="a guest and a stranger send thousands of tiny segments in one piece",
    measure=_measure,
)
