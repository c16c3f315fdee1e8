"""Datagrams that nobody needs, as many as one machine can send.

They meet a neighbour's packets in the receive buffer.  What they are decides how soon
the daemon can be rid of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from conformance.harness.forger import Datagram, Fragment, Place, noise, sealer_of
from conformance.harness.lab import Lab
from conformance.probes.floods import Field
from conformance.probes.probe import Contender, Figure, Probe

Junk: TypeAlias = list[Datagram] | list[Fragment]

_RATE: Final = 55_000
_SECONDS: Final = 2.5
_COUNT: Final = 2000
#: Milliseconds of a neighbour's round trip.
_MOST: Final = 10.0
_LONG: Final = 4000


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    field = Field(lab, contender)
    for what, make in _KINDS.items():
        yield from field.endure(make(field), _RATE, _SECONDS).figures(what, _MOST)
    member = field.joined()
    trains = sealer_of(member).seal_train([bytes(100)] * _COUNT)
    places = field.member_place, field.target
    replays = [Datagram(*places, each) for each in trains]
    yield from field.endure(replays, _RATE, _SECONDS).figures("replays", _MOST)
    member.close()
    field.close()


def _strangers(field: Field) -> Junk:
    """Return random bytes from everywhere."""
    dice = random.Random(_RATE)
    network = field.target[0].rpartition(".")[0]
    places = [
        (f"{network}.{dice.randrange(100, 250)}", dice.randrange(1024, 65536))
        for _ in range(_COUNT)
    ]
    return noise(_COUNT, field.target, places)


def _crowd(field: Field) -> Junk:
    """Return random bytes from a neighbour's host, but other ports."""
    host = field.witness_place[0]
    places: list[Place] = [(host, 1024 + number) for number in range(_COUNT)]
    return noise(_COUNT, field.target, places)


def _forged(field: Field) -> Junk:
    """Return random bytes in the name of a neighbour."""
    return noise(_COUNT, field.target, [field.witness_place])


def _short(field: Field) -> Junk:
    places = field.witness_place, field.target
    return [Datagram(*places, bytes(number % 4)) for number in range(_COUNT)]


def _fragments(field: Field) -> Junk:
    """Return datagrams that are too long, in the fragments that they come in."""
    places = field.witness_place, field.target
    whole = Datagram(*places, bytes(_LONG))
    return [
        piece for number in range(_COUNT) for piece in Fragment.cut(whole, number + 1)
    ]


_KINDS: Final[Mapping[str, Callable[[Field], Junk]]] = {
    "strangers": _strangers,
    "its host": _crowd,
    "its name": _forged,
    "short": _short,
    "fragments": _fragments,
}

PROBE: Final = Probe(
    name="junk",
    summary="55 000 datagrams a second that no key made, or that come again",
    measure=_measure,
)
