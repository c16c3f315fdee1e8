"""What the log says at debug level 0 of a ConnectTo: a wrong key, connected, lost.

C tincd says nothing of it, and makes the wrong key hard to tell: it holds a connection
open that it cannot read, until the other side's time is over.
"""

from __future__ import annotations

import signal
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import DEFAULT_SERVER, Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import Failed

_PING_TIMEOUT: Final = 2
_LIMIT: Final = 60.0


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    server = (*DEFAULT_SERVER, f"PingTimeout = {_PING_TIMEOUT}")
    plans = [
        Plan(
            name="subject",
            kind=kind,
            connect_to=("peer",),
            server=server,
            debug=0,
        ),
        Plan(name="peer", kind=Kind.C, server=server),
    ]
    subject, peer = Mesh(lab, plans)
    host = subject.etc / "hosts" / "peer"
    right = host.read_text()
    peer.start()
    host.write_text(_with_key(right, lab.keys.pair(3).public))
    subject.start()
    # What the peer reads under the wrong key is silence or nonsense, as chance has it.
    ends = "Timeout from|Bogus data received from|Connection closed by"
    peer.log.wait(rf"^({ends}) subject ", _LIMIT)
    _expect(subject, kind, r"wrong key: the public key here in hosts/peer")
    host.write_text(right)
    subject.signal(signal.SIGHUP)
    subject.wait_connected(["peer"], _LIMIT)
    _expect(subject, kind, r"connected \(.* port 655\)$")
    peer.stop()
    subject.wait_connected([], _LIMIT)
    _expect(subject, kind, r"connection lost: Connection closed by peer ")
    if subject.log.count(r"^ConnectTo peer: connected") > 1:
        raise Failed("one connection is told of twice")


def _with_key(text: str, key: str) -> str:
    before, _, _ = text.partition("-----BEGIN")
    return before + key


def _expect(node: TincNode, kind: Kind, line: str) -> None:
    if kind is Kind.C:
        if node.log.has(r"^ConnectTo "):
            raise Failed("C tincd has such lines of its own")
        return
    node.log.wait(rf"^ConnectTo peer: {line}", _LIMIT)


SCENARIO: Final = Scenario(
    name="notices",
    summary="a ConnectTo that is lost or found, or has a wrong key, at level 0",
    placements=ONE,
    play=play,
)
