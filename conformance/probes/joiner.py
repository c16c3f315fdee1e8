"""A large mesh with long names, and a node that joins over a slow line."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import Member, joined
from conformance.harness.usage import usage
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure, Probe
from conformance.probes.scene import answers, scene

#: Letters of a name that no host file can have, and its subnets.
_TOO_LONG: Final = 1900
_ITS_SUBNETS: Final = 20_000
#: Letters of names that are possible, how many there are and subnets of each.
_LONG: Final = 250
_OWNERS: Final = 6
_SUBNETS: Final = 16_000
#: The line takes so many bytes at a time, which makes 32 Mbit/s.
_PIECE: Final = 1 << 16
_EVERY: Final = _PIECE / 4e6
_LISTENS: Final = 12.0
_LIMIT: Final = 60.0
_PING_TIMEOUT: Final = 2


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    server = (f"PingTimeout = {_PING_TIMEOUT}",)
    made = scene(lab, contender, server=server, extra=("newcomer",))
    watcher = Watcher(made.target)
    before = usage(made.subject.pid).resident
    member = joined(made.target, "member")
    member.say(_announcements())
    member.settle(_LIMIT)
    newcomer = Member(made.target, "newcomer")
    newcomer.connect()
    newcomer.introduce()
    asked = time.monotonic()
    newcomer.say([b"8"])
    pong = _listen_slowly(newcomer, asked)
    peak = usage(made.subject.pid).peak
    cut = newcomer.ended
    found = watcher.stop()
    for each in (newcomer, member):
        each.close()
    made.subject.stop()
    return [
        Figure("who joined was given up", cut, "times", 0.0),
        Figure("first PONG to who joined", pong - asked, "s", 1.0),
        Figure("memory grown at most", (peak - before) / 1024, "MiB", 128.0),
        *answers(found),
    ]


def _announcements() -> Iterator[bytes]:
    name = b"x" * _TOO_LONG
    for number in range(_ITS_SUBNETS):
        yield b"10 %x %s 10.%d.%d.0/24" % (number, name, number >> 8, number & 255)
    for owner in range(_OWNERS):
        name = b"%0*d" % (_LONG, owner)
        for number in range(_SUBNETS):
            nonce = (owner + 2) << 20 | number
            net = owner, number >> 8, number & 255
            yield b"10 %x %s 172.%d.%d.%d" % (nonce, name, *net)


def _listen_slowly(newcomer: Member, asked: float) -> float:
    """Read at the speed of the line; return when the first PONG was heard."""
    pong = asked + _LISTENS
    while not newcomer.ended and time.monotonic() < asked + _LISTENS:
        newcomer.turn()
        if "9" in newcomer.heard[-1000:]:
            pong = min(pong, time.monotonic())
        time.sleep(_EVERY)
    return pong


PROBE: Final = Probe(
    name="joiner",
    summary="20 000 subnets of an impossible name, 96 000 of long ones; a node joins",
    measure=_measure,
)
