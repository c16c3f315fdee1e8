"""The Broadcast variable: who gets a broadcast where all are linked to all."""

from __future__ import annotations

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
    ports = []
    for node in mesh:
        others = [name for name in "abc" if name != node.name]
        node.wait_connected(others, 30)
        node.wait_pmtu(*others)
        port = Port(node)
        port.show()
        ports.append(port)
    for node in mesh:
        for port in ports:
            known = (f"{format_mac(port.station)}#10", port.node.name)
            wait_for(
                f"{node.name} knows the station of {port.node.name}",
                lambda node=node, known=known: known in node.dump().owned(),  # type: ignore[misc]
                limit=20,
            )
    return ports


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
