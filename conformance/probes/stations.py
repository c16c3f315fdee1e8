"""Switch mode while stations come and go: MAC addresses announced and withdrawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.lab import Lab
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.tunnel import Tunnel

_RATE: Final = 2000.0
_SECONDS: Final = 8.0
#: How many stations are there at a time.
_PRESENT: Final = 1000


def _lines() -> Iterator[bytes]:
    for number in itertools.count():
        yield b"10 %x member 2:0:%x:%x:0:1" % _place(number)
        if number >= _PRESENT:
            nonce, high, low = _place(number - _PRESENT)
            yield b"11 %x member 2:0:%x:%x:0:1" % (nonce + (1 << 30), high, low)


def _place(number: int) -> tuple[int, int, int]:
    return number, number >> 16, number & 0xFFFF


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    tunnel = Tunnel(lab, contender, server=("Mode = switch",))
    tunnel.learn()
    figures = tunnel.measure(_lines(), _RATE, _SECONDS)
    tunnel.close()
    return figures


PROBE: Final = Probe(
    name="stations",
    summary="2000 MAC addresses a second come and go in a mesh of 3000 nodes",
    measure=_measure,
)
