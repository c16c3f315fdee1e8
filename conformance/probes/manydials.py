"""A hub that dials many nodes, with a long private key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conformance.harness.answering import Answerers
from conformance.harness.lab import Lab
from conformance.harness.longkeys import give_long_key
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.waits import Failed
from conformance.probes.probe import Contender, Figure, Probe

_NODES: Final = 80
_BITS: Final = 4096
_FIRST_PORT: Final = 6550
_LIMIT: Final = 60.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    names = [f"node{number}" for number in range(_NODES)]
    subject, nodes = Mesh(
        lab,
        [
            Plan(name="subject", kind=contender.kind, connect_to=tuple(names), debug=0),
            Plan(name="nodes", kind=contender.kind, subnets=()),
        ],
    )
    key = lab.keys.pair(1)
    for port, name in enumerate(names, start=_FIRST_PORT):
        text = f"Address = {nodes.outer[0]}\nPort = {port}\n{key.public}"
        (subject.etc / "hosts" / name).write_text(text)
    pair = give_long_key(subject, _BITS)
    contender.dress(subject)
    target = Target.of(subject, nodes.namespace.name, key, pair)
    answering = Answerers(target, names, nodes.outer[0], _FIRST_PORT)
    subject.start()
    seconds = answering.serve(_LIMIT)
    missing = _NODES - answering.active
    given_up = answering.given_up
    answering.close()
    subject.stop()
    if missing:
        raise Failed(f"{missing} nodes were not connected within {_LIMIT:g} s")
    yield Figure("all are connected after", seconds, "s", 5.0)
    yield Figure("handshakes that took too long", given_up, "", 0.0)


PROBE: Final = Probe(
    name="manydials",
    summary=f"ConnectTo {_NODES} nodes, with a private key of {_BITS} bits",
    measure=_measure,
)
