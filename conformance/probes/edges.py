"""Edges between all that a member has invented: how many are believed, at what cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, permutations
from typing import Final

from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.member import joined
from conformance.harness.usage import usage
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

#: Nodes, between any two of which there are edges in both directions: 517 680 in all.
#: C tincd is told of 14 280, since it searches its graph for each of them.
_NODES: Final = {Kind.C: 120, Kind.OURS: 720}
_PIECE: Final = 20_000
_LIMIT: Final = 120.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    made = scene(lab, contender, extra=("newcomer",))
    watcher = Watcher(made.target)
    before = usage(made.subject.pid).resident
    member = joined(made.target, "member")
    for piece in _pieces(_NODES[contender.kind]):
        member.say(piece)
        member.settle(_LIMIT)
    learned = watcher.lap()
    newcomer = joined(made.target, "newcomer")
    newcomer.settle(_LIMIT)
    told = watcher.stop()
    peak = usage(made.subject.pid).peak
    newcomer.close()
    member.close()
    made.subject.stop()
    return [
        *answers(learned),
        Figure("worst PONG while a node joins", told.worst, "s", 0.5),
        Figure("memory grown at most", (peak - before) / 1024, "MiB", 128.0),
    ]


def _pieces(nodes: int) -> Iterator[list[bytes]]:
    lines = (
        b"12 %x n%d n%d 10.0.0.1 655 c 5" % (source * nodes + target, source, target)
        for source, target in permutations(range(nodes), 2)
    )
    while piece := list(islice(lines, _PIECE)):
        yield piece


PROBE: Final = Probe(
    name="edges",
    summary="a member announces 518 000 edges between nodes that nobody reaches",
    measure=_measure,
)
