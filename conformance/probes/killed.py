"""``kill -9`` and a start: seconds until pings pass again, beside C tincd.

Most of that is the start of an interpreter, which a busy machine makes long.
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
#: A handshake, on a busy machine.
_MOST: Final = 1.0


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
    back = time.monotonic() - killed - ready
    victim.stop()
    survivor.stop()
    yield Figure(f"beside {kind}: ready after", ready, "s")
    yield Figure(f"beside {kind}: and back after another", back, "s", _MOST)


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
