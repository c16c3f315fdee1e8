"""How soon a neighbour is back, where our own scripts change routes of the host.

Scripts that set a route to a peer beside the tunnel are common.  What they change is a
change of the network, which has everything tried that waits for its turn; the turns
must not become rarer by that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.waits import wait_for
from conformance.probes.probe import CONTENDERS, PURE, Contender, Figure, Probe

#: As an administrator who sets nothing has it.
_DEFAULTS: Final = ("MaxTimeout = 900",)
_AWAY: Final = 1.5
_RESTARTS: Final = 4
_LIMIT: Final = 90.0
#: The first pause is 5 s long; the sixth, 30 s, begins after 75.
_FIRST: Final = 7.0
_SIXTH: Final = 32.0


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    return [_short_absence(lab, contender), _beside_restarts(lab, contender)]


def _short_absence(lab: Lab, contender: Contender) -> Figure:
    """Stop the only neighbour for a moment."""
    caller, (server,) = _star(lab, contender, "one", ("server",))
    server.start()
    caller.start()
    caller.wait_reachable("server")
    server.stop()
    stopped = time.monotonic()
    wait_for("a while", lambda: time.monotonic() - stopped >= _AWAY, 5)
    server.start()
    _wait_back(caller, server)
    seconds = time.monotonic() - stopped
    for node in (caller, server):
        node.stop()
    return Figure(f"away for {_AWAY:g} s, back after", seconds, "s", _FIRST)


def _beside_restarts(lab: Lab, contender: Contender) -> Figure:
    """Restart one neighbour again and again, while another one is down."""
    caller, (peer, dead) = _star(lab, contender, "two", ("peer", "dead"))
    peer.start()
    caller.start()
    caller.wait_reachable("peer")
    for _ in range(_RESTARTS):
        peer.stop()
        caller.wait_unreachable("peer")
        peer.start()
        caller.wait_reachable("peer", limit=_LIMIT)
    started = time.monotonic()
    dead.start()
    _wait_back(caller, dead)
    seconds = time.monotonic() - started
    for node in (caller, peer, dead):
        node.stop()
    what = f"another one up beside {_RESTARTS} restarts, reached after"
    return Figure(what, seconds, "s", _SIXTH)


def _wait_back(caller: TincNode, node: TincNode) -> None:
    caller.wait_row(node.name, "back", lambda row: row.reachable, _LIMIT)


def _star(
    lab: Lab, contender: Contender, part: str, names: Sequence[str]
) -> tuple[TincNode, list[TincNode]]:
    """Build a caller, whose scripts change routes, and those that it calls."""
    kind = contender.kind
    caller = Plan(name="caller", kind=kind, connect_to=tuple(names), server=_DEFAULTS)
    mesh = Mesh(
        lab, [caller, *(Plan(name=name, kind=kind) for name in names)], part=part
    )
    contender.dress(*mesh)
    route = "10.98.0.0/24 dev eth0"
    changes = {"host-up": "del", "host-down": "add", "tinc-down": "del"}
    for name, change in changes.items():
        script = mesh["caller"].etc / name
        script.write_text(f"#!/bin/sh\nip route {change} {route} 2>/dev/null || :\n")
        script.chmod(0o755)
    return mesh["caller"], [mesh[name] for name in names]


PROBE: Final = Probe(
    name="backoff",
    summary="neighbours that come back, and scripts that change routes meanwhile",
    measure=_measure,
    contenders=tuple(each for each in CONTENDERS if each is not PURE),
)
