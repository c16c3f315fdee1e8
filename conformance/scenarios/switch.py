"""Switch and hub mode between kernels: stations that come, move, and fall silent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import THREE, TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.port import EVERYBODY, Port, expect_frame, frame, station
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for
from tincd_compat.addresses import format_mac

_MOVER: Final = station(70)
_SILENT: Final = station(71)
_STRANGER: Final = station(90)
_HERE: Final = station(1)
_THERE: Final = station(2)

#: Ticks every second; an old address is gone in a few, but c remembers.
_SERVER: Final = ("PingTimeout = 1", "MACExpire = 4")
_PATIENT: Final = ("PingTimeout = 1", "MACExpire = 600")
#: Seconds until an old word is taken back; MACExpire would be ten minutes.
_RING_LIMIT: Final = 90.0
_NEVER_LEARNED: Final = ("Mode = hub", "PingTimeout = 1")


def chain(
    lab: Lab, placement: Placement, servers: Sequence[tuple[str, ...]]
) -> tuple[list[TincNode], list[Port]]:
    """Start a - b - c without subnets, and open their devices.

    Every node keeps a record of its subnet-up and subnet-down.
    """
    peers: tuple[tuple[str, ...], ...] = (("b",), (), ("b",))
    mesh = Mesh(
        lab,
        [
            Plan(name=name, kind=kind, connect_to=to, server=server, subnets=())
            for name, kind, to, server in zip(
                "abc", placement, peers, servers, strict=False
            )
        ],
    )
    for node in mesh:
        for word in ("up", "down"):
            script = node.etc / f"subnet-{word}"
            line = f'echo "{word} $NODE $SUBNET" >> {_record(node)}'
            script.write_text(f"#!/bin/sh\n{line}\n")
            script.chmod(0o755)
        _record(node).touch()
    mesh.start()
    mesh.wait_reachable()
    nodes = list(mesh)
    return nodes, [Port(node) for node in nodes]


def _record(node: TincNode) -> Path:
    return node.directory / "record.txt"


def _wait_told(
    nodes: Sequence[TincNode], word: str, owner: str, mac: bytes, since: int = 0
) -> None:
    """Wait until the scripts of all these nodes have been told of a station."""
    line = f"{word} {owner} {format_mac(mac)}\n"

    def told() -> bool:
        return all(line in _record(node).read_text()[since:] for node in nodes)

    names = ", ".join(node.name for node in nodes)
    wait_for(f"{line.strip()} at {names}", told, limit=30)


def _everywhere(nodes: Sequence[TincNode]) -> None:
    """ARP, neighbour discovery and what they are for, in every direction."""
    for source in nodes:
        for target in nodes:
            if source is target:
                continue
            for address in (target.address, target.address6):
                wait_ping(source, address)
                expect_ping(source, address, count=5)


def play_switch(lab: Lab, placement: Placement) -> None:
    mode = ("Mode = switch",)
    servers = (mode + _SERVER, mode + _SERVER, mode + _PATIENT)
    nodes, (at_a, at_b, at_c) = chain(lab, placement, servers)
    _everywhere(nodes)
    for port in (at_a, at_b, at_c):
        port.show()
    unknown = frame(_STRANGER, _MOVER, "for a stranger")
    expect_frame(unknown, at_a, there=(at_b, at_c))
    _wait_told(nodes, "up", "a", _MOVER)
    at_a.send(unknown)
    expect_frame(frame(_MOVER, _HERE, "to a"), at_c, there=(at_a,), nowhere=(at_b,))
    moved = frame(EVERYBODY, _MOVER, "moved to c")
    expect_frame(moved, at_c, there=(at_a, at_b))
    _wait_told(nodes, "up", "c", _MOVER)
    _wait_told(nodes, "down", "a", _MOVER)
    expect_frame(frame(_MOVER, _THERE, "to c"), at_a, there=(at_c,), nowhere=(at_b,))
    _newcomer(nodes[1])
    at_a.send(frame(EVERYBODY, _SILENT, "falls silent"))
    _wait_told(nodes, "up", "a", _SILENT)
    _wait_told(nodes, "down", "a", _SILENT)
    for port in (at_a, at_b, at_c):
        port.close()


def _newcomer(node: TincNode) -> None:
    """Whoever comes later is told of the stations that were learned before."""
    node.stop()
    since = len(_record(node).read_text())
    node.start()
    node.wait_reachable("a", "c")
    _wait_told([node], "up", "c", _MOVER, since)


def play_ring(lab: Lab, placement: Placement) -> None:
    """A station is heard at a and b, as in a ring of bridges, and then at a alone.

    Somebody between whom the ring was can put it right for a tincd too.
    """
    mode = ("Mode = switch", *_PATIENT)
    nodes, (at_a, at_b, at_c) = chain(lab, placement, [mode] * 3)
    at_c.show()
    _wait_told(nodes, "up", "c", at_c.station)
    hello = frame(EVERYBODY, _MOVER, "hello")

    def both_own() -> bool:
        at_a.send(hello)
        at_b.send(hello)
        return _owners(nodes[2], _MOVER) == {"a", "b"}

    wait_for("a and b have announced the station", both_own, 20, every=0.3)

    def a_alone() -> bool:
        at_a.send(hello)
        return _owners(nodes[2], _MOVER) == {"a"}

    wait_for("b has taken its word back", a_alone, _RING_LIMIT, every=0.5)
    for port in (at_a, at_b, at_c):
        port.clear()
    expect_frame(frame(_MOVER, _HERE, "home"), at_c, there=(at_a,), nowhere=(at_b,))
    for port in (at_a, at_b, at_c):
        port.close()


def _owners(node: TincNode, mac: bytes) -> set[str]:
    """Return who has announced a station, as far as a node knows."""
    text = format_mac(mac)
    owned = node.dump().owned()
    return {owner for subnet, owner in owned if subnet.split("#")[0] == text}


def play_hub(lab: Lab, placement: Placement) -> None:
    nodes, ports = chain(lab, placement, [_NEVER_LEARNED] * 3)
    _everywhere(nodes)
    for number, origin in enumerate(ports):
        others = [port for port in ports if port is not origin]
        for target in (station(number + 1), _STRANGER, EVERYBODY):
            text = f"from {origin.node.name} to {target.hex()}"
            expect_frame(frame(target, station(number), text), origin, there=others)
    for node in nodes:
        expect_equal(f"subnets known to {node.name}", node.dump().owned(), set())
    for port in ports:
        port.close()


def play_vlan(lab: Lab, placement: Placement) -> None:
    """Tagged frames of every size, unknown, known and for all."""
    mode = ("Mode = switch", *_PATIENT)
    nodes, ports = chain(lab, placement, [mode] * 2)
    for node, peer in (nodes, nodes[::-1]):
        node.wait_pmtu(peer.name)
    for origin, other in (ports, ports[::-1]):
        for size in (60, 64, 590, 1000, 1400, 1452, 1514, 1518):
            for tag in (5, 0xEFFF):
                text = f"{size} bytes in {tag:04x}"
                for to in (_STRANGER, EVERYBODY, other.station):
                    data = frame(to, origin.station, text, tag=tag, size=size)
                    expect_frame(data, origin, there=(other,))
    for port in ports:
        port.close()


SWITCH: Final = Scenario(
    name="switch",
    summary="stations learned, followed and forgotten; floods; kernels find each other",
    placements=THREE,
    play=play_switch,
)
RING: Final = Scenario(
    name="ring",
    summary="a station that two nodes have announced: the one that has lost it says so",
    placements=(
        (Kind.OURS, Kind.OURS, Kind.C),
        (Kind.C, Kind.OURS, Kind.C),
        (Kind.OURS, Kind.C, Kind.C),
    ),
    play=play_ring,
    seconds=5,
)
HUB: Final = Scenario(
    name="hub",
    summary="everybody gets everything, and nothing is learned",
    placements=THREE[:3],
    play=play_hub,
    seconds=5,
)
VLAN: Final = Scenario(
    name="vlan",
    summary="tagged frames of every size through switch mode",
    placements=TWO,
    play=play_vlan,
    seconds=5,
)
