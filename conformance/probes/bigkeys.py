"""A private key of 2048, 4096 or 8192 bits: the start, and what a handshake costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.lab import Lab
from conformance.harness.longkeys import give_long_key
from conformance.harness.member import Member
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.usage import usage
from conformance.probes.probe import OURS, C, Contender, Figure, Probe

_BITS: Final = (2048, 4096, 8192)
_STARTS: Final = 5
_HANDSHAKES: Final = 20
#: Just below the rate from which on callers are parked unheard.
_APART: Final = 0.15
_LIMIT: Final = 20.0
_POLL: Final = 0.001


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    for bits in _BITS:
        names = ("subject", "member")
        plans = [Plan(name=name, kind=contender.kind, debug=0) for name in names]
        subject, member = Mesh(lab, plans, part=f"b{bits}")
        pair = lab.keys.pair(0) if bits == 2048 else give_long_key(subject, bits)
        contender.dress(subject)
        subject.start()
        subject.stop()
        starts = [_start(subject) for _ in range(_STARTS)]
        subject.start()
        target = Target.of(subject, member.namespace.name, lab.keys.pair(1), pair)
        cpu = _handshakes(subject, target)
        subject.stop()
        seconds, used = (statistics.median(each) for each in zip(*starts, strict=True))
        yield Figure(f"{bits} bits: exec to Ready", seconds, "s")
        yield Figure(f"{bits} bits: CPU until then", used, "s", 1.0)
        yield Figure(f"{bits} bits: CPU of a handshake", cpu, "s", 0.1)


def _start(node: TincNode) -> tuple[float, float]:
    """Start and stop a node; return seconds until it is ready, and CPU until then."""
    mark = node.log.mark()
    node.start(wait=False)
    deadline = node.started + _LIMIT
    while not node.log.has("^Ready$", mark) and time.monotonic() < deadline:
        time.sleep(_POLL)
    seconds, cpu = time.monotonic() - node.started, usage(node.pid).cpu
    node.stop()
    return seconds, cpu


def _handshakes(subject: TincNode, target: Target) -> float:
    """Let a member come in again and again; return what the subject needs for once."""
    before = usage(subject.pid).cpu
    for _ in range(_HANDSHAKES):
        _handshake(Member(target, "member"))
        time.sleep(_APART)
    return (usage(subject.pid).cpu - before) / _HANDSHAKES


def _handshake(member: Member) -> None:
    try:
        member.wait("handshake", lambda: member.active, _LIMIT)
    finally:
        member.close()


PROBE: Final = Probe(
    name="bigkeys",
    summary=f"long private keys: median of {_STARTS} starts, {_HANDSHAKES} handshakes",
    measure=_measure,
    contenders=(C, OURS),
)
