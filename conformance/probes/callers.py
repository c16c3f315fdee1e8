"""A stranger calls without end from one address; a member from elsewhere wants in.

To be parked costs a member the time until it tries again, with tincd five seconds and
more each time.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import Member
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.waits import Failed, say
from conformance.probes.probe import Contender, Figure, Probe

#: Calls a second.
_RATES: Final = (50, 500)
#: Calls that are kept, so that the oldest has reached the daemon when it ends.
_KEPT: Final = 64
_AHEAD: Final = 1.0
#: How often the member calls, and seconds between that: another part of each second.
_JOINS: Final = 8
_APART: Final = 1.13
#: Seconds that the member waits for its handshake, as tincd does.
_LIMIT: Final = 5.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    names = ("subject", "member", "stranger")
    plans = [Plan(name=name, kind=contender.kind, debug=0) for name in names]
    subject, member, stranger = Mesh(lab, plans)
    contender.dress(subject)
    subject.start()
    keys = lab.keys.pair(1), lab.keys.pair(0)
    target = Target.of(subject, member.namespace.name, *keys)
    from_elsewhere = replace(target, namespace=stranger.namespace.name)
    for rate in _RATES:
        with _calling(from_elsewhere, rate):
            time.sleep(_AHEAD)
            refused = sum(not _is_let_in(target) for _ in range(_JOINS))
        yield Figure(f"{rate} calls a second: parked", refused, f"of {_JOINS}", 0.0)
    subject.stop()


@contextmanager
def _calling(target: Target, rate: int) -> Iterator[None]:
    """Let a process of its own call for as long as the context lasts."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_call, args=(target, rate), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _call(target: Target, rate: int) -> None:
    calls = deque(target.open() for _ in range(_KEPT))
    due = time.monotonic()
    while True:
        calls.popleft().close()
        calls.append(target.open())
        due = max(due + 1 / rate, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


def _is_let_in(target: Target) -> bool:
    time.sleep(_APART)
    member = Member(target, "member")
    try:
        member.wait("handshake", lambda: member.active, _LIMIT)
    except Failed as error:
        say(f"          {error}")
        return False
    finally:
        member.close()
    return True


PROBE: Final = Probe(
    name="callers",
    summary="one address calls without end; a member from another one calls, too",
    measure=_measure,
)
