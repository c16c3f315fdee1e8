"""Socket activation: TCP sockets that were handed over, UDP opened beside them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from conformance.harness import activate
from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.processes import PLAIN_PYTHON
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON

_PORT: Final = 7655
#: For other sockets than those handed over.
_IGNORED: Final = ("BindToAddress = 10.99.1.1 8655",)
_LAUNCHER: Final = str(Path(activate.__file__))


def play(lab: Lab, placement: Placement) -> None:
    kind_subject, kind_peer = placement
    seen = lab.directory / "seen-by-tinc-up"
    plans = [
        Plan(
            name="subject",
            kind=kind_subject,
            server=_IGNORED,
            up=(f'echo "$LISTEN_FDS" > {seen}',),
        ),
        Plan(name="peer", kind=kind_peer, connect_to=("subject",)),
    ]
    mesh = Mesh(lab, plans)
    subject, peer = mesh
    path = peer.etc / "hosts" / "subject"
    path.write_text(f"Port = {_PORT}\n{path.read_text()}")
    places = [(subject.outer[0], str(_PORT)), ("fd99:1::1", str(_PORT))]
    words = [word for place in places for word in place]
    subject.wrapper = (*PLAIN_PYTHON, _LAUNCHER, *words, "--")
    mesh.start()

    expect(subject.pidfile.exists(), "no pid file")
    for address, port in places:
        listening = rf"^Listening on {address} port {port}$"
        expect(subject.log.has(listening), f"not logged: {listening}")
    _expect_sockets(mesh, {f"{subject.outer[0]}:{_PORT}", f"[fd99:1::1]:{_PORT}"})
    mesh.wait_reachable()
    expect_ping(peer, subject.address, count=3)
    # No Port is configured, so that of the first socket is announced.
    row = peer.dump().nodes["subject"]
    expect_equal("address of the subject", row.host, f"{subject.outer[0]} port {_PORT}")
    peer.wait_pmtu("subject")
    expect_ping(subject, peer.address, count=3, size=1300)
    # The sockets stay open over a reload.
    subject.signal(signal.SIGHUP)
    subject.log.wait(r"^Got HUP signal$", SOON)
    peer.kill()
    peer.start()
    mesh.wait_reachable()
    expect_equal("LISTEN_FDS at tinc-up", seen.read_text(), "2\n")


def _expect_sockets(mesh: Mesh, wanted: set[str]) -> None:
    """The same addresses for TCP and UDP, and no others."""
    subject = mesh["subject"]
    for kind in ("-t", "-u"):
        lines = subject.namespace.run("ss", "-nlH", kind).stdout.splitlines()
        found = {line.split()[3] for line in lines}
        expect_equal(f"sockets that ss {kind} lists", found, wanted)


SCENARIO = Scenario(
    name="socket-activation",
    summary="TCP sockets from LISTEN_FDS, UDP opened beside them",
    placements=TWO,
    play=play,
)
