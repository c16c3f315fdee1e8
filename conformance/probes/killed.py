"""``kill -9`` and a start: seconds until pings pass again, beside C tincd.

A C tincd between two of its kind does not come back by itself: it draws the same random
numbers after each start, so what it says sounds like what was heard already.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.waits import wait_for
from conformance.probes.probe import CONTENDERS, PURE, Contender, Figure, Probe

_LIMIT: Final = 90.0
#: A start and a handshake, on a busy machine.
_MOST: Final = 3.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    for kind in Kind:
        yield from _beside(lab, contender, kind)


def _beside(lab: Lab, contender: Contender, kind: Kind) -> Iterable[Figure]:
    plans = [
        Plan(name="victim", kind=contender.kind, connect_to=("survivor",)),
        Plan(name="survivor", kind=kind),
    ]
    victim, survivor = Mesh(lab, plans, part=kind)
    contender.dress(victim)
    survivor.start()
    victim.start()
    victim.wait_reachable("survivor")
    wait_ping(survivor, victim.address)
    expect_ping(survivor, victim.address, count=5)
    victim.kill()
    killed = time.monotonic()
    victim.start()
    ready = time.monotonic() - killed
    wait_for("a ping", lambda: _ping(survivor, victim), _LIMIT, every=0.0)
    back = time.monotonic() - killed
    victim.stop()
    survivor.stop()
    both_c = contender.kind is kind is Kind.C
    yield Figure(f"beside {kind}: ready after", ready, "s")
    yield Figure(f"beside {kind}: back after", back, "s", None if both_c else _MOST)


def _ping(node: TincNode, other: TincNode) -> bool:
    """Ask once, and do not wait for long."""
    done = node.namespace.run(
        *("ping", "-n", "-q", "-c", "1", "-W", "0.1", other.address), check=False
    )
    return done.returncode == 0


PROBE: Final = Probe(
    name="killed",
    summary="kill -9 and a start: seconds until pings pass again",
    measure=_measure,
    contenders=tuple(each for each in CONTENDERS if each is not PURE),
)
