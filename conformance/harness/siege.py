"""A daemon that a member or a stranger attacks, and a witness who may not notice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Placement
from conformance.harness.lab import Lab
from conformance.harness.member import calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.probes import SteadyPing
from conformance.harness.waits import say


@dataclass(frozen=True, slots=True)
class Siege:
    """The victim is what ``target`` calls; the member is not started but played."""

    victim: TincNode
    witness: TincNode
    member: TincNode
    target: Target


@contextlib.contextmanager
def siege(
    lab: Lab,
    placement: Placement,
    *,
    server: tuple[str, ...] = (),
    debug: int = Plan.debug,
    prepare: Callable[[TincNode], None] | None = None,
) -> Iterator[Siege]:
    """Let the witness ping the victim all the while.

    At the end Failed if a ping was lost, or if the witness died or lost a connection.

    :param server: further lines of the victim's tinc.conf
    :param prepare: called with the victim before it is started
    """
    kind_victim, kind_witness = placement
    plans = [
        Plan(name="victim", kind=kind_victim, server=server, debug=debug),
        Plan(name="witness", kind=kind_witness, connect_to=("victim",), debug=debug),
        Plan(name="member", kind=kind_witness),
    ]
    mesh = Mesh(lab, plans)
    victim, witness, member = mesh
    if prepare is not None:
        prepare(victim)
    for node in (victim, witness):
        node.start()
    witness.wait_reachable("victim")
    mark = witness.log.mark()
    steady = SteadyPing(lab, witness, victim.address, count=9000, interval=0.02)

    yield Siege(victim, witness, member, calling(lab, mesh, "victim", "member"))

    result = steady.finish()
    say(f"          steady ping: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)
    expect(witness.alive, "the witness is dead")
    expect(not witness.log.has(r"^Closing connection", mark), "the witness was cut off")
