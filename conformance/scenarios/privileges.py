"""``-U`` and ``-R``: what is left of root after the start, and that work goes on.

Nothing that is open leads out of the new root, even if the daemon was started with
something that does.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect_equal, expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.descriptors import ways_out
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, say, wait_for

_OPTIONS: Final = ((), ("-U", "nobody"), ("-R",), ("-U", "nobody", "-R"))
_STATUS: Final = re.compile(r"^(?:Uid|Gid|Groups|Cap(?:Prm|Eff|Inh|Amb)):.*$", re.M)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    # Somebody else has to find the host files.
    for directory in (lab.directory, lab.directory.parent):
        directory.chmod(0o711)
    wanted = _record(lab, Kind.C, "ref-")
    say(wanted)
    actual = _record(lab, kind, "sub-")
    expect_same_text("privileges and root directory", actual, wanted)
    if kind is Kind.OURS:
        _started_with_a_way_out(lab)


def _record(lab: Lab, kind: Kind, part: str) -> str:
    plans = [
        Plan(name="node", kind=kind, connect_to=("peer",)),
        Plan(name="peer", kind=Kind.C),
    ]
    mesh = Mesh(lab, plans, part=part)
    node, peer = mesh
    peer.start()
    told = []
    # Where even root may not lift the limit of locked memory, C aborts in its first
    # handshake.
    locked = () if kind is Kind.C else (("-U", "nobody", "-L"),)
    for options in (*_OPTIONS, *locked):
        node.start(*options)
        # A C peer takes a C node that starts again for the one before.
        node.wait_connected(["peer"], 30)
        if kind is Kind.OURS:
            node.wait_reachable("peer")
            wait_ping(node, peer.address)
            _change_network(node)
        if options in _OPTIONS:
            told += [" ".join(("tincd", *options)), *_rights(node), ""]
        _end(node)
    peer.stop()
    return "\n".join(told)


def _rights(node: TincNode) -> list[str]:
    """Return user, groups, capabilities and root directory of the daemon."""
    process = Path(f"/proc/{node.pid}")
    root = os.readlink(process / "root")
    place = "its configuration" if Path(root) == node.etc.resolve() else root
    lines = _STATUS.findall((process / "status").read_text())
    open_outside = ways_out(node.pid, [node.log.path])
    return [
        *(line.rstrip() for line in lines),
        f"Root: {place}",
        f"Open outside: {', '.join(open_outside) or 'nothing'}",
    ]


def _started_with_a_way_out(lab: Lab) -> None:
    """C keeps what its starter has left open; ours closes it."""
    plans = [Plan(name="node", kind=Kind.OURS)]
    (node,) = Mesh(lab, plans, part="way-")
    node.wrapper = ("sh", "-c", 'exec "$@" 7< /', "sh")
    node.start()
    expect_equal("descriptor 7", os.readlink(f"/proc/{node.pid}/fd/7"), "/")
    node.stop()
    node.start("-U", "nobody", "-R")
    expect_equal("what leads out", ways_out(node.pid, [node.log.path]), [])
    _end(node)


def _change_network(node: TincNode) -> None:
    """Let it do what it loads late: nothing must be missing by then."""
    mark = node.log.mark()
    node.namespace.run("ip", "addr", "add", "10.99.1.77/24", "dev", "eth0")
    node.log.wait(r"^The network of this host has changed$", 20, mark)
    node.namespace.run("ip", "addr", "del", "10.99.1.77/24", "dev", "eth0")


def _end(node: TincNode) -> None:
    """End it; C can take its pid file away only where it still has the right to."""
    mark = node.log.mark()
    node.signal(signal.SIGTERM)
    wait_for(f"{node.name} ends", lambda: not node.alive, SOON)
    node.log.wait(r"^Terminating$", 5, mark)
    node.pidfile.unlink(missing_ok=True)


SCENARIO = Scenario(
    name="privileges",
    summary="-U and -R take away what they take away from C, and it works on",
    placements=ONE,
    play=play,
    seconds=15,
    needs_c=True,
)
