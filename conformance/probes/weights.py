"""One network with many weights, withdrawn from the highest down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import joined
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

_WEIGHTS: Final = 60_000
_LIMIT: Final = 120.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    made = scene(lab, contender)
    watcher = Watcher(made.target)
    member = joined(made.target, "member")
    add = b"10 %x member 0.0.0.0/0#%d"
    withdraw = b"11 %x member 0.0.0.0/0#%d"
    member.say(add % (number, number) for number in range(_WEIGHTS))
    member.settle(_LIMIT)
    downwards = reversed(range(_WEIGHTS))
    member.say(withdraw % (_WEIGHTS + number, number) for number in downwards)
    member.settle(_LIMIT)
    found = watcher.stop()
    member.close()
    made.subject.stop()
    return answers(found)


PROBE: Final = Probe(
    name="weights",
    summary="a member announces 60 000 weights of one network and withdraws them",
    measure=_measure,
)
