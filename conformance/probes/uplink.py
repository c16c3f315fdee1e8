"""An uplink slower than what is sent: how long others wait, and what a stream gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from conformance.harness.bulk import run, steady_datagrams
from conformance.harness.daemon import TincNode
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.transfers import Transfer, transfer
from conformance.probes.probe import Contender, Figure, Probe

_SECONDS: Final = 6.0
_OFFERED: Final = 30
#: Milliseconds that a ping waits behind what is too much: C tincd's buffer and a half.
_MOST_PING: Final = 90.0
#: Percent of pings: a third would be what is too much of the stream, C loses half.
_MOST_LOST: Final = 30.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    plans = [
        Plan(name="a", kind=contender.kind, connect_to=("b",), debug=0),
        Plan(name="b", kind=contender.kind, debug=0),
    ]
    mesh = Mesh(lab, plans)
    a, b = mesh
    contender.dress(a, b)
    mesh.start()
    mesh.wait_pmtu()
    return [*_slow(lab, a, b), *_streams(lab, a, b)]


def _slow(lab: Lab, a: TincNode, b: TincNode) -> Iterator[Figure]:
    _limit(a, "20mbit", "16kb")
    ping = SteadyPing(lab, a, b.address, count=9000, interval=0.02)
    run(steady_datagrams(a.namespace, (b.address, 9), megabits=_OFFERED), _SECONDS)
    result = ping.finish()
    # The first second is that in which it gets full.
    times = sorted(ping.times()[50:])
    what = "30 Mbit/s of UDP into 20"
    yield Figure(f"{what}: ping", times[len(times) // 2], "ms", _MOST_PING)
    yield Figure(f"{what}: worst ping", times[-1], "ms")
    yield Figure(
        f"{what}: pings lost", 100 * result.lost / result.sent, "%", _MOST_LOST
    )


def _streams(lab: Lab, a: TincNode, b: TincNode) -> Iterator[Figure]:
    ping = SteadyPing(lab, a, b.address, count=9000, interval=0.02)
    stream = Transfer(lab, a, b, 12)
    got = stream.finish()
    ping.finish()
    yield Figure("TCP into 20 Mbit/s", got.megabits_per_second, "Mbit/s")
    yield Figure("TCP into 20 Mbit/s: ping", ping.median(), "ms")
    for rate, burst, megabytes in (("200mbit", "64kb", 60), ("1gbit", "256kb", 200)):
        _limit(a, rate, burst)
        got = transfer(lab, a, b, megabytes)
        yield Figure(f"TCP into {rate}/s", got.megabits_per_second, "Mbit/s")


def _limit(node: TincNode, rate: str, burst: str) -> None:
    """Let a node's packets leave at a rate, and queue where nothing is dropped."""
    node.namespace.run(
        *("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf"),
        *("rate", rate, "burst", burst, "limit", "20mb"),
    )


PROBE: Final = Probe(
    name="uplink",
    summary="an uplink of 20 Mbit/s is offered 30: who waits, and how long",
    measure=_measure,
    tools=("ping", "tc"),
)
