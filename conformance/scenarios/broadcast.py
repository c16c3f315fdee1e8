"""The Broadcast variable: who gets a broadcast where all are linked to all."""

from __future__ import annotations

from itertools import permutations
from typing import Final

from conformance.harness.kinds import THREE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.port import EVERYBODY, Port, expect_frame, frame
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for
from tincd_compat.addresses import format_mac


def _ring(lab: Lab, placement: Placement, word: str) -> list[Port]:
    """Start three nodes in a circle, all with a known station and path MTU."""
    server = ("Mode = switch", f"Broadcast = {word}")
    to: dict[str, tuple[str, ...]] = {"a": ("b", "c"), "b": ("c",), "c": ()}
    plans = [
        Plan(name=name, kind=kind, connect_to=to[name], server=server, subnets=())
        for name, kind in zip("abc", placement, strict=True)
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    for node in mesh:
        node.wait_connected([name for name in "abc" if name != node.name], 30)
    ports = [Port(node) for node in mesh]
    for port in ports:
        port.show()
    for origin, other in permutations(ports, 2):
        _introduce(origin, other)
    for origin, other in permutations(ports, 2):
        origin.node.wait_pmtu(other.node.name)
    return ports


def _introduce(origin: Port, other: Port) -> None:
    """Let a frame pass once the station is known; who sends nothing asks for no key."""
    node, name = origin.node, other.node.name
    known = (f"{format_mac(other.station)}#10", name)
    wait_for(
        f"{node.name} knows the station of {name}",
        lambda: known in node.dump().owned(),
        limit=20,
    )
    data = frame(other.station, origin.station, "how do you do")

    def passed() -> bool:
        origin.send(data)
        return data in other.received()

    wait_for(f"{node.name} to {name}", passed, limit=20, every=0.2)


def _play(lab: Lab, placement: Placement, word: str) -> None:
    ports = _ring(lab, placement, word)
    for origin in ports:
        others = [port for port in ports if port is not origin]
        there, nowhere = ([], others) if word == "no" else (others, [])
        for size in (60, 1000, 1514):
            text = f"{size} bytes to all from {origin.node.name}"
            data = frame(EVERYBODY, origin.station, text, size=size)
            expect_frame(data, origin, there=there, nowhere=nowhere)
        for other in others:
            data = frame(other.station, origin.station, "to one")
            third = [port for port in others if port is not other]
            expect_frame(data, origin, there=[other], nowhere=third)
    for port in ports:
        port.close()


def _scenario(word: str, summary: str) -> Scenario:
    def play(lab: Lab, placement: Placement) -> None:
        _play(lab, placement, word)

    return Scenario(
        name=f"broadcast-{word}", summary=summary, placements=THREE[:3], play=play
    )


NO: Final = _scenario("no", "broadcasts stay where they are")
MST: Final = _scenario("mst", "broadcasts follow the tree, in spite of loops")
DIRECT: Final = _scenario("direct", "broadcasts go from their author to everybody")
