"""Frames through a router in router mode, and verdicts in words."""

from __future__ import annotations

from collections.abc import Callable

from tests.routing.frames import ipv4, line, pack, tcp
from tincd_compat.mesh.node import Mesh
from tincd_compat.modes import Forwarding
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Deliver,
    Discard,
    Fragments,
    SendTo,
    SendToAll,
    Verdict,
)

NUMBERS = {"a": 1, "b": 2, "c": 4, "d": 3, "nobody": 9}
A, B, C, D, NOBODY = (f"192.168.{number}.1" for number in NUMBERS.values())
A6, B6, C6, D6, NOBODY6 = (f"fd00:{number}::1" for number in NUMBERS.values())


def route(
    frame: bytearray,
    source: str = "a",
    *,
    us: str = "a",
    options: RouteOptions | None = None,
    change: Callable[[Mesh], None] = lambda mesh: None,
) -> Verdict:
    """Route a frame of ``source`` at ``us``, after a ``change`` to the mesh."""
    mesh = line(us)
    change(mesh)
    router = Router(
        mesh, options or RouteOptions(), local_address=lambda target: pack("10.0.0.7")
    )
    return router.route(frame, mesh.nodes[source], 0.0)


def shape(verdict: Verdict) -> tuple[str, ...]:
    """What a verdict says, without its frames."""
    match verdict:
        case SendTo(node, _, tos):
            return ("send", node.name, str(tos))
        case Fragments(node, frames, tos):
            return ("fragments", node.name, str(len(frames)), str(tos))
        case AnswerFrames(frames, reason):
            (reply,) = frames
            icmp = reply[34:36] if reply[12:14] == b"\x08\0" else reply[54:56]
            return ("answer", f"{icmp[0]}/{icmp[1]}", str(reason))
        case Discard(reason):
            return ("drop", str(reason))
        case Deliver():
            return ("deliver",)
        case SendToAll():
            return ("broadcast",)


def path(mtu: int) -> Callable[[Mesh], None]:
    """Make the path MTU to b known."""

    def change(mesh: Mesh) -> None:
        mesh.nodes["b"].mtu = mtu

    return change


def syn(source: str, target: str) -> bytearray:
    """Begin a TCP connection with an MSS of 1460."""
    return ipv4(source, target, tcp(source, target, b"\2\4\5\xb4"), protocol=6)


def arp(target: str) -> bytearray:
    """Ask who has an address."""
    head = "ffffffffffff da6a088a2139 0806 0001080006040001 da6a088a2139 c0a80101"
    return bytearray.fromhex(head) + bytes(6) + pack(target)


OFF = RouteOptions(forwarding=Forwarding.OFF)
KERNEL = RouteOptions(forwarding=Forwarding.KERNEL)
DIRECT = RouteOptions(direct_only=True)
TTL = RouteOptions(decrement_ttl=True)
TOS = RouteOptions(priority_inheritance=True)
NO_BROADCAST = RouteOptions(broadcast=False)
