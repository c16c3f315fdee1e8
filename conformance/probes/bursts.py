"""A few members that each say 64 KiB of the shortest lines there are, at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import Member, joined
from conformance.harness.probes import SteadyPing
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

_MEMBERS: Final = tuple(f"m{number}" for number in range(6))
_SIZE: Final = 1 << 16
_ROUNDS: Final = 4
_EVERY: Final = 0.01
_LIMIT: Final = 30.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    made = scene(lab, contender, extra=_MEMBERS, witness=True)
    assert made.witness is not None
    members = [joined(made.target, name) for name in _MEMBERS]
    watcher = Watcher(made.target)
    ping = SteadyPing(
        lab, made.witness, made.subject.address, count=9000, interval=_EVERY
    )
    for _ in range(_ROUNDS):
        for make in (_pings, _key_requests):
            _burst(members, make)
            time.sleep(0.2)
    ping.catch_up()
    times, found, lost = ping.times(), watcher.stop(), ping.finish().lost
    for member in members:
        member.close()
    made.witness.stop()
    made.subject.stop()
    return [
        Figure("worst ping through the tunnel", max(times), "ms", 100.0),
        Figure("median ping", statistics.median(times), "ms"),
        Figure("pings lost", lost, "", 0.0),
        *answers(found),
    ]


def _pings(member: Member) -> bytes:
    return b"8\n" * (_SIZE // 2)


def _key_requests(member: Member) -> bytes:
    line = b"15 %s subject\n" % member.name.encode()
    return line * (_SIZE // len(line))


def _burst(members: list[Member], make: Callable[[Member], bytes]) -> None:
    """Let every member say its lines in one piece, and wait until all are handled."""
    for member in members:
        member.say_raw(make(member))
    for member in members:
        member.settle(_LIMIT)


PROBE: Final = Probe(
    name="bursts",
    summary="six members say 64 KiB of PINGs, or of REQ_KEYs, in one piece each",
    measure=_measure,
    tools=("ping",),
)
