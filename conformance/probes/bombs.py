"""Compressed frames that unpack to far more than a frame may be."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.forger import Datagram, sealer_of
from conformance.harness.lab import Lab
from conformance.probes.floods import Field
from conformance.probes.probe import Contender, Figure, Probe

#: The longest body of a datagram that the path takes whole.
_BODY: Final = 1409
_RATE: Final = 4000
_SECONDS: Final = 4.0
_COUNT: Final = 2 * int(_RATE * _SECONDS)
#: Milliseconds of a neighbour's round trip, where an idle machine needs less than one.
_MOST: Final = 10.0


def lzo_bomb(length: int) -> bytes:
    """Return an LZO1X stream of ``length`` bytes: one literal, copied and copied."""
    return b"\x12x\x20" + bytes(length - 9) + b"\x01\0\0" + b"\x11\0\0"


def _deflate_bomb(length: int) -> bytes:
    return zlib.compress(bytes(1000 * length), 9)[:length]


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    yield from _endure(lab, contender, "LZO", 10, lzo_bomb(_BODY))
    yield from _endure(lab, contender, "zlib", 9, _deflate_bomb(_BODY))


def _endure(
    lab: Lab, contender: Contender, what: str, level: int, bomb: bytes
) -> Iterator[Figure]:
    field = Field(lab, contender, server=(f"Compression = {level}",), part=what)
    member = field.joined()
    bombs = sealer_of(member).seal_train([bomb] * _COUNT)
    places = field.member_place, field.target
    toll = field.endure([Datagram(*places, each) for each in bombs], _RATE, _SECONDS)
    member.close()
    field.close()
    yield from toll.figures(what, _MOST)


PROBE: Final = Probe(
    name="bombs",
    summary="a member's frames unpack to hundreds of times their size",
    measure=_measure,
)
