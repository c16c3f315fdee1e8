"""Datagrams in the name of a neighbour, at the pace of a busy link."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from conformance.harness.forger import Datagram
from conformance.harness.lab import Lab
from conformance.probes.floods import Field
from conformance.probes.probe import Contender, Figure, Probe

_RATE: Final = 5000
_SECONDS: Final = 4.0
_COUNT: Final = 2000
_LENGTH: Final = 116


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    field = Field(lab, contender)
    dice = random.Random(_RATE)
    places = field.witness_place, field.target
    forged = [Datagram(*places, dice.randbytes(_LENGTH)) for _ in range(_COUNT)]
    toll = field.endure(forged, _RATE, _SECONDS)
    field.close()
    yield from toll.figures("forged", 10.0)


PROBE: Final = Probe(
    name="forged",
    summary="5000 datagrams a second in the name of a neighbour, that no key made",
    measure=_measure,
)
