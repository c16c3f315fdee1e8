"""What happens is told as it happens, with its reason, to whoever follows."""

from __future__ import annotations

import signal
from typing import Final

from conformance.harness.asking import Record, ask, follow, wait_event
from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario


def play(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a),
        Plan(name="b", kind=kind_b, connect_to=("a",)),
        Plan(name="c", kind=kind_c, connect_to=("a",)),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    for node in (a, b):
        node.start()
    mesh_events(mesh)
    with follow(b, "/v1/events?follow=1&since=2100-01-01T00:00:00Z") as events:
        c.start()
        came = wait_event(events, "reachable", "c")
        c.stop()
        gone = wait_event(events, "unreachable", "c")
        expect(gone["reason"] in ("edge-gone", "cut-off"), f"{gone}")
        expect(gone["seq"] > came["seq"], "events are numbered")
        b.signal(signal.SIGHUP)
        read = wait_event(events, "reload", None)
        expect_equal("a reload", read["facts"]["ok"], True)
        a.kill()
        ended = wait_event(events, "link-down", "a")
        expect(ended["reason"] in ("closed", "reset"), f"{ended}")
        lost = wait_event(events, "unreachable", "a")
        expect_equal("why a is lost", lost["reason"], "link-down")
        dialled = wait_event(events, "dial", "a")
        expect_equal("what came of dialling", dialled["reason"], "refused")
        expect_equal("where", dialled["facts"]["port"], 655)
    _, later = ask(b, f"/v1/events?since={gone['seq']}")
    numbers = [event["seq"] for event in later]
    expect_equal("the first one behind a number", numbers[0], gone["seq"] + 1)
    expect_equal("their order", numbers, sorted(numbers))
    _, about = ask(b, "/v1/events?node=c")
    expect_equal("whom they are about", {event["node"] for event in about}, {"c"})


def mesh_events(mesh: Mesh) -> None:
    """Both ends of the first link are there, and told of."""
    _, b, _ = mesh
    b.wait_reachable("a")
    with follow(b, "/v1/events?follow=1") as events:
        seen: Record = wait_event(events, "link-up", "a")
        expect_equal("who has opened it", seen["facts"]["opened"], "us")
        expect(bool(seen["text"]), "a sentence")


SCENARIO: Final = Scenario(
    name="events",
    summary="link, node, dial and reload events with their reasons, as they happen",
    placements=((Kind.C, Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS, Kind.OURS)),
    play=play,
    seconds=15,
)
