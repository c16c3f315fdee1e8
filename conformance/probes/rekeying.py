"""Keys of a large mesh that come in all the time: asked for, given, void."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.lab import Lab
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.tunnel import SIZE, Tunnel
from tincd_compat.meta.messages import AnsKey, KeyChanged, ReqKey

_RATE: Final = 600.0
_SECONDS: Final = 8.0
_KEY: Final = "5A" * 48
_STRIDE: Final = 7


def _lines() -> Iterator[bytes]:
    for number in itertools.count():
        name = f"n{1 + number * _STRIDE % (SIZE.nodes - 1):05d}"
        yield AnsKey(name, "subject", _KEY, 427, 672, 4, 0).encode()
        yield ReqKey(name, "subject").encode()
        yield KeyChanged(number, name).encode()


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    tunnel = Tunnel(lab, contender)
    tunnel.learn()
    figures = tunnel.measure(_lines(), _RATE, _SECONDS)
    tunnel.close()
    return figures


PROBE: Final = Probe(
    name="rekeying",
    summary="600 keys a second of a mesh of 3000 nodes: given, asked for, void",
    measure=_measure,
)
