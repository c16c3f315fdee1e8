"""FreeBind: a daemon listens on an address that its host gets only later.

C tincd has no such word: where it listens the address is there before its start.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for

#: The number of the late address on the network.
_LATE: Final = 77
_LIMIT: Final = 20.0


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b = placement
    lan = lab.lan()
    late, late6 = lan.address(_LATE), lan.address6(_LATE)
    places = tuple(f"BindToAddress = {each}" for each in (late, late6))
    free = ("FreeBind = yes",) if kind_a is Kind.OURS else ()
    plans = [
        Plan(name="a", kind=kind_a, server=(*places, *free)),
        Plan(name="b", kind=kind_b, connect_to=("a",)),
    ]
    mesh = Mesh(lab, plans, lans={"a": [lan], "b": [lan]})
    a, b = mesh
    host = b.etc / "hosts" / "a"
    host.write_text(host.read_text().replace(a.outer[0], late))
    if kind_a is Kind.OURS:
        mesh.start()
        for place in (late, late6):
            listening = f"^Listening on {place} port 655"
            expect(a.log.has(listening), f"{place} is listened on before it is there")
        refused = "^Could not set up a meta connection to a"
        wait_for("a try of b in vain", lambda: b.log.has(refused), limit=_LIMIT)
    a.namespace.add_address("eth0", late, 24)
    a.namespace.add_address("eth0", late6, 64)
    if kind_a is Kind.C:
        mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    expect_ping(a, b.address, count=20, size=700)
    expect_ping(b, a.address, count=20, size=700)
    if kind_a is Kind.OURS:
        # A daemon has to leave the host's addresses as it has found them.
        for place in (f"{late}/24", f"{late6}/64"):
            a.namespace.run("ip", "address", "del", place, "dev", "eth0")


SCENARIO: Final = Scenario(
    name="freebind",
    summary="an address is listened on before the host has it",
    placements=TWO,
    play=play,
)
