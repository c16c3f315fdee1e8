"""``-R`` and a name in ``Address``: looked up while there are files of the resolver.

Only /etc/hosts knows the name, and it is not in the new root directory.  C connects
once and never again; ours goes on with what it has found.
"""

from __future__ import annotations

import signal
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, wait_for

_NAME: Final = "peer.test"
_OPTIONS: Final = (("-R",), ("-U", "nobody", "-R"))
#: At the first try: the second comes after five seconds.
_AT_ONCE: Final = 4.0
#: The peer ends, comes back, and the pause between two tries passes.
_AGAIN: Final = 30.0


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    # Somebody else has to find the host files.
    for directory in (lab.directory, lab.directory.parent):
        directory.chmod(0o711)
    plans = [
        Plan(name="node", kind=kind, connect_to=("peer",)),
        Plan(name="peer", kind=Kind.C),
    ]
    mesh = Mesh(lab, plans)
    node, peer = mesh
    _know_by_name(node, peer)
    for options in _OPTIONS:
        peer.start()
        node.start(*options)
        node.wait_connected(["peer"], _AT_ONCE)
        if kind is Kind.OURS:
            peer.stop()
            node.wait_connected([], _AGAIN)
            peer.start()
            node.wait_connected(["peer"], _AGAIN)
        node.signal(signal.SIGTERM)
        wait_for("the node ends", lambda: not node.alive, SOON)
        node.pidfile.unlink(missing_ok=True)
        # A C peer takes a C node that starts again for the one before.
        peer.stop()


def _know_by_name(node: TincNode, peer: TincNode) -> None:
    """Let a node know the address of another from an /etc/hosts of its own only."""
    address = peer.outer[0]
    host = node.etc / "hosts" / peer.name
    text = host.read_text()
    host.write_text(text.replace(f"Address = {address}\n", f"Address = {_NAME}\n"))
    known = node.directory / "known-hosts"
    known.write_text(f"{address} {_NAME}\n")
    mounted = f'mount --bind {known} /etc/hosts && exec "$@"'
    node.wrapper = ("unshare", "--mount", "sh", "-c", mounted, "sh")


SCENARIO = Scenario(
    name="chroot-names",
    summary="-R and a host name: connected at once, and again without a resolver",
    placements=ONE,
    play=play,
    needs_c=True,
)
