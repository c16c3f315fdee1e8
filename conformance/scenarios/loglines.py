"""The log of a session at each debug level, line by line as C's.

Two daemons at a time live through the same events: a peer is reached, pinged, leaves
and comes back, and every signal arrives.  Up to level 2 the lines come in C's order,
those about scripts among themselves; above, where timing shows, the same lines come.
"""

from __future__ import annotations

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from conformance.harness.checks import expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import CONNECTIONS_BLOCK, TABLES_BLOCK
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.outputs import without_own_lines
from conformance.harness.probes import wait_ping
from conformance.harness.scenario import Scenario

_LEVELS: Final = range(6)
#: Up to this level the order of lines is compared; at the other packets are logged.
_IN_ORDER: Final = 2
_TRAFFIC: Final = 5

_LIMIT: Final = 15.0
_SCRIPTS: Final = ("host-up", "host-down", "subnet-up", "subnet-down", "hosts/peer-up")


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    meshes = [_mesh(lab, Kind.C, "ref-"), _mesh(lab, kind, "sub-")]
    with ThreadPoolExecutor(2) as pool:
        for level in _LEVELS:
            wanted, actual = pool.map(_live, meshes, (level, level))
            expect_same_text(f"the log at level {level}", actual, wanted)


def _mesh(lab: Lab, kind: Kind, part: str) -> Mesh:
    plans = [
        Plan(name="subject", kind=kind, connect_to=("peer",)),
        Plan(name="peer", kind=Kind.C, debug=0),
    ]
    mesh = Mesh(lab, plans, part=part)
    for name in _SCRIPTS:
        path = mesh["subject"].etc / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return mesh


def _live(mesh: Mesh, level: int) -> str:
    subject, peer = mesh
    subject.debug = level
    mark = subject.log.mark()
    if not peer.alive:
        peer.start()
    subject.start()
    subject.wait_connected(["peer"], _LIMIT)
    subject.wait_reachable("peer")
    wait_ping(subject, peer.address)
    if level == _TRAFFIC:
        subject.wait_pmtu("peer")
    for number in (signal.SIGHUP, signal.SIGALRM, signal.SIGINT, signal.SIGINT):
        _signal(subject, number)
    peer.stop()
    subject.wait_connected([], _LIMIT)
    subject.signal(signal.SIGWINCH)
    peer.start()
    subject.wait_connected(["peer"], _LIMIT)
    subject.stop()
    return _masked(subject.log.text(mark), level)


def _signal(node: TincNode, number: signal.Signals) -> None:
    mark = node.log.mark()
    node.signal(number)
    node.log.wait(rf"^Got {number.name[3:]} signal$", _LIMIT, mark)
    if number == signal.SIGALRM and node.debug > _IN_ORDER:
        node.log.wait(r"^Got PONG ", _LIMIT, mark)
    node.dump()


#: What differs between two lives of the same daemon.
_MASKS: Final = (
    (r"\b[0-9A-F]{16,}\b", "KEY"),
    (r"(: 1[0-9] )[0-9a-f]+\b", r"\1#"),
    (r"\b(port )(?!655\b)\d+", r"\1N"),
    (r"(: 12 # .* c )\d+$", r"\1N"),
    (r"(: 4 655 )\d+( c)$", r"\1N\2"),
    (r"\b(Sending|Flushing|Got|packet of) \d+ bytes", r"\1 N bytes"),
    (r"\b(MTU probe length) \d+", r"\1 N"),
    (r"\b(to 1\d+ after) \d+ probes", r"\1 N probes"),
    # Whether these come depends on which of two nodes, or of two packets, is first.
    (r"^(?:Got|Sending) (?:PACKET|REQ_KEY|ANS_KEY) (?:from|to) .*\n", ""),
    (r"^(Temporarily setting .*\n)(?:.*\n)*?(Got INT signal\n)", r"\1\2"),
    (r"^Received packet of .*\n", ""),
    (r"^No valid key known yet for .*\n", ""),
    (r"^Packet for .* larger than minimum MTU, .*\n", ""),
    (r"^Cannot route packet from .*: unknown type 0\n", ""),
    (r"^Got unauthenticated packet from .*\n", ""),
    (r"^Received UDP packet from unknown source .*\n", ""),
)
#: A try while the peer is still away.
_TOO_EARLY: Final = re.compile(
    r"^(?:Trying to connect to .*\n)?Error while connecting to .*: Connection refused\n"
    r"(?:Could not set up a meta connection to .*\nTrying to re-establish .*\n)?",
    re.M,
)


def _masked(text: str, level: int) -> str:
    for block in (CONNECTIONS_BLOCK, TABLES_BLOCK):
        text = re.sub(block.pattern + "\n", "", text, flags=re.M)
    text = without_own_lines(text)
    for pattern, replacement in _MASKS:
        text = re.sub(pattern, replacement, text, flags=re.M)
    lines = text.splitlines()
    if level > _IN_ORDER:
        lines = sorted(set(lines))
    else:
        lines.sort(key=_about_scripts)
    return _TOO_EARLY.sub("", "\n".join(lines))


def _about_scripts(line: str) -> bool:
    """Ours run beside the rest."""
    return line.startswith("Executing script ")


SCENARIO: Final = Scenario(
    name="loglines",
    summary="what a session logs at each debug level, as C logs it",
    placements=ONE,
    play=play,
    seconds=20,
    needs_c=True,
)
